#include "master/http/date.hpp"

#include <gtest/gtest.h>

#include <string>

namespace prefork::http {
namespace {

constexpr std::int64_t kNow = 1'780'000'000;  // 2026

std::string date(std::int64_t seconds) {
  std::string text(kDateLength, '?');
  write_date(seconds, text.data());
  return text;
}

TEST(Date, IsWrittenAsInTheRfc) {
  EXPECT_EQ(date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(date(1709210096), "Thu, 29 Feb 2024 12:34:56 GMT");
}

TEST(Date, StaysInsideFourDigitYears) {
  EXPECT_EQ(date(INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(date(INT64_MIN), "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(Date, TextChangesWithTheSecond) {
  DateText text;
  EXPECT_EQ(text.at(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(text.at(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(text.at(784111778), "Sun, 06 Nov 1994 08:49:38 GMT");
}

TEST(Date, AllThreeFormsAreRead) {
  EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT", kNow), 784111777);
  EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT", kNow), 784111777);
  EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994", kNow), 784111777);
  EXPECT_EQ(parse_date("Wed Nov 16 08:49:37 1994", kNow), 784111777 + 10 * 86400);
}

TEST(Date, TwoDigitYearMoreThanFiftyAheadLiesInThePast) {
  EXPECT_EQ(date(*parse_date("Friday, 01-Jan-76 00:00:00 GMT", kNow)).substr(12, 4), "2076");
  EXPECT_EQ(date(*parse_date("Friday, 01-Jan-77 00:00:00 GMT", kNow)).substr(12, 4), "1977");
}

TEST(Date, WhatIsNoDateIsRefused) {
  for (const char* text :
       {"", "x", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "Sun, 06 anF 1994 08:49:37 GMT"}) {
    EXPECT_FALSE(parse_date(text, kNow)) << text;
  }
}

}  // namespace
}  // namespace prefork::http

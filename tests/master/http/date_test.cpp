#include "master/http/date.hpp"

#include <gtest/gtest.h>

#include <string>

namespace prefork::http {
namespace {

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

}  // namespace
}  // namespace prefork::http

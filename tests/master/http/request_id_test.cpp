#include "master/http/request_id.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace prefork::http {
namespace {

std::string next(RequestIds& ids) {
  std::string id(kRequestIdLength, '?');
  ids.next(id.data());
  return id;
}

TEST(RequestId, IsHexadecimalAndStartsWithThePrefix) {
  RequestIds ids(0x0123456789abcdef, 7);
  const std::string id = next(ids);
  EXPECT_EQ(id.substr(0, 16), "0123456789abcdef");
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST(RequestId, NeverRepeats) {
  RequestIds ids(1, 2);
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(seen.insert(next(ids)).second);
}

TEST(RequestId, TwoObjectsShareNoId) {
  RequestIds one, other;
  EXPECT_NE(next(one).substr(0, 16), next(other).substr(0, 16));
}

TEST(RequestId, OneThatWasMadeHereIsValid) {
  RequestIds ids;
  EXPECT_TRUE(valid_request_id(next(ids)));
}

TEST(RequestId, UsualFormsOfOthersAreValid) {
  EXPECT_TRUE(valid_request_id("7b0f8a5c-1111-4222-8333-944455566677"));
  EXPECT_TRUE(valid_request_id("Root=1-67891233-abcdef012345678912345678"));
  EXPECT_TRUE(valid_request_id("a"));
  EXPECT_TRUE(valid_request_id(std::string(kRequestIdLongest, 'x')));
}

TEST(RequestId, WhatCouldBreakALogOrAReplyIsRefused) {
  EXPECT_FALSE(valid_request_id(""));
  EXPECT_FALSE(valid_request_id(std::string(kRequestIdLongest + 1, 'x')));
  for (const char* bad :
       {"a b", "a\"b", "a\nb", "a\rb", "a\tb", "<a>", "a;b", "a'b", "\xc3\xa9", "a\x7f", "a\\b", "a%b", "$(a)"}) {
    EXPECT_FALSE(valid_request_id(bad)) << bad;
  }
  EXPECT_FALSE(valid_request_id(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace prefork::http

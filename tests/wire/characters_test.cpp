#include "shm/wire/characters.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace prefork::wire {
namespace {

std::vector<std::string> members(std::string_view list) {
  std::vector<std::string> found;
  for_each_member(list, [&](std::string_view member) { found.emplace_back(member); });
  return found;
}

TEST(Characters, NamesAreTheSameInAnyCase) {
  EXPECT_TRUE(same_name("Content-Type", "cONTENT-tYPE"));
  EXPECT_TRUE(same_letters("Content-Type", "content-type"));
  EXPECT_FALSE(same_name("Content-Type", "Content-Typ"));
  EXPECT_EQ(lowered("X-Tint"), "x-tint");
}

TEST(Characters, OnlyLettersHaveACase) {
  EXPECT_FALSE(same_name("a[", "a{"));
  EXPECT_FALSE(same_name("a@", "a`"));
  EXPECT_FALSE(same_name("\xc1", "\xe1"));
  EXPECT_EQ(lowered("[@\xc1"), "[@\xc1");
}

TEST(Characters, TokensAreVisibleWithoutSeparators) {
  EXPECT_TRUE(is_token("M-SEARCH!#$%&'*+.^_`|~9"));
  for (const char* text : {"", "a b", "a\t", "a:", "(a)", "a,b", "a/b", "\"a\"", "a\x7f", "a\xe9"})
    EXPECT_FALSE(is_token(text)) << text;
}

TEST(Characters, ValuesHaveNoControlsButTabs) {
  for (const char c : std::string_view{" \t~\x80\xff"}) EXPECT_TRUE(is_value_char(c));
  for (const char c : std::string_view{"\0\r\n\x1f\x7f", 5}) EXPECT_FALSE(is_value_char(c));
}

TEST(Characters, MembersOfAListAreTrimmedAndNeverEmpty) {
  EXPECT_EQ(members(" a ,\tb;c=\"d\"\t,, ,e"), (std::vector<std::string>{"a", "b;c=\"d\"", "e"}));
  EXPECT_TRUE(members(" , ,").empty());
  EXPECT_TRUE(members("").empty());
}

TEST(Characters, HexDigitsAreReadInBothCases) {
  EXPECT_EQ(hex_digit('0'), 0);
  EXPECT_EQ(hex_digit('f'), 15);
  EXPECT_EQ(hex_digit('A'), 10);
  for (const char c : std::string_view{"gG@/:`"}) EXPECT_EQ(hex_digit(c), -1);
}

}  // namespace
}  // namespace prefork::wire

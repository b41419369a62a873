#include "master/http/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace prefork::http {
namespace {

std::span<const char> bytes(const std::string& text) { return text; }

std::string encode(std::uint32_t point) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xC0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xE0 | point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | point >> 18), tail(12), tail(6), tail(0)};
}

// How many bytes are taken before the text is found to be invalid.
std::size_t valid_prefix(const std::string& text) {
  Utf8Validator validator;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!validator.feed(bytes(text).subspan(i, 1))) return i;
  }
  return text.size();
}

TEST(Utf8, AcceptsEveryCodePointButSurrogates) {
  for (std::uint32_t point = 0; point <= 0x10FFFF; ++point) {
    const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    ASSERT_EQ(is_utf8(bytes(encode(point))), !surrogate) << std::hex << point;
  }
}

TEST(Utf8, RefusesEveryFormThatIsNotTheShortest) {
  for (const std::string& text : {std::string("\xC0\x80", 2), std::string("\xC1\xBF"), std::string("\xE0\x9F\xBF"),
                                  std::string("\xF0\x8F\xBF\xBF"), std::string("\xF8\x88\x80\x80\x80")}) {
    EXPECT_FALSE(is_utf8(bytes(text)));
  }
}

TEST(Utf8, FailsAtTheFirstByteThatNothingCanSave) {
  EXPECT_EQ(valid_prefix("abc\x80"), 3u);
  EXPECT_EQ(valid_prefix("\xF4\x90\x80\x80"), 1u);  // above U+10FFFF is known at the second byte
  EXPECT_EQ(valid_prefix("\xED\xA0\x80"), 1u);      // and so is a surrogate
  EXPECT_EQ(valid_prefix("\xF5"), 0u);
  EXPECT_EQ(valid_prefix("\xE2\x82\x28"), 2u);
}

TEST(Utf8, StaysInvalidUntilReset) {
  Utf8Validator validator;
  EXPECT_FALSE(validator.feed(bytes("\xFF")));
  EXPECT_FALSE(validator.feed(bytes("plain")));
  EXPECT_FALSE(validator.feed(bytes("\x80")));
  EXPECT_FALSE(validator.feed({}));
  validator.reset();
  EXPECT_TRUE(validator.feed(bytes("plain")));
}

TEST(Utf8, KnowsAnUnfinishedCharacter) {
  const std::string text = "\xF0\x9F\x98\x80";
  Utf8Validator validator;
  for (std::size_t i = 0; i < text.size(); ++i) {
    ASSERT_TRUE(validator.feed(bytes(text).subspan(i, 1)));
    EXPECT_EQ(validator.complete(), i == 3);
  }
}

// The fast path takes 32 and 8 bytes at a time: a bad byte must be found at every offset of both.
TEST(Utf8, FindsABadByteAnywhereInALongText) {
  for (std::size_t length = 1; length <= 100; ++length) {
    for (std::size_t at = 0; at < length; ++at) {
      std::string text(length, 'a');
      ASSERT_TRUE(is_utf8(bytes(text)));
      text[at] = '\x80';
      ASSERT_FALSE(is_utf8(bytes(text))) << length << " " << at;
    }
  }
}

TEST(Utf8, GivesTheSameAnswerForEverySplit) {
  const std::string good =
      "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80, plain text that is longer than thirty-two bytes";
  const std::string bad = good + "\xED\xA0\x80";
  for (std::size_t at = 0; at <= good.size(); ++at) {
    Utf8Validator validator;
    EXPECT_TRUE(validator.feed(bytes(good).first(at)) && validator.feed(bytes(good).subspan(at)) &&
                validator.complete());
    Utf8Validator refusing;
    EXPECT_FALSE(refusing.feed(bytes(bad).first(at)) && refusing.feed(bytes(bad).subspan(at)));
  }
}

}  // namespace
}  // namespace prefork::http

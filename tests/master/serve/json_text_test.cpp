#include "master/serve/json_text.hpp"

#include <gtest/gtest.h>

namespace prefork::serve {
namespace {

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonText, PlainTextIsQuoted) {
  EXPECT_EQ(json(""), "\"\"");
  EXPECT_EQ(json("Mozilla/5.0 (X11; Linux)"), "\"Mozilla/5.0 (X11; Linux)\"");
}

TEST(JsonText, QuotesBackslashesAndControlBytesAreEscaped) {
  EXPECT_EQ(json("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(json("a\nb\rc\td"), R"("a\nb\rc\td")");
  EXPECT_EQ(json(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
}

TEST(JsonText, Utf8StaysAsItIs) {
  EXPECT_EQ(json("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d"), "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d\"");
  EXPECT_EQ(json("\xf4\x8f\xbf\xbf"), "\"\xf4\x8f\xbf\xbf\"");
}

TEST(JsonText, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(json("a\xff"
                 "b"),
            R"("a\ufffdb")");
  EXPECT_EQ(json("\xc3"), R"("\ufffd")");                                // cut short
  EXPECT_EQ(json("\xc3\""), R"("\ufffd\"")");                            // the quote is not swallowed
  EXPECT_EQ(json("\xc0\xaf"), R"("\ufffd\ufffd")");                      // overlong
  EXPECT_EQ(json("\xe0\x80\xaf"), R"("\ufffd\ufffd\ufffd")");            // overlong
  EXPECT_EQ(json("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");            // surrogate
  EXPECT_EQ(json("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")");  // beyond Unicode
  EXPECT_EQ(json("\xf0\x9f\x90"), R"("\ufffd\ufffd\ufffd")");
}

}  // namespace
}  // namespace prefork::serve

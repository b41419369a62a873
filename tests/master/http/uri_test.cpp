#include "master/http/uri.hpp"

#include <gtest/gtest.h>

#include <string>

namespace prefork::http {
namespace {

std::string decoded(std::string_view path) {
  std::string out(path.size(), '?');
  out.resize(percent_decode(path, out.data()));
  return out;
}

// RFC 3986 2.1.
TEST(Uri, DecodesEscapesOnce) {
  EXPECT_EQ(decoded(""), "");
  EXPECT_EQ(decoded("/plain"), "/plain");
  EXPECT_EQ(decoded("%41%62%2f"), "Ab/");
  EXPECT_EQ(decoded("%2541"), "%41");
  EXPECT_EQ(decoded("%00"), std::string(1, '\0'));
  EXPECT_EQ(decoded("%fF"), "\xff");
}

TEST(Uri, KeepsWhatIsNoEscape) {
  for (const char* text : {"%", "%4", "%zz", "%4z", "%%", "a%", "%g0"}) EXPECT_EQ(decoded(text), text);
  EXPECT_EQ(decoded("%%41"), "%A");
}

TEST(Uri, DecodesEveryByte) {
  for (int byte = 0; byte < 256; ++byte) {
    char escape[4];
    std::snprintf(escape, sizeof escape, "%%%02x", byte);
    EXPECT_EQ(decoded(escape), std::string(1, static_cast<char>(byte)));
  }
}

// RFC 9110 7.2, RFC 3986 3.2.2 and 3.2.3.
TEST(Uri, KnowsAuthorities) {
  for (const char* text : {"kit", "kit.example", "KIT", "kit:8000", "kit:", "kit:0", "kit:65535", "127.0.0.1",
                           "127.0.0.1:80", "[::1]", "[::1]:80", "[::1]:", "[2001:db8::ffff:1.2.3.4]", "[v7.a:b]",
                           "a%20b", "my_host", "kit.", "a!$&'()*+,;=b", "xn--caf-dma.fr"}) {
    EXPECT_TRUE(valid_authority(text)) << text;
  }
  for (const char* text : {"",
                           ":80",
                           "a b",
                           "a/b",
                           "u@a",
                           "http://a",
                           "a:b",
                           "a:80:80",
                           "a:65536",
                           "a:99999999999",
                           "a:-1",
                           "[::1",
                           "::1",
                           "[]",
                           "[:]",
                           "[::1]x",
                           "[::1]:x",
                           "[1.2.3.4]",
                           "[::g]",
                           "[v7]",
                           "a]b",
                           "[[::1]]",
                           "a\"b",
                           "a<b",
                           "a\\b",
                           "a\xe9"
                           "b",
                           "a?b",
                           "a#b",
                           "a:80,b:80",
                           "a%2",
                           "a%zz",
                           "%",
                           " a",
                           "a "}) {
    EXPECT_FALSE(valid_authority(text)) << text;
  }
}

// RFC 9112 3.2.2, RFC 9110 4.2.
TEST(Uri, SplitsAbsoluteTargets) {
  const auto split = [](std::string_view target) {
    const auto parts = split_absolute(target);
    return parts ? std::string(parts->authority) + " " + std::string(parts->path_and_query) : "none";
  };
  EXPECT_EQ(split("http://kit/a?b"), "kit /a?b");
  EXPECT_EQ(split("HTTPS://kit:1"), "kit:1 ");
  EXPECT_EQ(split("http://kit?b/c"), "kit ?b/c");
  EXPECT_EQ(split("http://[::1]/"), "[::1] /");
  for (const char* target : {"", "/a", "http:/kit", "http//kit", "http://", "http:///a", "ftp://kit/", "http://u@kit/",
                             "http://u:p@kit/", "kit:80", "httpx://kit/"}) {
    EXPECT_EQ(split(target), "none") << target;
  }
}

}  // namespace
}  // namespace prefork::http

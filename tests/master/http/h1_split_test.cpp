// Whatever the bytes are and however they are cut, the same is said about them: whole, byte by byte and at random. The messages are
// generated: parts that are right, parts that are wrong, and both changed at random.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/master/http/h1_feed.hpp"

namespace prefork::http {
namespace {

using testing::Outcome;

class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }

  std::string stream() {
    std::string bytes;
    for (std::uint32_t left = 1 + below(3); left != 0; --left) bytes += message();
    for (std::uint32_t left = below(3); left != 0 && below(3) == 0; --left) change(bytes);
    if (below(8) == 0) bytes.resize(below(static_cast<std::uint32_t>(bytes.size()) + 1));
    return bytes;
  }

 private:
  template <std::size_t N>
  std::string one_of(const char* const (&choices)[N]) {
    return choices[below(N)];
  }
  std::string many(const char* text, std::uint32_t most) {
    std::string all;
    for (std::uint32_t left = below(most); left != 0; --left) all += text;
    return all;
  }

  std::string line_end() { return below(60) == 0 ? one_of({"\n", "\r", "\r\r\n", " \r\n", ""}) : "\r\n"; }

  std::string message() {
    std::string head = below(20) == 0 ? "\r\n" : "";
    head += below(12) == 0 ? one_of({"FROB", "G@T", "PRI", "CONNECT", "get", ""})
                           : one_of({"GET", "POST", "HEAD", "OPTIONS"});
    head += below(30) == 0 ? one_of({"  ", "\t", ""}) : " ";
    head += target();
    head += below(30) == 0 ? one_of({"  ", "\t", ""}) : " ";
    head += below(10) == 0
                ? one_of({"HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/11.1", "http/1.1", "HTP", ""})
                : "HTTP/1.1";
    head += line_end();
    if (below(16) != 0) head += one_of({"Host: a", "Host:b", "HOST: a:80", "Host: a, b", "Host: [::1]"}) + line_end();
    for (std::uint32_t left = below(4); left != 0; --left) head += field() + line_end();
    return body(head);
  }

  std::string target() {
    switch (below(12)) {
      case 0:
        return one_of({"*", "http://h/p", "http://u@h:1/", "//x", "/a?b=%zz", "/%2e%2e/", "h:80", "/#f", "/\x80"});
      case 1: return "/" + many("long", 20) + one_of({"", "\x01", "{", "\x7f"}) + many("er", 10);
      default: return "/";
    }
  }

  std::string field() {
    switch (below(16)) {
      case 0:
        return "X-Long: " + many("value ", 12) + one_of({"", "\x01", "\x7f", "\x80", "\t", " "}) + many("more", 8);
      case 1: return many("Name-", 12) + one_of({"", "(", " ", "\x01"}) + "x: y";
      case 2:
        return one_of(
            {"A_B: c", "Proxy: p", "X:", "X: ", "X:\t\t", ": y", "no colon", "X : y", " folded", "X: a\r\n b"});
      case 3:
        return one_of({"Connection: close", "Connection: keep-alive", "Expect: 100-continue", "Expect: magic",
                       "TE: trailers", "Connection: upgrade\r\nUpgrade: websocket"});
      default: return "Accept: */*";
    }
  }

  std::string body(std::string head) {
    switch (below(6)) {
      case 0: return head + "Content-Length: 5" + line_end() + line_end() + "hello";
      case 1: return head + "Transfer-Encoding: chunked" + line_end() + line_end() + chunks();
      case 2:
        return head +
               one_of({"Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nTransfer-Encoding: chunked",
                       "Content-Length: +5", "Content-Length: ", "Content-Length: 99999999999999999999",
                       "Content-Length: 5, 5", "Content-Length: 30", "Transfer-Encoding: gzip",
                       "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: xchunked",
                       "Transfer-Encoding: chunked\t", "Transfer-Encoding: gzip, chunked"}) +
               line_end() + line_end() + "hello";
      default: return head + line_end();
    }
  }

  std::string chunks() {
    std::string bytes;
    for (std::uint32_t left = below(4); left != 0; --left) {
      bytes += below(12) == 0 ? one_of({"5;x", "5 ;y=\"z\"", "5;", "05", "6", "g", "-5", "5 ", "fffffffffffffffff", ""})
                              : "5";
      bytes += line_end() + "hello" + line_end();
    }
    bytes += "0" + line_end();
    for (std::uint32_t left = below(3); left != 0; --left)
      bytes += one_of({"X: y", "X:", "Host: z", "bad", "Trailer-That-Is-Rather-Long: yes"}) + line_end();
    return bytes + line_end();
  }

  void change(std::string& bytes) {
    if (bytes.empty()) return;
    const std::uint32_t at = below(static_cast<std::uint32_t>(bytes.size()));
    switch (below(4)) {
      case 0: bytes[at] = static_cast<char>(below(256)); break;
      case 1: bytes.erase(at, 1 + below(4)); break;
      case 2: bytes.insert(at, 1, "\r\n :;,\0\xff"[below(8)]); break;
      default: bytes.insert(at, bytes.substr(below(static_cast<std::uint32_t>(bytes.size())), below(20))); break;
    }
  }

  std::minstd_rand random_;
};

std::string shown(const Outcome& outcome) {
  return std::to_string(outcome.messages.size()) + " messages, " + std::to_string(outcome.status) + " " +
         outcome.reason;
}

TEST(H1Split, NothingThatIsSaidDependsOnHowTheBytesAreCut) {
  std::size_t refused = 0;
  std::size_t complete = 0;
  for (std::uint32_t seed = 1; seed <= 8'000; ++seed) {
    Generator generator(seed * 2654435761U);
    const auto choice = static_cast<std::uint8_t>(seed % 2 == 0 ? 0 : generator.below(256));
    const bool trusted = (choice & 128) != 0;
    const Limits limits = testing::limits_from(choice);
    const std::string bytes = generator.stream();
    const Outcome whole = testing::feed_whole(bytes, limits, trusted);
    const Outcome single = testing::feed_bytewise(bytes, limits, trusted);
    ASSERT_EQ(whole, single) << shown(whole) << " against " << shown(single) << "\n" << bytes;
    for (std::uint32_t cut = 0; cut < 3; ++cut) {
      const Outcome split = testing::feed_split(bytes, limits, seed * 3 + cut, trusted);
      ASSERT_EQ(whole, split) << shown(whole) << " against " << shown(split) << "\n" << bytes;
    }
    refused += whole.refused() ? 1 : 0;
    complete += !whole.messages.empty() && whole.messages[0].complete ? 1 : 0;
  }
  EXPECT_GT(refused, 2'000U);
  EXPECT_GT(complete, 2'000U);
}

// Each breaks a limit first and a rule behind it, or the other way round.
TEST(H1Split, AHeadWithTwoFaultsIsRefusedForTheFirst) {
  Limits limits;
  limits.request_line = 60;
  limits.field_size = 40;
  const std::string letters(100, 'a');
  const struct {
    std::string bytes;
    int status;
  } cases[] = {
      {"GET /" + letters + "\x01 HTTP/1.1\r\n", 414},
      {"GET /\x01" + letters + " HTTP/1.1\r\n", 400},
      {"GET /" + letters + " HTP", 414},
      {"GET / HTTP/1.1\r\nX: " + letters + "\x01\r\n", 431},
      {"GET / HTTP/1.1\r\nX: \x01" + letters + "\r\n", 400},
      {"GET / HTTP/1.1\r\n" + letters + "(: y\r\n", 431},
      {"GET / HTTP/1.1\r\n(" + letters + ": y\r\n", 400},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(testing::feed_whole(one.bytes, limits).status, one.status) << one.bytes;
    EXPECT_EQ(testing::feed_bytewise(one.bytes, limits).status, one.status) << one.bytes;
  }
}

}  // namespace
}  // namespace prefork::http

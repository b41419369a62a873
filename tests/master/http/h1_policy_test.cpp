// What is refused, with which status: each row names its clause. Every message is fed whole, byte by byte and at random splits,
// and a request behind it is never read.
#include "master/http/h1_policy.hpp"

#include <gtest/gtest.h>

#include "tests/master/http/h1_feed.hpp"

namespace prefork::http::testing {
namespace {

struct Row {
  const char* clause;
  std::string bytes;
  int status;
};

const std::string kCanary = "GET /canary HTTP/1.1\r\nHost: kit\r\n\r\n";

std::string line(std::string_view request_line) { return std::string(request_line) + "\r\nHost: kit\r\n\r\n"; }
std::string host(std::string_view value) { return "GET / HTTP/1.1\r\nHost: " + std::string(value) + "\r\n\r\n"; }
std::string field(std::string_view text) { return "GET / HTTP/1.1\r\nHost: kit\r\n" + std::string(text) + "\r\n\r\n"; }
std::string post(std::string_view fields, std::string_view body) {
  return "POST / HTTP/1.1\r\nHost: kit\r\n" + std::string(fields) + "\r\n\r\n" + std::string(body);
}
std::string chunked(std::string_view body) { return post("Transfer-Encoding: chunked", body); }

const std::string kChunks = "5\r\nhello\r\n0\r\n\r\n";

// Refused in every way of cutting it, with nothing complete and nothing read behind it.
void expect_refused(const Row& row, const Limits& limits = {}) {
  SCOPED_TRACE(row.clause);
  const std::string bytes = row.bytes + kCanary;
  std::vector<Outcome> outcomes{feed_whole(bytes, limits), feed_bytewise(bytes, limits)};
  for (std::uint32_t seed = 0; seed < 12; ++seed) outcomes.push_back(feed_split(bytes, limits, seed));
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.status, row.status) << outcome.reason;
    for (const Message& message : outcome.messages) EXPECT_FALSE(message.complete) << message.path;
  }
}

void expect_refused(std::initializer_list<Row> rows, const Limits& limits = {}) {
  for (const Row& row : rows) expect_refused(row, limits);
}

TEST(H1Policy, RefusesRequestLines) {
  expect_refused({
      {"RFC 9112 3 no target", line("GET HTTP/1.1"), 400},
      {"RFC 9112 3 empty target", line("GET  HTTP/1.1"), 400},
      {"RFC 9112 3 two spaces before the target", line("GET  / HTTP/1.1"), 400},
      {"RFC 9112 3 two spaces behind the target", line("GET /  HTTP/1.1"), 400},
      {"RFC 9112 3 tab", line("GET\t/ HTTP/1.1"), 400},
      {"RFC 9112 3 leading blank", line(" GET / HTTP/1.1"), 400},
      {"RFC 9112 3 trailing blank", line("GET / HTTP/1.1 "), 400},
      {"RFC 9112 3.2 blank in the target", line("GET /a b HTTP/1.1"), 400},
      {"RFC 9112 3.2.1 no slash", line("GET ok HTTP/1.1"), 400},
      {"RFC 9112 3.2.4 asterisk for GET", line("GET * HTTP/1.1"), 400},
      {"RFC 9112 3.2.3 authority for GET", line("GET kit:80 HTTP/1.1"), 400},
      {"RFC 9112 3.2.4 asterisk with more", line("OPTIONS *a HTTP/1.1"), 400},
      {"RFC 9112 3.2 NUL", line(std::string("GET /\0 HTTP/1.1", 15)), 400},
      {"RFC 9112 3.2 control character", line("GET /\x01ok HTTP/1.1"), 400},
      {"RFC 9112 3.2 tab in the target", line("GET /a\tb HTTP/1.1"), 400},
      {"RFC 9112 3.2 DEL", line("GET /\x7f HTTP/1.1"), 400},
      {"RFC 9112 3.2 not ASCII", line("GET /caf\xc3\xa9 HTTP/1.1"), 400},
      {"RFC 9112 3.2 not ASCII in the query", line("GET /?caf\xe9 HTTP/1.1"), 400},
      {"RFC 9110 7.1 fragment", line("GET /a#b HTTP/1.1"), 400},
      {"RFC 9110 7.1 fragment behind a query", line("GET /a?b#c HTTP/1.1"), 400},
      {"RFC 9112 2.2 bare CR in the target", line("GET /\rX HTTP/1.1"), 400},
      {"RFC 9110 4.2.4 user information", line("GET http://u@kit/ HTTP/1.1"), 400},
      {"RFC 9110 4.2.4 user and password", line("GET http://u:p@kit/ HTTP/1.1"), 400},
      {"RFC 9112 3.2.2 another scheme", line("GET ftp://kit/ HTTP/1.1"), 400},
      {"RFC 9110 4.2.1 absolute without host", line("GET http:///a HTTP/1.1"), 400},
      {"RFC 9110 4.2.1 absolute with a bad port", line("GET http://kit:x/ HTTP/1.1"), 400},
      {"RFC 9110 9.1 empty method", line(" / HTTP/1.1"), 400},
      {"RFC 9110 9.1 no token", line("G@T / HTTP/1.1"), 400},
      {"RFC 9110 9.1 colon", line("GET: / HTTP/1.1"), 400},
      {"RFC 9110 9.1 NUL in the method", line(std::string("GE\0T / HTTP/1.1", 15)), 400},
      {"RFC 9110 9.1 not ASCII", line("G\xc9T / HTTP/1.1"), 400},
      {"RFC 9110 9.1 methods have their case", line("get / HTTP/1.1"), 501},
      {"RFC 9110 15.6.2 method of an unusual name", line("Brew / HTTP/1.1"), 501},
      {"RFC 9112 3 endless method", std::string(5000, 'A'), 501},
      {"RFC 9110 9.3.6 CONNECT", line("CONNECT kit:80 HTTP/1.1"), 501},
      {"RFC 9112 3 no version", line("GET /"), 505},
      {"RFC 9110 15.6.6 2.0", line("GET / HTTP/2.0"), 505},
      {"RFC 9110 15.6.6 3.7", line("GET / HTTP/3.7"), 505},
      {"RFC 9110 15.6.6 9.9", line("GET / HTTP/9.9"), 505},
      {"RFC 9110 15.6.6 0.9", line("GET / HTTP/0.9"), 505},
      {"RFC 9113 3.4 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"RFC 9112 2.3 lower case", line("GET / http/1.1"), 400},
      {"RFC 9112 2.3 two minor digits", line("GET / HTTP/1.10"), 400},
      {"RFC 9112 2.3 two major digits", line("GET / HTTP/01.1"), 400},
      {"RFC 9112 2.3 garbage behind", line("GET / HTTP/1.1x"), 400},
      {"RFC 9112 2.3 no minor", line("GET / HTTP/1"), 400},
      {"RFC 9112 2.3 empty minor", line("GET / HTTP/1."), 400},
      {"RFC 9112 2.3 comma", line("GET / HTTP/1,1"), 400},
      {"RFC 9112 2.3 negative", line("GET / HTTP/-1.1"), 400},
      {"RFC 9112 2.3 another protocol", line("GET / ICY/1.1"), 400},
      {"RFC 9112 2.3 hex", line("GET / HTTP/1.A"), 400},
      {"RFC 9112 2.3 blank", line("GET / HTTP/ 1.1"), 400},
      {"RFC 9112 3 two versions", line("GET / HTTP/1.1 HTTP/1.1"), 400},
      {"RFC 9112 2.2 LF only", "GET / HTTP/1.1\nHost: kit\n\n", 400},
      {"RFC 9112 2.2 CR only", "GET / HTTP/1.1\rHost: kit\r\r", 400},
      {"RFC 8446 5.1 a TLS client hello", std::string("\x16\x03\x01\x00\xc8\x01\x00\x00", 8), 400},
      {"RFC 4253 4.2 an SSH banner", "SSH-2.0-client\r\n\r\n", 400},
  });
}

TEST(H1Policy, RefusesHosts) {
  expect_refused({
      {"RFC 9112 3.2 none on 1.1", "GET / HTTP/1.1\r\nA: b\r\n\r\n", 400},
      {"RFC 9112 3.2 none with an absolute target", "GET http://kit/ HTTP/1.1\r\nA: b\r\n\r\n", 400},
      {"RFC 9112 3.2 two", field("Host: other"), 400},
      {"RFC 9112 3.2 two of the same", field("Host: kit"), 400},
      {"RFC 9112 3.2 two on 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"RFC 9110 7.2 blank", host("a b"), 400},
      {"RFC 9110 7.2 slash", host("a/b"), 400},
      {"RFC 9110 4.2.4 user", host("u@a"), 400},
      {"RFC 9110 7.2 a URL", host("http://a"), 400},
      {"RFC 9110 7.2 no port number", host("a:b"), 400},
      {"RFC 9110 7.2 two ports", host("a:80:80"), 400},
      {"RFC 3986 3.2.2 open bracket", host("[::1"), 400},
      {"RFC 3986 3.2.2 bare IPv6", host("::1"), 400},
      {"RFC 3986 3.2.2 quote", host("a\"b"), 400},
      {"RFC 3986 3.2.2 not ASCII",
       host("a\xe9"
            "b"),
       400},
      {"RFC 9110 7.2 a list", host("a:80,b:80"), 400},
      {"RFC 9110 7.2 bad Host with an absolute target", "GET http://kit/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
  });
}

TEST(H1Policy, RefusesFields) {
  expect_refused({
      {"RFC 9112 5.1 blank before the colon", field("X-A : 1"), 400},
      {"RFC 9112 5.1 tab before the colon", field("X-A\t: 1"), 400},
      {"RFC 9112 5 no colon", field("X-A"), 400},
      {"RFC 9110 5.1 empty name", field(": 1"), 400},
      {"RFC 9110 5.1 blank in a name", field("X A: 1"), 400},
      {"RFC 9110 5.1 NUL in a name", field(std::string("X\0A: 1", 6)), 400},
      {"RFC 9110 5.1 control character in a name",
       field("X\x0b"
             "A: 1"),
       400},
      {"RFC 9112 2.2 CR in a name", field("X\rA: 1"), 400},
      {"RFC 9110 5.1 not ASCII", field("X\xe9: 1"), 400},
      {"RFC 9110 5.1 parenthesis", field("X(A): 1"), 400},
      {"RFC 9110 5.1 slash", field("X/A: 1"), 400},
      {"RFC 9110 5.1 at", field("X@A: 1"), 400},
      {"RFC 9110 5.1 bracket", field("X[A]: 1"), 400},
      {"RFC 9110 5.5 NUL in a value", field(std::string("X-A: a\0b", 8)), 400},
      {"RFC 9110 5.5 BEL in a value",
       field("X-A: a\x07"
             "b"),
       400},
      {"RFC 9110 5.5 DEL in a value",
       field("X-A: a\x7f"
             "b"),
       400},
      {"RFC 9112 2.2 bare CR in a value", field("X-A: a\rb"), 400},
      {"RFC 9112 2.2 bare LF ends no line", field("X-A: a\nX-B: b"), 400},
      {"RFC 9112 2.2 bare LF ends no head", "GET / HTTP/1.1\r\nHost: kit\r\n\n", 400},
      {"RFC 9112 5.2 folded line", field("X-A: a\r\n b"), 400},
      {"RFC 9112 5.2 folded with a tab", field("X-A: a\r\n\tb"), 400},
      {"RFC 9112 5.2 folded and empty", field("X-A:\r\n b"), 400},
      {"RFC 9112 2.2 blank before the first field", "GET / HTTP/1.1\r\n X-Evil: 1\r\nHost: kit\r\n\r\n", 400},
      {"RFC 9110 5.3 two content types", field("Content-Type: a/b\r\nContent-Type: a/b"), 400},
      {"RFC 9110 10.1.1 unknown expectation", post("Expect: miracles\r\nContent-Length: 5", "hello"), 417},
      {"RFC 9110 10.1.1 unknown expectation beside a known one",
       post("Expect: 100-continue, miracles\r\nContent-Length: 5", "hello"), 417},
  });
}

TEST(H1Policy, RefusesAmbiguousFraming) {
  expect_refused({
      {"RFC 9112 6.3 length and chunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked", kChunks), 400},
      {"RFC 9112 6.3 chunked and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5", kChunks), 400},
      {"RFC 9112 6.3 zero and chunked", post("Content-Length: 0\r\nTransfer-Encoding: chunked", kChunks), 400},
      {"RFC 9112 6.1 chunked on 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + kChunks,
       400},
      {"RFC 9112 6.3 two lengths", post("Content-Length: 3\r\nContent-Length: 5", "hello"), 400},
      {"RFC 9112 6.3 the same twice", post("Content-Length: 5\r\nContent-Length: 5", "hello"), 400},
      {"RFC 9112 6.3 a list", post("Content-Length: 5, 5", "hello"), 400},
      {"RFC 9110 8.6 plus", post("Content-Length: +5", "hello"), 400},
      {"RFC 9110 8.6 minus", post("Content-Length: -5", "hello"), 400},
      {"RFC 9110 8.6 minus zero", post("Content-Length: -0", ""), 400},
      {"RFC 9110 8.6 hex", post("Content-Length: 0x5", "hello"), 400},
      {"RFC 9110 8.6 letter behind", post("Content-Length: 5x", "hello"), 400},
      {"RFC 9110 8.6 blank inside", post("Content-Length: 5 5", "hello"), 400},
      {"RFC 9110 8.6 point", post("Content-Length: 5.0", "hello"), 400},
      {"RFC 9110 8.6 underscore", post("Content-Length: 1_0", "0123456789"), 400},
      {"RFC 9110 8.6 quoted", post("Content-Length: \"5\"", "hello"), 400},
      {"RFC 9110 8.6 empty", post("Content-Length:", ""), 400},
      {"RFC 9110 8.6 comma", post("Content-Length: ,", ""), 400},
      {"RFC 9110 8.6 another digit", post("Content-Length: \xb2", "hi"), 400},
      {"RFC 9110 8.6 vertical tab",
       post("Content-Length: \x0b"
            "5",
            "hello"),
       400},
      {"RFC 9110 8.6 over 64 bits", post("Content-Length: 18446744073709551621", "hello"), 400},
      {"RFC 9110 8.6 of 64 bits", post("Content-Length: 18446744073709551615", "hello"), 413},
      {"RFC 9110 8.6 of 63 bits", post("Content-Length: 9223372036854775808", "hello"), 413},
      {"RFC 9110 8.6 of 40 digits", post("Content-Length: " + std::string(40, '9'), "hello"), 400},
      {"RFC 9112 5.1 blank before the colon", post("Content-Length : 5", "hello"), 400},
      {"RFC 9112 6.3 gzip only", post("Transfer-Encoding: gzip", kChunks), 400},
      {"RFC 9112 6.3 identity", post("Transfer-Encoding: identity", kChunks), 400},
      {"RFC 9112 6.3 chunked not last", post("Transfer-Encoding: chunked, gzip", kChunks), 400},
      {"RFC 9112 6.1 gzip below chunked", post("Transfer-Encoding: gzip, chunked", kChunks), 501},
      {"RFC 9112 6.3 chunked, then identity",
       post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", kChunks), 400},
      {"RFC 9112 6.1 chunked twice", post("Transfer-Encoding: chunked, chunked", kChunks), 400},
      {"RFC 9112 6.1 chunked twice in two fields",
       post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", kChunks), 400},
      {"RFC 9112 6.1 longer", post("Transfer-Encoding: xchunked", kChunks), 400},
      {"RFC 9112 6.1 shorter", post("Transfer-Encoding: chunke", kChunks), 400},
      {"RFC 9112 7 quoted", post("Transfer-Encoding: \"chunked\"", kChunks), 400},
      {"RFC 9112 7.1 parameter", post("Transfer-Encoding: chunked;a=b", kChunks), 400},
      {"RFC 9112 6.3 empty", post("Transfer-Encoding:", kChunks), 400},
      {"RFC 9110 5.6.3 vertical tab",
       post("Transfer-Encoding: \x0b"
            "chunked",
            kChunks),
       400},
      {"RFC 9112 7 without comma", post("Transfer-Encoding: identity chunked", kChunks), 400},
      {"RFC 9112 2.2 behind a bare CR", post("X-A: a\rTransfer-Encoding: chunked\r\nContent-Length: 0", ""), 400},
      {"RFC 9112 2.2 behind a bare LF", post("X-A: a\nTransfer-Encoding: chunked", kChunks), 400},
  });
}

TEST(H1Policy, RefusesChunks) {
  const std::string rest = "\r\nhello\r\n0\r\n\r\n";
  expect_refused({
      {"RFC 9112 7.1 minus", chunked("-5" + rest), 400},
      {"RFC 9112 7.1 plus", chunked("+5" + rest), 400},
      {"RFC 9112 7.1 0x", chunked("0x5" + rest), 400},
      {"RFC 9112 7.1 underscore", chunked("0_5" + rest), 400},
      {"RFC 9112 7.1 no hex", chunked("g" + rest), 400},
      {"RFC 9112 7.1 letter behind", chunked("5g" + rest), 400},
      {"RFC 9112 7.1 empty size", chunked(rest), 400},
      {"RFC 9112 7.1 only an extension", chunked(";a=b" + rest), 400},
      {"RFC 9112 7.1 leading blank", chunked(" 5" + rest), 400},
      {"RFC 9112 7.1 trailing blank", chunked("5  " + rest), 400},
      {"RFC 9112 7.1 blank behind the last size", chunked("5\r\nhello\r\n0 \r\n\r\n"), 400},
      {"RFC 9112 7.1 blank inside", chunked("0 5" + rest), 400},
      {"RFC 9112 7.1 NUL", chunked(std::string("5\0", 2) + rest), 400},
      {"RFC 9112 2.2 size ended by LF", chunked("5\nhello\r\n0\r\n\r\n"), 400},
      {"RFC 9112 2.2 size ended by CR", chunked("5\rhello\r\n0\r\n\r\n"), 400},
      {"RFC 9112 2.2 size ended by CR CR LF", chunked("5\r\r\nhello\r\n0\r\n\r\n"), 400},
      {"RFC 9112 7.1.1 extension ended by LF", chunked("5;a\nhello\r\n0\r\n\r\n"), 400},
      {"RFC 9112 7.1.1 LF inside an extension", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n"), 400},
      {"RFC 9112 7.1.1 bare CR inside an extension", chunked("5;a\rb" + rest), 400},
      {"RFC 9112 7.1.1 CR LF inside a quoted value", chunked("5;a=\"\r\n\"" + rest), 400},
      {"RFC 9112 7.1.1 NUL inside an extension", chunked(std::string("5;a\0b", 5) + rest), 400},
      {"RFC 9112 7.1.1 no name", chunked("5;" + rest), 400},
      {"RFC 9112 7.1.1 no value", chunked("5;a=" + rest), 400},
      {"RFC 9112 7.1.1 text behind a quoted value", chunked("5;a=\"b\"c" + rest), 400},
      {"RFC 9112 7.1 data longer than its size", chunked("3\r\nhello\r\n0\r\n\r\n"), 400},
      {"RFC 9112 7.1 data not ended", chunked("5\r\nhello0\r\n\r\n"), 400},
      {"RFC 9112 7.1 data ended by LF", chunked("5\r\nhello\n0\r\n\r\n"), 400},
      {"RFC 9112 7.1 data ended by CR", chunked("5\r\nhello\r0\r\n\r\n"), 400},
      {"RFC 9112 7.1 second size bad", chunked("5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n"), 400},
      {"RFC 9112 7.1 request instead of the last CRLF", chunked("5\r\nhello\r\n0\r\n"), 400},
      {"RFC 9112 7.1.2 trailer without colon", chunked("0\r\nbad trailer\r\n\r\n"), 400},
      {"RFC 9112 5.1 trailer with a blank before the colon", chunked("0\r\nX-T : 1\r\n\r\n"), 400},
      {"RFC 9110 5.1 trailer without name", chunked("0\r\n: 1\r\n\r\n"), 400},
      {"RFC 9110 5.5 trailer with NUL", chunked(std::string("0\r\nX: \0\r\n\r\n", 11)), 400},
      {"RFC 9112 5.2 folded trailer", chunked("0\r\nX: 1\r\n 2\r\n\r\n"), 400},
      {"RFC 9112 2.2 trailer ended by LF", chunked("0\r\nX: 1\n\r\n"), 400},
      {"RFC 9112 2.2 trailers ended by CR", chunked("0\r\n\rX"), 400},
      {"RFC 9110 6.5.1 length as trailer", chunked("0\r\nContent-Length: 9\r\n\r\n"), 400},
      {"RFC 9110 6.5.1 coding as trailer", chunked("0\r\ntransfer-ENCODING: chunked\r\n\r\n"), 400},
      {"RFC 9110 6.5.1 host as trailer", chunked("0\r\nHost: evil\r\n\r\n"), 400},
      {"RFC 9112 7.1 over 64 bits", chunked("10000000000000005" + rest), 413},
      {"RFC 9112 7.1 of 64 bits", chunked("ffffffffffffffff" + rest), 413},
      {"RFC 9112 7.1 of 63 bits", chunked("8000000000000000" + rest), 413},
      {"RFC 9112 7.1 of 100 digits", chunked("1" + std::string(100, '0') + "5" + rest), 413},
  });
}

TEST(H1Policy, HoldsTheLimitsOfAHead) {
  Limits limits;
  limits.request_line = 100;
  limits.fields = 3;
  limits.field_size = 50;
  const auto target = [](std::size_t length) { return line("GET /" + std::string(length - 1, 'a') + " HTTP/1.1"); };
  EXPECT_FALSE(feed_whole(target(100 - 13), limits).refused());
  EXPECT_FALSE(feed_whole(field("X: 1\r\nX: 2"), limits).refused());
  EXPECT_FALSE(feed_whole(field("X: " + std::string(45, 'v')), limits).refused()) << "50 with the line end";
  expect_refused(
      {
          {"RFC 9112 3 line one too long", target(100 - 12), 414},
          {"RFC 9112 3 endless line", "GET /" + std::string(100000, 'a'), 414},
          {"RFC 6585 5 one field too many", field("X: 1\r\nX: 2\r\nX: 3"), 431},
          {"RFC 6585 5 dropped fields count", field("X_A: 1\r\nProxy: 2\r\nX: 3"), 431},
          {"RFC 6585 5 field one too large", field("X: " + std::string(46, 'v')), 431},
          {"RFC 6585 5 dropped fields are measured", field("X_A: " + std::string(46, 'v')), 431},
          {"RFC 6585 5 name too large", field(std::string(60, 'n') + ": 1"), 431},
      },
      limits);
  limits.request_line = limits.field_size = 0;
  limits.head = 200;
  expect_refused(
      {
          {"RFC 9112 3 the whole head is bounded", "GET /" + std::string(300, 'a'), 414},
          {"RFC 6585 5 the whole head is bounded", field("X: " + std::string(300, 'v')), 431},
          {"RFC 6585 5 blanks count", field("X: " + std::string(300, ' ')), 431},
          {"RFC 6585 5 one byte too many", field("X: " + std::string(200 - 27 - 7 + 1, 'v')), 431},
      },
      limits);
  EXPECT_FALSE(feed_bytewise(field("X: " + std::string(200 - 34, 'v')), limits).refused()) << "exactly the limit";
}

TEST(H1Policy, HoldsTheLimitsOfABody) {
  Limits limits;
  limits.body = 10;
  limits.chunk_line = 20;
  limits.chunk_extensions = 30;
  limits.trailer = 40;
  limits.trailer_fields = 2;
  EXPECT_FALSE(feed_whole(post("Content-Length: 10", "0123456789"), limits).refused());
  EXPECT_FALSE(feed_whole(chunked("5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"), limits).refused());
  expect_refused(
      {
          {"RFC 9110 15.5.14 announced length", post("Content-Length: 11", ""), 413},
          {"RFC 9110 15.5.14 announced chunk", chunked("b\r\n"), 413},
          {"RFC 9110 15.5.14 sum of chunks", chunked("5\r\n01234\r\n6\r\n"), 413},
          {"RFC 9112 7.1.1 one long extension", chunked("5;a=" + std::string(100, 'a')), 400},
          {"RFC 9112 7.1.1 many extensions",
           chunked("1;aaaaaaaaaaaa\r\nx\r\n1;aaaaaaaaaaaa\r\nx\r\n1;aaaaaaaaaaaa\r\nx\r\n"), 400},
          {"RFC 9112 7.1 endless zeros", chunked(std::string(100, '0')), 400},
          {"RFC 9112 7.1.2 trailers too large", chunked("0\r\nX: " + std::string(100, 'v')), 431},
          {"RFC 9112 7.1.2 too many trailers", chunked("0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"), 431},
      },
      limits);
}

// gunicorn's settings, as a configuration has them.
TEST(H1Policy, TakesLimitsFromTheConfiguration) {
  Config config;
  EXPECT_EQ(Limits(config).request_line, 4094u);
  EXPECT_EQ(Limits(config).fields, 100u);
  EXPECT_EQ(Limits(config).field_size, 8190u);
  EXPECT_EQ(Limits(config).head, 64u << 10);
  config.limit_request_line = 0;
  config.limit_request_fields = 0;
  config.limit_request_field_size = 200000;
  config.limit_request_body = 7;
  config.header_map = "refuse";
  const Limits limits(config);
  EXPECT_EQ(limits.request_line, 0u) << "off";
  EXPECT_EQ(limits.fields, kMostFields);
  EXPECT_GT(limits.head, 200000u) << "a field that is allowed fits the head";
  EXPECT_EQ(limits.body, 7u);
  EXPECT_EQ(limits.header_map, HeaderMap::Refuse);
  EXPECT_EQ(limits.forwarder_headers, (std::vector<std::string>{"script_name", "path_info"}));
}

TEST(H1Policy, TakesUnconventionalVersionsWhenAllowed) {
  Limits limits;
  limits.permit_unconventional_http_version = true;
  EXPECT_EQ(feed_whole(line("GET / HTTP/3.0"), limits).messages.at(0).version, 11);
  EXPECT_EQ(feed_whole(line("GET / HTTP/0.9"), limits).messages.at(0).version, 10);
  EXPECT_EQ(feed_whole(line("GET / HTTP/2.0"), limits).status, 505);
  EXPECT_EQ(feed_whole(line("GET /"), limits).status, 505);
}

}  // namespace
}  // namespace prefork::http::testing

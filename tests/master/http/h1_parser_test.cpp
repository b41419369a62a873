// What H1Parser accepts, and what an application then sees. Every message is fed whole, byte by byte and at random splits.
#include "master/http/h1_parser.hpp"

#include <gtest/gtest.h>

#include "tests/master/http/h1_feed.hpp"

namespace prefork::http::testing {
namespace {

const std::string kHost = "Host: kit\r\n";

std::string get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\n" + kHost + std::string(fields) + "\r\n";
}

std::string post(std::string_view fields, std::string_view body) {
  return "POST /p HTTP/1.1\r\n" + kHost + std::string(fields) + "\r\n" + std::string(body);
}

std::string chunked(std::string_view body, std::string_view fields = "") {
  return post("Transfer-Encoding: chunked\r\n" + std::string(fields), body);
}

// The outcome of feeding it whole, after checking that no other way of cutting it gives another one.
Outcome outcome_of(std::string_view bytes, const Limits& limits = {}, bool trusted = false) {
  const Outcome whole = feed_whole(bytes, limits, trusted);
  std::vector<Outcome> others{feed_bytewise(bytes, limits, trusted)};
  for (std::uint32_t seed = 0; seed < 12; ++seed) others.push_back(feed_split(bytes, limits, seed, trusted));
  for (const Outcome& other : others) {
    EXPECT_EQ(whole.messages, other.messages);
    EXPECT_EQ(whole.status, other.status) << whole.reason << " / " << other.reason;
    EXPECT_EQ(whole.reason, other.reason);
    EXPECT_EQ(whole.clean_end, other.clean_end);
  }
  return whole;
}

Message only(std::string_view bytes, const Limits& limits = {}, bool trusted = false) {
  const Outcome outcome = outcome_of(bytes, limits, trusted);
  EXPECT_EQ(outcome.status, 0) << outcome.reason;
  EXPECT_EQ(outcome.messages.size(), 1u);
  EXPECT_TRUE(outcome.clean_end);
  if (outcome.messages.empty()) return {};
  EXPECT_TRUE(outcome.messages[0].complete);
  return outcome.messages[0];
}

TEST(H1Parser, ReadsTargets) {
  struct Row {
    const char* clause;
    const char* target;
    std::string path;
    const char* query;
    const char* raw_path;
  };
  const Row rows[] = {
      {"RFC 9112 3.2.1 origin form", "/a/b", "/a/b", "", "/a/b"},
      {"RFC 9112 3.2.1 the root", "/", "/", "", "/"},
      {"RFC 3986 2.1 escape", "/a%20b", "/a b", "", "/a%20b"},
      {"RFC 3986 2.1 lower-case hex", "/caf%c3%a9%7e", "/caf\xc3\xa9~", "", "/caf%c3%a9%7e"},
      {"RFC 3986 2.1 escape at the very end", "/a%41", "/aA", "", "/a%41"},
      {"RFC 3986 2.4 decoded once", "/a%2525", "/a%25", "", "/a%2525"},
      {"RFC 3986 7.3 an encoded NUL does not cut", "/a%00b", std::string("/a\0b", 4), "", "/a%00b"},
      {"RFC 3875 4.1.5 encoded slash", "/a%2Fb", "/a/b", "", "/a%2Fb"},
      {"RFC 3986 3.3 encoded question mark", "/a%3Fb?c", "/a?b", "c", "/a%3Fb"},
      {"RFC 3986 2.1 bare percent kept", "/a%", "/a%", "", "/a%"},
      {"RFC 3986 2.1 half an escape kept", "/a%4", "/a%4", "", "/a%4"},
      {"RFC 3986 2.1 no hex kept", "/a%zz%4g%20", "/a%zz%4g ", "", "/a%zz%4g%20"},
      {"RFC 3986 3.3 empty segments kept", "//a//b", "//a//b", "", "//a//b"},
      {"RFC 3986 3.3 dot segments kept", "/a/../b/./c", "/a/../b/./c", "", "/a/../b/./c"},
      {"RFC 3986 3.3 sub-delims", "/!$&'()*,=:@-._~;+", "/!$&'()*,=:@-._~;+", "", "/!$&'()*,=:@-._~;+"},
      {"RFC 9112 3.2 not URI but harmless", "/a\"<>[]^`{|}\\", "/a\"<>[]^`{|}\\", "", "/a\"<>[]^`{|}\\"},
      {"RFC 3986 3.4 query untouched", "/q?a=1&b=%2F+%20&c", "/q", "a=1&b=%2F+%20&c", "/q"},
      {"RFC 3986 3.4 question marks in the query", "/q?a?b=?", "/q", "a?b=?", "/q"},
      {"RFC 3986 3.4 slashes in the query", "/q?/../x//", "/q", "/../x//", "/q"},
      {"RFC 3986 3.4 empty query", "/q?", "/q", "", "/q"},
      {"RFC 3986 3.4 query of the root", "/?x=1", "/", "x=1", "/"},
      {"RFC 9112 3.2.2 absolute form", "http://kit/abs?x=1", "/abs", "x=1", "/abs"},
      {"RFC 9112 3.2.2 with a port", "http://kit:8000/abs", "/abs", "", "/abs"},
      {"RFC 3986 3.1 scheme in any case", "HTTP://kit/abs", "/abs", "", "/abs"},
      {"RFC 9112 3.2.2 https", "https://kit/abs", "/abs", "", "/abs"},
      {"RFC 3986 3.2.2 IPv6", "http://[::1]:80/abs", "/abs", "", "/abs"},
      {"RFC 3986 2.1 escapes behind an authority", "http://kit/a%20b%2Fc?%20", "/a b/c", "%20", "/a%20b%2Fc"},
      {"RFC 3986 2.1 escape in the authority only", "http://k%69t/abs", "/abs", "", "/abs"},
      {"RFC 9110 4.2.3 empty path is the root", "http://kit", "/", "", "/"},
      {"RFC 9110 4.2.3 empty path with query", "http://kit?x", "/", "x", "/"},
      {"RFC 9112 3.2.2 a colon in the path", "http://kit/a://b", "/a://b", "", "/a://b"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.clause) + ": " + row.target);
    const Message message = only(get(row.target));
    EXPECT_EQ(message.target, row.target);
    EXPECT_EQ(message.path, row.path);
    EXPECT_EQ(message.query, row.query);
    EXPECT_EQ(message.raw_path, row.raw_path);
  }
}

// RFC 9112 3.2.4.
TEST(H1Parser, ReadsAsteriskForOptionsInBothForms) {
  for (const char* target : {"*", "http://kit"}) {
    const Message message = only("OPTIONS " + std::string(target) + " HTTP/1.1\r\n" + kHost + "\r\n");
    EXPECT_EQ(message.path, "*");
    EXPECT_EQ(message.raw_path, "*");
    EXPECT_EQ(message.target, target);
  }
}

// RFC 9112 3.2.2: Host is ignored when the target has an authority.
TEST(H1Parser, AbsoluteTargetTakesThePlaceOfHost) {
  const Message message = only("GET http://one:81/x HTTP/1.1\r\nA: b\r\nHost: two\r\n\r\n");
  EXPECT_EQ(message.host, "one:81");
  EXPECT_EQ(message.field("host"), "one:81");
  EXPECT_EQ(only("GET http://one/x HTTP/1.0\r\n\r\n").host, "one");
}

// RFC 9110 9.1: whether a method is implemented the application says, but names like these are no one's.
TEST(H1Parser, PassesMethodsOfTheUsualFormAndOthersOnlyWhenAllowed) {
  Limits limits;
  limits.permit_unconventional_http_method = true;
  for (const char* method : {"GET",
                             "HEAD",
                             "POST",
                             "PUT",
                             "DELETE",
                             "OPTIONS",
                             "PATCH",
                             "TRACE",
                             "PROPFIND",
                             "REPORT",
                             "QUERY",
                             "PURGE",
                             "FOO",
                             "M-SEARCH",
                             "SOURCE",
                             "DESCRIBE",
                             "VERSION-CONTROL",
                             "BASELINE-CONTROL",
                             "UPDATEREDIRECTREF",
                             "A2345678901234567890",
                             "G!T"}) {
    const std::string bytes = std::string(method) + " /m HTTP/1.1\r\n" + kHost + "\r\n";
    EXPECT_EQ(only(bytes).method, method);
    EXPECT_EQ(only(bytes, limits).method, method);
  }
  for (const char* method : {"get", "Get", "G", "GE", "X!#$%&'*+.^`|~9", "A23456789012345678901"}) {
    const std::string bytes = std::string(method) + " /m HTTP/1.1\r\n" + kHost + "\r\n";
    EXPECT_EQ(outcome_of(bytes).status, 501) << method;  // RFC 9110 15.6.2
    EXPECT_EQ(only(bytes, limits).method, method);
  }
}

// RFC 9110 2.5, RFC 9112 9.3.
TEST(H1Parser, ReadsVersionsAndWhatTheyMeanForTheConnection) {
  struct Row {
    const char* version;
    const char* fields;
    int seen;
    bool keep_alive;
  };
  const Row rows[] = {
      {"1.1", "", 11, true},
      {"1.1", "Connection: close\r\n", 11, false},
      {"1.1", "Connection: CLOSE\r\n", 11, false},
      {"1.1", "Connection: keep-alive, close\r\n", 11, false},
      {"1.1", "Connection: close, x-a\r\n", 11, false},
      {"1.1", "Connection:\t close \t\r\n", 11, false},
      {"1.1", "Connection: x-a\r\nConnection: close\r\n", 11, false},
      {"1.1", "Connection: close\r\nConnection: keep-alive\r\n", 11, false},
      {"1.1", "Connection: closed\r\n", 11, true},
      {"1.1", "Connection: ,, keep-alive ,\r\n", 11, true},
      {"1.1", "Proxy-Connection: close\r\n", 11, true},
      {"1.0", "", 10, false},
      {"1.0", "Connection: keep-alive\r\n", 10, true},
      {"1.0", "Connection: Keep-Alive\r\n", 10, true},
      {"1.0", "Connection: keep-alive, close\r\n", 10, false},
      {"1.2", "", 11, true},
      {"1.9", "", 11, true},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.version) + " " + row.fields);
    const Message message = only("GET / HTTP/" + std::string(row.version) + "\r\n" + kHost + row.fields + "\r\n");
    EXPECT_EQ(message.version, row.seen);
    EXPECT_EQ(message.keep_alive, row.keep_alive);
  }
}

TEST(H1Parser, ReadsFields) {
  struct Row {
    const char* clause;
    std::string line, name, value;
  };
  const std::string long_name(200, 'n'), cookie = "a=" + std::string(8000, 'c');
  const Row rows[] = {
      {"RFC 9112 5.1 blanks around a value", "X-A:\t  v \t ", "x-a", "v"},
      {"RFC 9112 5.1 no blank", "X-A:v", "x-a", "v"},
      {"RFC 9110 5.5 empty value", "X-A:", "x-a", ""},
      {"RFC 9110 5.5 only blanks", "X-A: \t ", "x-a", ""},
      {"RFC 9110 5.5 empty value of a known name", "Accept:", "accept", ""},
      {"RFC 9110 5.5 blanks inside", "X-A: a \t b", "x-a", "a \t b"},
      {"RFC 9110 5.5 colons", "X-A: a:b: c", "x-a", "a:b: c"},
      {"RFC 9110 5.5 obs-text", "X-A: caf\xe9\xff", "x-a", "caf\xe9\xff"},
      {"RFC 9110 5.1 names in any case", "x-CAMEL-cAsE: v", "x-camel-case", "v"},
      {"RFC 9110 5.1 known names in any case", "uSeR-aGeNt: curl/8", "user-agent", "curl/8"},
      {"RFC 9110 5.6.2 every token character", "x!#$%&'*+.^`|~9: v", "x!#$%&'*+.^`|~9", "v"},
      {"RFC 9110 5.4 a long value", "Cookie: " + cookie, "cookie", cookie},
      {"RFC 9110 5.4 a long name", "X-" + long_name + ": v", "x-" + long_name, "v"},
      {"RFC 9110 5.1 a prefix of a known name", "Conten: v", "conten", "v"},
      {"RFC 9110 5.1 longer than a known name", "Hosts: v", "hosts", "v"},
      {"RFC 9110 8.3 content type", "CoNtEnT-tYpE: text/x; a=b", "content-type", "text/x; a=b"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.clause));
    const Message message = only(get("/", row.line + "\r\nX-Last: 1\r\n"));
    EXPECT_EQ(message.field(row.name), row.value);
    EXPECT_EQ(message.field("x-last"), "1");
    EXPECT_EQ(message.fields.size(), 3u);
  }
}

// RFC 9110 5.3: their order means something.
TEST(H1Parser, KeepsDuplicatesInOrder) {
  const Message message = only(get("/", "X-D: one\r\nCookie: a=1\r\nX-D:\r\nCookie: b=2\r\nx-d: three\r\n"));
  const std::vector<std::pair<std::string, std::string>> want = {{"host", "kit"}, {"x-d", "one"},    {"cookie", "a=1"},
                                                                 {"x-d", ""},     {"cookie", "b=2"}, {"x-d", "three"}};
  EXPECT_EQ(message.fields, want);
}

TEST(H1Parser, ReadsHosts) {
  for (const char* host : {"kit.example", "kit:8000", "kit:", "127.0.0.1:80", "[::1]:80", "[2001:db8::1]", "[v1.a:b]",
                           "a%20b", "my_host", "kit.", ""}) {
    const Message message = only("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
    EXPECT_EQ(message.host, host);
    EXPECT_EQ(message.field("host"), host);
  }
  EXPECT_EQ(only("GET / HTTP/1.0\r\n\r\n").field("host"), "<none>");  // RFC 9112 3.2: only 1.1 requires it
}

TEST(H1Parser, ReadsBodies) {
  struct Row {
    const char* clause;
    std::string bytes, body;
  };
  const std::string looks_like_a_request = "GET /pid HTTP/1.1\r\nHost: evil\r\n\r\n";
  const std::string mega(100000, 'm');
  const Row rows[] = {
      {"RFC 9112 6.2 length", post("Content-Length: 5\r\n", "hello"), "hello"},
      {"RFC 9112 6.2 zero", post("Content-Length: 0\r\n", ""), ""},
      {"RFC 9112 6.3 no length is no body", post("", ""), ""},
      {"RFC 9112 6.2 a body like a request", post("Content-Length: 33\r\n", looks_like_a_request),
       looks_like_a_request},
      {"RFC 9110 8.6 leading zeros are decimal", post("Content-Length: 010\r\n", "0123456789"), "0123456789"},
      {"RFC 9112 5.1 blanks around the length", post("Content-Length: \t 5 \t\r\n", "hello"), "hello"},
      {"RFC 9110 9.3.1 GET with a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", "hi"},
      {"RFC 9112 6.2 1.0 with a length", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", "hi"},
      {"RFC 9112 6.2 large", post("Content-Length: 100000\r\n", mega), mega},
      {"RFC 9112 7.1 chunked", chunked("5\r\nhello\r\n0\r\n\r\n"), "hello"},
      {"RFC 9112 7.1 chunked and empty", chunked("0\r\n\r\n"), ""},
      {"RFC 9112 7.1 many chunks", chunked("1\r\nh\r\n2\r\nel\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n"), "hello"},
      {"RFC 9112 7.1 upper-case size", chunked("A\r\n0123456789\r\n0\r\n\r\n"), "0123456789"},
      {"RFC 9112 7.1 lower-case size", chunked("a\r\n0123456789\r\n0\r\n\r\n"), "0123456789"},
      {"RFC 9112 7.1 leading zeros", chunked("0005\r\nhello\r\n000\r\n\r\n"), "hello"},
      {"RFC 9112 7.1 CRLF inside data", chunked("9\r\n\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n"), "\r\n0\r\n\r\n\r\n"},
      {"RFC 9112 7.1 a large chunk", chunked("186a0\r\n" + mega + "\r\n0\r\n\r\n"), mega},
      {"RFC 9112 7.1.1 extension", chunked("5;a\r\nhello\r\n0;z\r\n\r\n"), "hello"},
      {"RFC 9112 7.1.1 extension with value", chunked("5;a=b;c=d\r\nhello\r\n0\r\n\r\n"), "hello"},
      {"RFC 9112 7.1.1 quoted value", chunked("5;a=\"b;c\\\"d\"\r\nhello\r\n0\r\n\r\n"), "hello"},
      {"RFC 9110 5.6.3 blanks around an extension's marks", chunked("5 ; a = b\r\nhello\r\n0\r\n\r\n"), "hello"},
      {"RFC 9110 5.6.3 blanks behind a quoted value", chunked("5;a=\"b\" ;c\r\nhello\r\n0\r\n\r\n"), "hello"},
      {"RFC 9112 7.1.2 trailers are dropped", chunked("5\r\nhello\r\n0\r\nX-T: 1\r\nX-U:\r\n\r\n", "Trailer: X-T\r\n"),
       "hello"},
      {"RFC 9112 7 coding in any case", post("Transfer-Encoding: ChUnKeD\r\n", "2\r\nhi\r\n0\r\n\r\n"), "hi"},
      {"RFC 9112 5.1 blanks around the coding", post("Transfer-Encoding: \t chunked \t\r\n", "2\r\nhi\r\n0\r\n\r\n"),
       "hi"},
      {"RFC 9110 10.1.4 TE is not framing", post("TE: chunked\r\nContent-Length: 2\r\n", "hi"), "hi"},
      {"RFC 9110 8.4 Content-Encoding is not framing", post("Content-Encoding: chunked\r\nContent-Length: 2\r\n", "hi"),
       "hi"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.clause);
    EXPECT_EQ(only(row.bytes).body, row.body);
    // What comes behind is the next message, whole.
    const Outcome two = outcome_of(row.bytes + get("/second"));
    ASSERT_EQ(two.messages.size(), 2u) << two.reason;
    EXPECT_EQ(two.messages[0].body, row.body);
    EXPECT_EQ(two.messages[1].path, "/second");
  }
}

// RFC 9112 9.3.2.
TEST(H1Parser, ReadsPipelinedMessagesOneAfterTheOther) {
  std::string bytes;
  for (int i = 0; i < 20; ++i)
    bytes += i % 3 == 1   ? chunked("2\r\nhi\r\n0\r\n\r\n")
             : i % 3 == 2 ? post("Content-Length: 2\r\n", "ho")
                          : get("/g");
  const Outcome outcome = outcome_of(bytes);
  ASSERT_EQ(outcome.messages.size(), 20u);
  EXPECT_EQ(outcome.messages[19].body, "hi");
  EXPECT_EQ(outcome.messages[18].path, "/g");
  EXPECT_TRUE(outcome.clean_end);
}

// RFC 9112 2.2: at least one empty line is ignored, in front of each message.
TEST(H1Parser, IgnoresOneEmptyLineBeforeAMessage) {
  EXPECT_EQ(outcome_of("\r\n" + get("/a") + "\r\n" + get("/b")).messages.size(), 2u);
  EXPECT_TRUE(outcome_of("\r\n").clean_end);
  EXPECT_EQ(outcome_of("\r\n\r\n" + get("/a")).status, 400);
  EXPECT_EQ(outcome_of("\n" + get("/a")).status, 400);
  EXPECT_EQ(outcome_of("\rG").status, 400);
}

// RFC 9110 10.1.1.
TEST(H1Parser, SaysWhoWaitsForAContinue) {
  const auto waits = [](const Message& message) { return (message.flags & wire::kExpectContinue) != 0; };
  EXPECT_TRUE(waits(only(post("Expect: 100-continue\r\nContent-Length: 1\r\n", "x"))));
  EXPECT_TRUE(waits(only(post("expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"))));
  EXPECT_FALSE(waits(only(get("/", "Expect: 100-continue\r\n")))) << "there is no body to wait for";
  EXPECT_FALSE(waits(only("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx")))
      << "a 1.0 client cannot expect";
  EXPECT_FALSE(waits(only("POST / HTTP/1.0\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\nx")));
}

TEST(H1Parser, SaysWhatTheHeadAnnounces) {
  EXPECT_EQ(only(get("/")).flags, 0);
  EXPECT_EQ(only(post("Content-Length: 1\r\n", "x")).flags, wire::kHasBody);
  EXPECT_EQ(only(post("Content-Length: 1\r\n", "x")).content_length, 1u);
  EXPECT_EQ(only(chunked("0\r\n\r\n")).flags, wire::kHasBody | wire::kChunkedBody);
  EXPECT_EQ(only(chunked("0\r\n\r\n")).content_length, wire::kUnknownLength);
  EXPECT_EQ(only(get("/", "TE: deflate, trailers;q=1\r\n")).flags, wire::kTrailersAccepted);
  EXPECT_TRUE(only(get("/", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n")).upgrade);
  EXPECT_FALSE(only(get("/", "Upgrade: websocket\r\n")).upgrade);
  EXPECT_FALSE(only(get("/", "Connection: upgrade\r\n")).upgrade);
  EXPECT_EQ(only(get("/", "Connection: upgrade\r\nUpgrade: foo/2\r\nContent-Length: 0\r\n")).path, "/")
      << "an unknown upgrade is ignored";
}

TEST(H1Parser, DropsNamesThatCouldBeTakenForOthers) {
  const Message message = only(get("/",
                                   "X-Real: good\r\nX_Real: evil\r\nProxy: http://evil\r\nContent_Length: "
                                   "5\r\nTransfer_Encoding: chunked\r\nX-B: 1\r\n"));
  const std::vector<std::pair<std::string, std::string>> want = {{"host", "kit"}, {"x-real", "good"}, {"x-b", "1"}};
  EXPECT_EQ(message.fields, want);
  Limits limits;
  limits.header_map = HeaderMap::Dangerous;
  EXPECT_EQ(only(get("/", "X_Real: v\r\n"), limits).field("x_real"), "v");
  limits.header_map = HeaderMap::Refuse;
  EXPECT_EQ(outcome_of(get("/", "X_Real: v\r\n"), limits).status, 400);
}

TEST(H1Parser, KeepsForwarderHeadersFromTrustedPeersOnly) {
  Limits limits;
  limits.forwarder_headers = {"script_name", "path_info"};
  EXPECT_EQ(only(get("/", "SCRIPT_NAME: /app\r\n"), limits, true).field("script_name"), "/app");
  EXPECT_EQ(only(get("/", "SCRIPT_NAME: /app\r\n"), limits, false).field("script_name"), "<none>");
  EXPECT_EQ(only(get("/", "REMOTE_USER: me\r\n"), limits, true).field("remote_user"), "<none>");
  limits.forwarder_headers = {"*"};
  EXPECT_EQ(only(get("/", "REMOTE_USER: me\r\n"), limits, true).field("remote_user"), "me");
  EXPECT_EQ(only(get("/", "REMOTE_USER: me\r\n"), limits, false).field("remote_user"), "<none>");
}

// RFC 9112 5.2: a server may join folded lines, and does when told so. Nothing else becomes lenient with it.
TEST(H1Parser, JoinsFoldedLinesOnlyWhenAllowed) {
  Limits limits;
  limits.permit_obsolete_folding = true;
  const std::string folded = get("/", "X-A: a\r\n b\r\n\tc\r\nX-B: 1\r\n");
  EXPECT_EQ(outcome_of(folded).status, 400);
  const Message message = only(folded, limits);
  EXPECT_EQ(message.field("x-a"), "a b c");
  EXPECT_EQ(only(get("/", "X-A:\r\n a \r\n \r\n b\r\n \r\n"), limits).field("x-a"), "a b");
  EXPECT_EQ(message.field("x-b"), "1");
  for (const char* line : {"X-A : 1\r\n", "X A: 1\r\n", "X-A: a\rb\r\n", "X-A: 1\nX-B: 2\r\n", "X-A\r\n b: 1\r\n",
                           "X-A: \x01\r\n", "Content-Length: 1\r\n 1\r\n"}) {
    EXPECT_EQ(outcome_of(get("/", line), limits).status, 400) << line;
  }
}

// RFC 9112 2.2: there is nothing yet that the line could continue, and a proxy in front may have ignored it.
TEST(H1Parser, ABlankBehindTheRequestLineIsNoFoldingAndNoField) {
  Limits limits;
  limits.permit_obsolete_folding = true;
  for (const char* fields :
       {" X-A: 1\r\n", "\tX-A: 1\r\n", " Transfer-Encoding: chunked\r\n", " \r\nX-A: 1\r\n", "\t\r\n"}) {
    const std::string head = std::string("GET / HTTP/1.0\r\n") + fields + "\r\n";
    EXPECT_EQ(outcome_of(head, limits).status, 400) << fields;
    EXPECT_EQ(outcome_of(head).status, 400) << fields;
  }
  EXPECT_EQ(only("GET / HTTP/1.0\r\n\r\n", limits).fields.size(), 0u);
}

// RFC 9112 8: what was cut is not a message.
TEST(H1Parser, ACutMessageIsNeverComplete) {
  for (const std::string& whole :
       {get("/a"), post("Content-Length: 5\r\n", "hello"), chunked("5;a=b\r\nhello\r\n0\r\nX: 1\r\n\r\n")}) {
    for (std::size_t length = 1; length < whole.size(); ++length) {
      const Outcome outcome = feed_whole(whole.substr(0, length));
      EXPECT_FALSE(outcome.refused()) << outcome.reason;
      EXPECT_FALSE(outcome.clean_end);
      for (const Message& message : outcome.messages) EXPECT_FALSE(message.complete);
    }
  }
}

TEST(H1Parser, StaysDeadAfterARefusal) {
  Limits limits;
  H1Parser parser(limits);
  wire::RequestBuilder builder;
  parser.begin(builder);
  const std::string bytes = "B@D / HTTP/1.1\r\n\r\n" + get("/");
  std::span<const char> in(bytes);
  EXPECT_EQ(parser.feed(in), Feed::BadRequest);
  EXPECT_TRUE(parser.dead());
  const std::string more = get("/");
  in = more;
  EXPECT_EQ(parser.feed(in), Feed::BadRequest);
  EXPECT_EQ(in.size(), more.size());
  EXPECT_EQ(parser.refusal().status, 400);
  EXPECT_FALSE(parser.take_eof());
}

TEST(H1Parser, SaysWhereItIs) {
  Limits limits;
  H1Parser parser(limits);
  wire::RequestBuilder builder;
  parser.begin(builder);
  const auto feed = [&](std::string_view bytes) {
    std::span<const char> in(bytes);
    const Feed result = parser.feed(in);
    EXPECT_TRUE(in.empty());
    return result;
  };
  EXPECT_TRUE(parser.idle());
  EXPECT_EQ(feed("\r\n"), Feed::NeedMore);
  EXPECT_TRUE(parser.idle());
  EXPECT_EQ(feed("P"), Feed::NeedMore);
  EXPECT_TRUE(parser.in_head());
  EXPECT_FALSE(parser.take_eof());
  EXPECT_EQ(feed("OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"), Feed::HeadDone);
  EXPECT_TRUE(parser.body_expected());
  EXPECT_TRUE(parser.in_body());
  EXPECT_EQ(feed("abc"), Feed::BodyPiece);
  EXPECT_EQ(parser.body_received(), 3u);
  EXPECT_EQ(feed(""), Feed::MessageDone);
  EXPECT_TRUE(parser.idle());
  EXPECT_TRUE(parser.keep_alive()) << "still the answer's to ask";
}

TEST(H1Parser, CostsLittleWhileIdle) { EXPECT_LE(sizeof(H1Parser), 400u); }

}  // namespace
}  // namespace prefork::http::testing

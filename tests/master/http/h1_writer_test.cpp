// Reply heads, framing decisions and body framing, against what an application and a worker may send.
#include "master/http/h1_writer.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>

#include "master/http/status.hpp"

namespace prefork::http {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Record {
  std::vector<std::byte> bytes;
  wire::ReplyView view;

  Record(int status, const Fields& fields, std::string_view reason = "", std::uint8_t flags = 0,
         std::string_view body = "") {
    std::size_t text = reason.size() + body.size();
    for (const auto& [name, value] : fields) text += name.size() + value.size();
    bytes.resize(wire::reply_head_space(fields.size(), text));
    wire::ReplyWriter writer(bytes, static_cast<std::uint16_t>(status), static_cast<std::uint16_t>(fields.size()),
                             flags);
    writer.reason(reason);
    // The ids are left out: the master has to find them itself.
    for (const auto& [name, value] : fields) writer.field(name, value, wire::Name::Unknown);
    if (!body.empty()) writer.body(wire::as_bytes(body));
    bytes.resize(writer.finish());
    view = wire::ReplyView(bytes);
    EXPECT_EQ(view.validate(), nullptr);
  }
};

struct Head {
  std::string text;
  ReplyPlan plan;
  Refusal refusal;
};

Head head_of(const Record& record, const ReplyFacts& facts = {}) {
  Head head;
  std::vector<char> out{'>'};
  head.refusal = write_reply_head(record.view, facts, head.plan, out);
  EXPECT_EQ(out[0], '>');
  head.text.assign(out.begin() + 1, out.end());
  EXPECT_EQ(head.text.empty(), bool{head.refusal}) << "a refused reply leaves nothing behind";
  return head;
}

ReplyFacts version10(bool keep_alive = false) {
  ReplyFacts facts;
  facts.http_version = 10;
  facts.keep_alive = keep_alive;
  return facts;
}

ReplyFacts complete(std::uint64_t length, ReplyFacts facts = {}) {
  facts.complete_length = length;
  return facts;
}

TEST(H1Writer, WritesAWholeHead) {
  ReplyFacts facts = complete(5);
  facts.date = "Thu, 01 Jan 2026 00:00:00 GMT";
  facts.server = "prefork";
  facts.extra = "X-Extra: 1\r\n";
  const Head head =
      head_of(Record(200, {{"Content-Type", "text/plain"}, {"Set-Cookie", "a=1"}, {"set-cookie", "b=2"}}), facts);
  EXPECT_EQ(head.text,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nServer: prefork\r\n"
            "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nX-Extra: 1\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(head.plan.framing, Framing::Length);
  EXPECT_EQ(head.plan.length, 5u);
  EXPECT_TRUE(head.plan.keep_alive);
}

// RFC 9112 6.3 as a sender.
TEST(H1Writer, DecidesFraming) {
  struct Row {
    const char* clause;
    int status;
    Fields fields;
    ReplyFacts facts;
    Framing framing;
    const char* line;  // what the head has for it; "" for no framing field at all
    bool keep_alive;
  };
  ReplyFacts head_request;
  head_request.head_request = true;
  ReplyFacts leaving;
  leaving.keep_alive = false;
  const Row rows[] = {
      {"RFC 9112 6.2 length of the application",
       200,
       {{"Content-Length", "5"}},
       {},
       Framing::Length,
       "Content-Length: 5\r\n",
       true},
      {"RFC 9112 6.2 length of the application, in its spelling",
       200,
       {{"content-length", "5"}},
       complete(5),
       Framing::Length,
       "content-length: 5\r\n",
       true},
      {"RFC 9112 6.2 a whole body", 200, {}, complete(0), Framing::Length, "Content-Length: 0\r\n", true},
      {"RFC 9112 7.1 unknown length", 200, {}, {}, Framing::Chunked, "Transfer-Encoding: chunked\r\n", true},
      {"RFC 9112 6.1 no chunked to 1.0", 200, {}, version10(true), Framing::UntilClose, "", false},
      {"RFC 9112 6.2 1.0 with length",
       200,
       {{"Content-Length", "5"}},
       version10(true),
       Framing::Length,
       "Content-Length: 5\r\n",
       true},
      {"RFC 9110 8.6 204 has no length", 204, {{"Content-Length", "5"}}, complete(5), Framing::None, "", true},
      {"RFC 9112 6.1 204 is not chunked", 204, {}, {}, Framing::None, "", true},
      {"RFC 9110 15.3.6 205 has no content",
       205,
       {{"Content-Length", "5"}},
       complete(5),
       Framing::None,
       "Content-Length: 0\r\n",
       true},
      {"RFC 9110 15.3.6 205 is not chunked", 205, {}, {}, Framing::None, "Content-Length: 0\r\n", true},
      {"RFC 9110 15.4.5 304 keeps the length",
       304,
       {{"Content-Length", "5"}},
       complete(0),
       Framing::None,
       "Content-Length: 5\r\n",
       true},
      {"RFC 9110 15.4.5 304 without one", 304, {}, complete(0), Framing::None, "", true},
      {"RFC 9110 9.3.2 HEAD keeps the length",
       200,
       {{"Content-Length", "1234"}},
       complete(0, head_request),
       Framing::None,
       "Content-Length: 1234\r\n",
       true},
      {"RFC 9110 9.3.2 HEAD with the GET's body",
       200,
       {},
       complete(7, head_request),
       Framing::None,
       "Content-Length: 7\r\n",
       true},
      {"RFC 9110 9.3.2 HEAD without body says nothing", 200, {}, complete(0, head_request), Framing::None, "", true},
      {"RFC 9110 9.3.2 HEAD of unknown length",
       200,
       {},
       head_request,
       Framing::None,
       "Transfer-Encoding: chunked\r\n",
       true},
      {"RFC 9112 9.6 the server wants to close",
       200,
       {},
       complete(1, leaving),
       Framing::Length,
       "Content-Length: 1\r\n",
       false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.clause);
    const Head head = head_of(Record(row.status, row.fields), row.facts);
    EXPECT_FALSE(head.refusal) << head.refusal.reason;
    EXPECT_EQ(head.plan.framing, row.framing);
    EXPECT_EQ(head.plan.keep_alive, row.keep_alive);
    EXPECT_EQ(head.text.find("Connection: close\r\n") != std::string::npos, !row.keep_alive);
    EXPECT_NE(head.text.find(row.line), std::string::npos) << head.text;
    const bool framed =
        head.text.find("ength:") != std::string::npos || head.text.find("Transfer-") != std::string::npos;
    EXPECT_EQ(framed, *row.line != '\0') << head.text;
  }
}

// RFC 9112 9.3.
TEST(H1Writer, SaysKeepAliveToOldClientsOnly) {
  EXPECT_NE(head_of(Record(200, {}), complete(0, version10(true))).text.find("Connection: keep-alive\r\n"),
            std::string::npos);
  EXPECT_NE(head_of(Record(200, {}), complete(0, version10(false))).text.find("Connection: close\r\n"),
            std::string::npos);
  EXPECT_EQ(head_of(Record(200, {}), complete(0)).text.find("Connection"), std::string::npos);
}

TEST(H1Writer, HonoursTheApplicationsClose) {
  for (const char* value : {"close", "Close", "x, close"}) {
    const Head head = head_of(Record(200, {{"Connection", value}}), complete(0));
    EXPECT_FALSE(head.plan.keep_alive);
    EXPECT_EQ(head.text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  }
  EXPECT_FALSE(head_of(Record(200, {}, "", wire::kReplyClose), complete(0)).plan.keep_alive);
  EXPECT_TRUE(head_of(Record(200, {{"Connection", "keep-alive"}}), complete(0)).plan.keep_alive);
}

// RFC 9110 7.6.1, PEP 3333: they belong to the server.
TEST(H1Writer, DropsFieldsBetweenNeighbours) {
  for (const char* name : {"Connection", "Keep-Alive", "Transfer-Encoding", "TE", "Upgrade", "Trailer",
                           "Proxy-Connection", "Proxy-Authenticate", "transfer-ENCODING"}) {
    EXPECT_EQ(head_of(Record(200, {{name, "chunked"}, {"A", "b"}}), complete(0)).text,
              "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n\r\n")
        << name;
  }
}

// RFC 9110 6.6.1, 10.2.4.
TEST(H1Writer, SendsDateAndServerOnce) {
  ReplyFacts facts = complete(0);
  facts.date = "ours";
  facts.server = "ours";
  EXPECT_EQ(head_of(Record(200, {{"date", "theirs"}, {"SERVER", "theirs"}}), facts).text,
            "HTTP/1.1 200 OK\r\ndate: theirs\r\nSERVER: theirs\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(head_of(Record(200, {}), facts).text,
            "HTTP/1.1 200 OK\r\nServer: ours\r\nDate: ours\r\nContent-Length: 0\r\n\r\n");
}

TEST(H1Writer, RefusesWhatWouldSplitOrMislead) {
  struct Row {
    const char* clause;
    int status;
    Fields fields;
    std::string reason;
  };
  const Row rows[] = {
      {"RFC 9110 5.5 CR LF in a value", 200, {{"X-A", "a\r\nX-Evil: 1"}}, ""},
      {"RFC 9110 5.5 LF in a value", 200, {{"X-A", "a\nX-Evil: 1"}}, ""},
      {"RFC 9110 5.5 CR in a value", 200, {{"X-A", "a\rb"}}, ""},
      {"RFC 9110 5.5 NUL in a value", 200, {{"X-A", std::string("a\0b", 3)}}, ""},
      {"RFC 9110 5.5 LF at the end of a long value", 200, {{"X-A", std::string(100, 'a') + "\n"}}, ""},
      {"RFC 9110 5.1 CR LF in a name", 200, {{"X-A: a\r\nX-Evil", "1"}}, ""},
      {"RFC 9110 5.1 colon in a name", 200, {{"X-Evil: x", "1"}}, ""},
      {"RFC 9110 5.1 blank in a name", 200, {{"X A", "1"}}, ""},
      {"RFC 9110 5.1 blank behind a name", 200, {{"Content-Length ", "1"}}, ""},
      {"RFC 9110 5.1 empty name", 200, {{"", "1"}}, ""},
      {"RFC 9110 5.1 obs-text in a name", 200, {{"X\xe9", "1"}}, ""},
      {"RFC 9112 4 CR LF in the reason", 200, {}, "OK\r\nX-Evil: 1"},
      {"RFC 9110 8.6 two lengths", 200, {{"Content-Length", "5"}, {"content-length", "5"}}, ""},
      {"RFC 9110 8.6 not a number", 200, {{"Content-Length", "five"}}, ""},
      {"RFC 9110 8.6 a list", 200, {{"Content-Length", "5, 5"}}, ""},
      {"RFC 9110 8.6 negative", 200, {{"Content-Length", "-5"}}, ""},
      {"RFC 9110 8.6 plus", 200, {{"Content-Length", "+5"}}, ""},
      {"RFC 9110 8.6 empty", 200, {{"Content-Length", ""}}, ""},
      {"RFC 9110 8.6 trailing blank", 200, {{"Content-Length", "5 "}}, ""},
      {"RFC 9110 8.6 overflow", 200, {{"Content-Length", "18446744073709551616"}}, ""},
      {"RFC 9110 8.6 too close to overflow", 200, {{"Content-Length", "18446744073709551615"}}, ""},
      {"RFC 9110 15.2 interim as final", 150, {}, ""},
      {"RFC 9110 15.2.2 switching as final", 101, {}, ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.clause);
    EXPECT_EQ(head_of(Record(row.status, row.fields, row.reason), complete(0)).refusal.status, 500);
  }
}

TEST(H1Writer, FindsABadByteAnywhereInAValue) {
  for (std::size_t length = 1; length < 40; ++length) {
    for (std::size_t at = 0; at < length; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string value(length, 'v');
        value[at] = static_cast<char>(byte);
        std::vector<char> out;
        ReplyPlan plan;
        const Record record(200, {{"X-A", value}});
        ASSERT_EQ(bool{write_reply_head(record.view, {}, plan, out)}, byte == 0 || byte == '\r' || byte == '\n')
            << length << " " << at << " " << byte;
      }
    }
  }
}

// PEP 3333 and RFC 9110 5.5: these are the application's freedom.
TEST(H1Writer, KeepsWhatTheApplicationMaySend) {
  EXPECT_EQ(head_of(Record(299, {}, "Custom Words"), complete(0)).text.substr(0, 27), "HTTP/1.1 299 Custom Words\r\n");
  EXPECT_EQ(head_of(Record(299, {}), complete(0)).text.substr(0, 22), "HTTP/1.1 299 Success\r\n");
  EXPECT_NE(head_of(Record(200, {{"X-A", "caf\xe9"}, {"X-Empty", ""}, {"X-Tab", "a\tb"}}), complete(0))
                .text.find("X-A: caf\xe9\r\nX-Empty: \r\nX-Tab: a\tb\r\n"),
            std::string::npos);
  Fields many;
  for (int i = 0; i < 200; ++i) many.emplace_back("X-" + std::to_string(i), std::string(100, 'v'));
  const Head head = head_of(Record(200, many), complete(0));
  EXPECT_NE(head.text.find("\r\nX-0: "), std::string::npos);
  EXPECT_NE(head.text.find("\r\nX-199: "), std::string::npos);
}

// The master believes nothing: texts of a record may lie anywhere, even on each other.
TEST(H1Writer, RefusesFieldsThatOverlap) {
  Record record(200, Fields(50, {"X-A", "v"}), "", 0, std::string(60000, 'b'));
  for (int i = 0; i < 50; ++i) {
    auto* field = reinterpret_cast<wire::Field*>(record.bytes.data() + sizeof(wire::ReplyHead)) + i;
    field->value = {static_cast<std::uint32_t>(record.bytes.size() - 60000), 60000};
  }
  ASSERT_EQ(record.view.validate(), nullptr);
  EXPECT_EQ(head_of(record, complete(60000)).refusal.status, 500);
  for (int i = 0; i < 50; ++i) {
    auto* field = reinterpret_cast<wire::Field*>(record.bytes.data() + sizeof(wire::ReplyHead)) + i;
    field->value = {4000000000u, 4000000000u};
  }
  EXPECT_EQ(head_of(record, complete(60000)).refusal.status, 500);
}

TEST(H1Writer, RefusesAReasonThatLiesOnTheBody) {
  Record record(200, {}, "OK", 0, std::string(60000, 'b'));
  auto* head = reinterpret_cast<wire::ReplyHead*>(record.bytes.data());
  head->reason = head->body;
  ASSERT_EQ(record.view.validate(), nullptr);
  EXPECT_EQ(head_of(record, complete(60000)).refusal.status, 500);
}

// RFC 9110 6.5, RFC 9112 7.1.2.
TEST(H1Writer, SendsTrailersToThoseWhoAcceptThem) {
  ReplyFacts facts;
  facts.trailers_accepted = true;
  const Record record(200, {{"Trailer", "X-Sum"}}, "", wire::kReplyTrailers);
  EXPECT_TRUE(head_of(record, facts).plan.trailers);
  EXPECT_NE(head_of(record, facts).text.find("Trailer: X-Sum\r\n"), std::string::npos);
  EXPECT_FALSE(head_of(record).plan.trailers);
  EXPECT_EQ(head_of(record).text.find("Trailer"), std::string::npos);
  facts.http_version = 10;
  EXPECT_FALSE(head_of(record, facts).plan.trailers);

  std::vector<char> out;
  EXPECT_FALSE(
      write_trailers(Record(200, {{"X-Sum", "1"}, {"Content-Length", "5"}, {"Transfer-Encoding", "gzip"}}).view, out));
  EXPECT_EQ(std::string(out.begin(), out.end()), "0\r\nX-Sum: 1\r\n\r\n");
  EXPECT_TRUE(write_trailers(Record(200, {{"X-Sum", "1\r\nX: 1"}}).view, out));
}

TEST(H1Writer, WritesInterimReplies) {
  std::vector<char> out;
  EXPECT_FALSE(write_interim_reply(
      Record(103, {{"Link", "</a.css>"}, {"Content-Length", "5"}, {"Connection", "close"}}).view, out));
  EXPECT_EQ(std::string(out.begin(), out.end()), "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
  for (const int status : {100, 101, 200, 404})
    EXPECT_TRUE(write_interim_reply(Record(status, {}).view, out)) << status;
}

TEST(H1Writer, WritesTheReplyThatEndsHttp) {
  std::vector<char> out;
  EXPECT_FALSE(write_switching_reply(Record(101, {{"Sec-WebSocket-Protocol", "chat"},
                                                  {"Upgrade", "x"},
                                                  {"Content-Length", "0"},
                                                  {"Sec-WebSocket-Accept", "forged"},
                                                  {"Sec-WebSocket-Extensions", "x-forged"}})
                                         .view,
                                     {}, "Upgrade: websocket\r\nConnection: Upgrade\r\n", out));
  EXPECT_EQ(std::string(out.begin(), out.end()),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: "
            "chat\r\n\r\n");
  const std::string long_fields = "X-Long: " + std::string(1'000, 'x') + "\r\n";
  EXPECT_FALSE(write_switching_reply(Record(101, {{"X-Up", "1"}}).view, {}, long_fields, out));
  EXPECT_TRUE(std::string(out.begin(), out.end()).ends_with(long_fields + "X-Up: 1\r\n\r\n"));
}

TEST(H1Writer, WritesErrorReplies) {
  ErrorReply error;
  error.status = 400;
  error.message = "<b>&\r\n";
  error.date = "now";
  error.server = "prefork";
  error.extra = "Retry-After: 1\r\n";
  std::vector<char> out;
  write_error_reply(error, out);
  const std::string text(out.begin(), out.end());
  const std::string body =
      "<html>\n<head><title>Bad Request</title></head>\n<body>\n<h1>Bad "
      "Request</h1>\n<p>&lt;b&gt;&amp;</p>\n</body>\n</html>\n";
  EXPECT_EQ(text,
            "HTTP/1.1 400 Bad Request\r\nServer: prefork\r\nDate: now\r\nRetry-After: 1\r\nContent-Type: text/html; "
            "charset=utf-8\r\n"
            "Content-Length: " +
                std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
  error.head_request = true;
  out.clear();
  write_error_reply(error, out);
  EXPECT_EQ(std::string(out.begin(), out.end()), text.substr(0, text.size() - body.size()));
}

std::string framed(BodyFramer& framer, std::string_view bytes, bool last) {
  const BodyFramer::Piece piece = framer.put(bytes.size(), last);
  return std::string(piece.prefix()) + std::string(bytes.substr(0, piece.take)) + std::string(piece.suffix);
}

ReplyPlan plan_of(Framing framing, std::uint64_t length = wire::kUnknownLength) {
  ReplyPlan plan;
  plan.framing = framing;
  plan.length = length;
  return plan;
}

// RFC 9112 7.1.
TEST(BodyFramer, WritesChunks) {
  BodyFramer framer(plan_of(Framing::Chunked));
  EXPECT_EQ(framed(framer, "hello", false), "5\r\nhello\r\n");
  EXPECT_EQ(framed(framer, "", false), "") << "an empty chunk would be the end";
  EXPECT_EQ(framed(framer, std::string(26, 'x'), false), "1a\r\n" + std::string(26, 'x') + "\r\n");
  EXPECT_EQ(framed(framer, "z", true), "1\r\nz\r\n0\r\n\r\n");
  BodyFramer other(plan_of(Framing::Chunked));
  EXPECT_EQ(framed(other, "", true), "0\r\n\r\n");
  EXPECT_EQ(other.put(~std::uint64_t{0}, false).prefix(), "ffffffffffffffff\r\n");
  EXPECT_FALSE(other.is_short());
}

// PEP 3333: never more than was announced; RFC 9112 8: less must be seen.
TEST(BodyFramer, CutsAtTheLengthAndTellsShortOnes) {
  BodyFramer framer(plan_of(Framing::Length, 5));
  EXPECT_EQ(framed(framer, "hel", false), "hel");
  EXPECT_TRUE(framer.is_short());
  EXPECT_FALSE(framer.cut());
  EXPECT_EQ(framed(framer, "loWORLD", false), "lo");
  EXPECT_TRUE(framer.cut());
  EXPECT_EQ(framed(framer, "more", true), "");
  EXPECT_FALSE(framer.is_short());
}

TEST(BodyFramer, SendsNothingWhereThereIsNoBody) {
  BodyFramer none(plan_of(Framing::None));
  EXPECT_EQ(framed(none, "hello", true), "");
  EXPECT_FALSE(none.is_short());
  BodyFramer until_close(plan_of(Framing::UntilClose));
  EXPECT_EQ(framed(until_close, "hello", true), "hello");
}

TEST(Status, HasAPhraseForEveryCode) {
  for (int status = 100; status < 1000; ++status) EXPECT_FALSE(reason_phrase(status).empty());
  EXPECT_EQ(reason_phrase(404), "Not Found");
  EXPECT_EQ(reason_phrase(299), "Success");
}

}  // namespace
}  // namespace prefork::http

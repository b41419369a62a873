#include "master/http/ws_session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ws_test_client.hpp"

namespace prefork::http {
namespace {

using namespace ws_testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

const std::string kEuro = "\xE2\x82\xAC";

// Feeds bytes whole, in two pieces cut everywhere, and one at a time; every way must come to the same. Returns it.
Outcome outcome_however_cut(const std::string& bytes, const WsOptions& options = {}) {
  const Outcome whole = outcome_of({bytes}, options);
  for (std::size_t at = 1; at < bytes.size(); ++at) {
    EXPECT_EQ(outcome_of({bytes.substr(0, at), bytes.substr(at)}, options), whole) << "cut at " << at;
  }
  EXPECT_EQ(outcome_of(byte_by_byte(bytes), options), whole);
  return whole;
}

void expect_failure(const std::string& bytes, std::uint16_t code, const WsOptions& options = {}) {
  const Outcome outcome = outcome_however_cut(bytes, options);
  ASSERT_EQ(outcome.seen.size(), 1u) << outcome;
  EXPECT_EQ(outcome.seen[0].kind, WsEvent::Kind::Failed);
  EXPECT_EQ(outcome.seen[0].code, code);
  EXPECT_EQ(outcome.output, server_close(code, outcome.seen[0].bytes));
}

TEST(WsSession, DeliversTheExamplesOfTheRfc) {
  EXPECT_THAT(outcome_however_cut("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").seen, ElementsAre(text("Hello")));
  // The fragmented and the ping example, masked as a client has to.
  EXPECT_THAT(outcome_however_cut(first_fragment(1, "Hel") + last_fragment("lo")).seen, ElementsAre(text("Hello")));
  EXPECT_EQ(outcome_however_cut("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").output, server_frame(0xA, "Hello"));
}

TEST(WsSession, DeliversMessagesInOrderHoweverTheyAreCut) {
  const auto outcome = outcome_however_cut(
      text_frame("one") + binary_frame(std::string("\x00\xff", 2)) + text_frame("") + first_fragment(2, "") +
      middle_fragment("ab") + last_fragment("") + text_frame(std::string(130, 'x')) + text_frame("gr\xC3\xBC\xC3\x9F"));
  EXPECT_THAT(outcome.seen, ElementsAre(text("one"), binary(std::string("\x00\xff", 2)), text(""), binary("ab"),
                                        text(std::string(130, 'x')), text("gr\xC3\xBC\xC3\x9F")));
  EXPECT_EQ(outcome.output, "");
}

TEST(WsSession, HandsOutAWholeMessageWhereItLies) {
  Server server;
  std::string bytes = text_frame("in place");
  std::span<char> input(bytes);
  const auto event = server.session.feed(input, server.now);
  EXPECT_GE(event.bytes.data(), bytes.data());
  EXPECT_EQ(event.bytes.data() + event.bytes.size(), bytes.data() + bytes.size());
}

TEST(WsSession, AnswersPingsBetweenFragments) {
  const auto outcome = outcome_however_cut(first_fragment(1, "a") + ping_frame("x") + pong_frame("unasked") +
                                           ping_frame("") + last_fragment("b"));
  EXPECT_THAT(outcome.seen, ElementsAre(text("ab")));
  EXPECT_EQ(outcome.output, server_frame(0xA, "x") + server_frame(0xA, ""));
}

TEST(WsSession, RemembersOnlyTheLatestPingOfAClientThatDoesNotRead) {
  WsOptions options;
  options.max_pong_backlog = 100;
  Server server(options);
  for (int i = 0; i < 1000; ++i) EXPECT_THAT(server.feed(ping_frame("ping " + std::to_string(i))), IsEmpty());
  EXPECT_LE(server.out.size(), 100u + 127u);
  server.take_output();
  server.session.on_output_sent();
  EXPECT_EQ(server.take_output(), server_frame(0xA, "ping 999"));
  server.session.on_output_sent();
  EXPECT_EQ(server.take_output(), "");
}

TEST(WsSession, RemembersOnlyTheLatestPingWhileItsOwnerCannotSend) {
  WsOptions options;
  options.max_pong_backlog = 100;
  Server server(options);
  server.session.set_unsent(101);
  for (int i = 0; i < 1000; ++i) EXPECT_THAT(server.feed(ping_frame("ping " + std::to_string(i))), IsEmpty());
  server.session.on_output_sent();
  EXPECT_EQ(server.take_output(), "");
  server.session.set_unsent(0);
  server.session.on_output_sent();
  EXPECT_EQ(server.take_output(), server_frame(0xA, "ping 999"));
}

TEST(WsSession, FailsOnBrokenFramingRules) {
  expect_failure(std::string("\x81\x01"
                             "a",
                             3),
                 1002);                                            // no mask
  expect_failure(masked_frame(1, "a", {.rsv1 = true}), 1002);      // no extension gives RSV1 a meaning
  expect_failure(masked_frame(3, "a"), 1002);                      // reserved opcode
  expect_failure(masked_frame(9, "a", {.fin = false}), 1002);      // fragmented ping
  expect_failure(masked_frame(9, std::string(126, 'a')), 1002);    // long ping
  expect_failure(last_fragment("a"), 1002);                        // continuation of nothing
  expect_failure(first_fragment(1, "a") + text_frame("b"), 1002);  // a message inside another
}

TEST(WsSession, FailsAtTheFirstByteThatIsNotUtf8) {
  expect_failure(text_frame("\xff"), 1007);
  expect_failure(text_frame(kEuro.substr(0, 2)), 1007);  // ends inside a character
  expect_failure(first_fragment(1, kEuro.substr(0, 1)) + last_fragment(""), 1007);
  // The last byte of the frame has not come, and never needs to.
  const std::string frame = text_frame("a\xf4\x90\x80\x80");
  expect_failure(frame.substr(0, frame.size() - 2), 1007);
  expect_failure(first_fragment(1, "a\xf4\x90"), 1007);
}

TEST(WsSession, LetsCharactersStraddleFragments) {
  EXPECT_THAT(outcome_however_cut(first_fragment(1, kEuro.substr(0, 1)) + ping_frame("\xff") +
                                  middle_fragment(kEuro.substr(1, 1)) + last_fragment(kEuro.substr(2)))
                  .seen,
              ElementsAre(text(kEuro)));
  EXPECT_THAT(outcome_of({binary_frame("\xff\xfe")}).seen, ElementsAre(binary("\xff\xfe")));
}

TEST(WsSession, RefusesAMessageAboveTheLimitByItsDeclaredLength) {
  WsOptions options;
  options.max_message = 200;
  const std::string most(200, 'x');
  EXPECT_THAT(outcome_however_cut(text_frame(most), options).seen, ElementsAre(text(most)));
  const std::string frame = text_frame(most + "x");
  expect_failure(frame.substr(0, 8), 1009, options);  // the head alone
  EXPECT_THAT(
      outcome_of({first_fragment(1, std::string(100, 'x')) + last_fragment(std::string(100, 'x'))}, options).seen,
      ElementsAre(text(most)));
  expect_failure(first_fragment(1, std::string(100, 'x')) + last_fragment(std::string(101, 'x')).substr(0, 6), 1009,
                 options);
  // 2^63 - 1 declared bytes must not overflow what is there already.
  expect_failure(first_fragment(1, "x") + std::string("\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff"
                                                      "mask",
                                                      14),
                 1009, options);
}

TEST(WsSession, EchoesTheClientsCloseAndEnds) {
  auto outcome = outcome_however_cut(close_frame(1000, "bye") + text_frame("too late") + ping_frame(""));
  EXPECT_THAT(outcome.seen, ElementsAre(closed(1000, "bye")));
  EXPECT_EQ(outcome.output, server_close(1000));
  outcome = outcome_however_cut(masked_frame(8, ""));
  EXPECT_THAT(outcome.seen, ElementsAre(closed(1005)));
  EXPECT_EQ(outcome.output, server_frame(8, ""));
  EXPECT_THAT(outcome_of({close_frame(4321)}).seen, ElementsAre(closed(4321)));
}

TEST(WsSession, FailsOnMalformedCloseFrames) {
  expect_failure(masked_frame(8, "\x03"), 1002);
  expect_failure(close_frame(1005), 1002);
  expect_failure(close_frame(1006), 1002);
  expect_failure(close_frame(999), 1002);
  expect_failure(close_frame(1000, "\xff"), 1007);
  expect_failure(close_frame(1000, kEuro.substr(0, 2)), 1007);
}

TEST(WsSession, WaitsForTheClientsCloseAfterItsOwn) {
  Server server;
  server.session.close(1001, "going", server.now);
  EXPECT_EQ(server.take_output(), server_close(1001, "going"));
  EXPECT_EQ(server.session.state(), WsSession::State::Closing);
  // What was under way is passed over: no message, no pong, no judgement of its text.
  EXPECT_THAT(server.feed(text_frame("\xff") + ping_frame("x") + first_fragment(2, "y")), IsEmpty());
  EXPECT_EQ(server.take_output(), "");
  EXPECT_THAT(server.feed(close_frame(1001)), ElementsAre(closed(1001)));
  EXPECT_EQ(server.take_output(), "");
  EXPECT_EQ(server.session.state(), WsSession::State::Closed);
}

TEST(WsSession, ClosesCleanlyWhenBothSidesBegin) {
  Server server;
  server.session.close(1000, {}, server.now);
  EXPECT_THAT(server.feed(close_frame(1001, "mine")), ElementsAre(closed(1001, "mine")));
  EXPECT_EQ(server.take_output(), server_close(1000));
}

TEST(WsSession, SendsOneCloseFrameOnly) {
  Server server;
  server.session.close(1000, {}, server.now);
  server.session.close(1001, {}, server.now);
  EXPECT_EQ(server.take_output(), server_close(1000));
  // A broken rule behind it ends the session without a second one.
  EXPECT_EQ(server.feed("\x83\x80").at(0).kind, WsEvent::Kind::Failed);
  EXPECT_EQ(server.take_output(), "");
  server.session.close(1000, {}, server.now);
  EXPECT_EQ(server.take_output(), "");
}

TEST(WsSession, SendsNoCodeThatMayNotBeSent) {
  for (const int code : {0, 999, 1004, 1006, 1015, 2000, 5000}) {
    Server server;
    server.session.close(static_cast<std::uint16_t>(code), {}, server.now);
    EXPECT_EQ(server.take_output(), server_close(1011)) << code;
  }
  Server server;
  server.session.close(1005, "nothing", server.now);
  EXPECT_EQ(server.take_output(), server_frame(8, ""));
}

TEST(WsSession, GivesUpWaitingForTheClientsClose) {
  Server server;
  server.session.close(1000, {}, server.now);
  EXPECT_EQ(server.session.deadline(), server.now + server.options.close_timeout);
  // A client that goes on sending does not keep it open.
  server.now += server.options.close_timeout - 1ms;
  EXPECT_THAT(server.feed(ping_frame("")), IsEmpty());
  EXPECT_FALSE(server.session.on_tick(server.now));
  server.now += 1ms;
  EXPECT_EQ(note(server.session.on_tick(server.now)), closed(1006, {}, false));
  EXPECT_EQ(server.session.deadline(), WsTime::max());
}

TEST(WsSession, ReportsALostConnectionOnce) {
  Server server;
  EXPECT_EQ(note(server.session.connection_lost()), closed(1006, {}, false));
  EXPECT_FALSE(server.session.connection_lost());
  Server ended;
  ended.feed(close_frame(1000));
  EXPECT_FALSE(ended.session.connection_lost());
  Server closing;
  closing.session.close(1000, {}, closing.now);
  EXPECT_EQ(note(closing.session.connection_lost()), closed(1006, {}, false));
}

TEST(WsSession, SendsWholeMessagesUnmasked) {
  Server server;
  EXPECT_TRUE(server.session.send_text(std::string_view("Hello")));
  EXPECT_TRUE(server.session.send_binary(std::string(256, 'x')));
  EXPECT_TRUE(server.session.send_text({}));
  EXPECT_EQ(server.take_output(), server_frame(1, "Hello") + std::string("\x82\x7e\x01\x00", 4) +
                                      std::string(256, 'x') + server_frame(1, ""));
}

TEST(WsSession, SendsNothingOnceItIsClosing) {
  Server server;
  server.session.close(1000, {}, server.now);
  server.take_output();
  EXPECT_FALSE(server.session.send_text(std::string_view("late")));
  EXPECT_FALSE(server.session.send_binary({}));
  EXPECT_FALSE(server.session.send_ping());
  server.feed(close_frame(1000));
  EXPECT_FALSE(server.session.send_text(std::string_view("later")));
  EXPECT_EQ(server.take_output(), "");
}

TEST(WsSession, PingsAfterSilenceAndFailsWithoutASign) {
  Server server;
  EXPECT_EQ(server.session.deadline(), server.now + 20s);
  server.now += 19s;
  EXPECT_THAT(server.feed(text_frame("awake")), ElementsAre(text("awake")));
  server.now += 19s;
  EXPECT_FALSE(server.session.on_tick(server.now));
  EXPECT_EQ(server.take_output(), "");
  server.now += 1s;
  EXPECT_FALSE(server.session.on_tick(server.now));
  EXPECT_EQ(server.take_output(), server_frame(9, ""));
  EXPECT_EQ(server.session.deadline(), server.now + 20s);
  server.now += 19s;
  server.feed(pong_frame(""));
  EXPECT_EQ(server.session.deadline(), server.now + 20s);
  server.now += 20s;
  EXPECT_FALSE(server.session.on_tick(server.now));
  server.take_output();
  server.now += 20s;
  EXPECT_EQ(server.session.on_tick(server.now).code, 1011);
  EXPECT_EQ(server.take_output(), server_close(1011, "keepalive ping timeout"));
  EXPECT_EQ(server.session.state(), WsSession::State::Closed);
}

TEST(WsSession, TimesThatAreZeroAreOff) {
  WsOptions options;
  options.ping_interval = options.close_timeout = 0ms;
  Server server(options);
  EXPECT_EQ(server.session.deadline(), WsTime::max());
  EXPECT_FALSE(server.session.on_tick(server.now + 1h));
  server.session.close(1000, {}, server.now);
  EXPECT_EQ(server.session.deadline(), WsTime::max());
  WsOptions patient;
  patient.ping_timeout = 0ms;
  Server pinging(patient);
  for (int i = 0; i < 3; ++i) {
    pinging.now += 20s;
    EXPECT_FALSE(pinging.session.on_tick(pinging.now));
    EXPECT_EQ(pinging.take_output(), server_frame(9, ""));
  }
}

TEST(WsSession, SendsPingsOnDemand) {
  Server server;
  EXPECT_TRUE(server.session.send_ping(std::string_view("now")));
  EXPECT_TRUE(server.session.send_ping(std::string(200, 'x')));
  EXPECT_EQ(server.take_output(), server_frame(9, "now") + server_frame(9, std::string(125, 'x')));
}

TEST(WsSession, ReleasesMemoryInTheMiddleOfAMessageWithoutHarm) {
  Server server;
  EXPECT_THAT(server.feed(first_fragment(1, "a") + middle_fragment(kEuro.substr(0, 1))), IsEmpty());
  server.session.release_idle_memory();
  EXPECT_THAT(server.feed(last_fragment(kEuro.substr(1))), ElementsAre(text("a" + kEuro)));
}

}  // namespace
}  // namespace prefork::http

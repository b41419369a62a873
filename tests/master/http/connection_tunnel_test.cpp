// A WSGI application that speaks WebSocket for itself: its bytes and the client's pass through the connection as they are.
#include "tests/master/http/connection_fixture.hpp"

namespace prefork::http {
namespace {

constexpr const char* kHandshake =
    "GET /chat HTTP/1.1\r\nHost: example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
constexpr const char* kSwitch = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

class ConnectionTunnelTest : public ConnectionTest {
 protected:
  // The worker's application gets its end of the connection of the request that was started last.
  void offer() {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    application.reset(ends[0]);
    const shm::UniqueFd theirs(ends[1]);
    ASSERT_EQ(::fcntl(application.get(), F_SETFL, O_NONBLOCK), 0);
    ASSERT_TRUE(worker.socket(started.back(), theirs.get()));
  }
  void begin() {
    send(kHandshake);
    ASSERT_TRUE(until_started(1));
    offer();
  }
  void say(std::string_view bytes) {
    ASSERT_EQ(::send(application.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // What the application has heard; `deaf` at the end.
  bool until_heard(const std::string& text) {
    return until([&] {
      listen();
      return heard.find(text) != std::string::npos;
    });
  }
  bool until_left_alone() {
    return until([&] {
      listen();
      return alone;
    });
  }
  void listen() {
    std::array<char, 65536> buffer{};
    while (!alone) {
      const auto got = ::recv(application.get(), buffer.data(), buffer.size(), 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
      alone = got <= 0;
      if (got > 0) heard.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }

  shm::UniqueFd application;
  std::string heard;
  bool alone = false;
};

TEST_F(ConnectionTunnelTest, BytesPassBothWaysAsTheyAre) {
  begin();
  say(kSwitch);
  ASSERT_TRUE(until_received(kSwitch));
  send("\x81\x05 not http");
  ASSERT_TRUE(until_heard("\x81\x05 not http"));
  say("and back");
  ASSERT_TRUE(until_received("and back"));
}

TEST_F(ConnectionTunnelTest, WhatCameBehindTheHandshakeIsNoRequest) {
  send(std::string(kHandshake) + get("/2"));
  ASSERT_TRUE(until_started(1));
  settle();
  ASSERT_EQ(started.size(), 1u);
  offer();
  say(kSwitch);
  ASSERT_TRUE(until_heard(get("/2")));
}

TEST_F(ConnectionTunnelTest, AnOrdinaryReplyKeepsTheConnection) {
  begin();
  ASSERT_TRUE(answer(0, "no sockets here"));
  ASSERT_TRUE(until_received("no sockets here"));
  ASSERT_TRUE(until_left_alone());
  send(get("/next"));
  ASSERT_TRUE(until_started(2));
  ASSERT_TRUE(answer(1, "next"));
  EXPECT_TRUE(until_received("next"));
}

TEST_F(ConnectionTunnelTest, AHandshakeWaitsForTheRepliesBeforeIt) {
  send(get("/first") + kHandshake);
  ASSERT_TRUE(until_started(1));
  settle();
  ASSERT_EQ(started.size(), 1u);
  ASSERT_TRUE(answer(0, "first"));
  ASSERT_TRUE(until_started(2));
  offer();
  say(kSwitch);
  ASSERT_TRUE(until_received(kSwitch));
  EXPECT_TRUE(in_order({"first", kSwitch}));
}

TEST_F(ConnectionTunnelTest, TheEndOfTheApplicationEndsTheConnectionWithAllItSaid) {
  begin();
  say(kSwitch);
  say("last words");
  application.reset();
  ASSERT_TRUE(until_received("last words"));
  EXPECT_TRUE(until_closed());
}

// Its request may be heard of before its bytes are.
TEST_F(ConnectionTunnelTest, WhatWasSaidBeforeTheRequestsEndIsDelivered) {
  begin();
  settle();
  say(kSwitch);
  say("at once");
  ASSERT_TRUE(worker.body(started[0], "", wire::kEnd | wire::kAbort));
  ASSERT_TRUE(until_received("at once"));
  EXPECT_TRUE(until_closed());
  EXPECT_TRUE(received.starts_with(kSwitch)) << received;
}

TEST_F(ConnectionTunnelTest, AReplyBehindTheTunnelIsNotPutIntoIt) {
  begin();
  say(kSwitch);
  ASSERT_TRUE(until_received(kSwitch));
  ASSERT_TRUE(worker.reply(started[0], 500, "an error page", wire::kEnd, "13"));
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(received, kSwitch);
}

TEST_F(ConnectionTunnelTest, AnEndWithoutAWordIsAnError) {
  begin();
  ASSERT_TRUE(worker.body(started[0], "", wire::kEnd | wire::kAbort));
  ASSERT_TRUE(until_received("HTTP/1.1 500 "));
}

TEST_F(ConnectionTunnelTest, AClientThatIsGoneLeavesTheApplicationAlone) {
  begin();
  say(kSwitch);
  ASSERT_TRUE(until_received(kSwitch));
  client.reset();
  ended = true;
  EXPECT_TRUE(until_left_alone());
}

TEST_F(ConnectionTunnelTest, AClientThatLeavesBeforeTheFirstWordIsNotWaitedFor) {
  begin();
  settle();
  ASSERT_EQ(::shutdown(client.get(), SHUT_WR), 0);
  settle();
  say(kSwitch);
  EXPECT_TRUE(until_left_alone());
}

TEST_F(ConnectionTunnelTest, ASlowClientHoldsTheApplicationBack) {
  site.buffers.reply_memory = 64 * 1024;
  begin();
  say(kSwitch);
  ASSERT_TRUE(until_received(kSwitch));
  const std::string piece(16 * 1024, 'x');
  std::size_t said = 0;
  int quiet = 0;
  while (quiet < 50) {  // nobody receives
    const auto sent = ::send(application.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    if (sent > 0) said += static_cast<std::size_t>(sent);
    quiet = sent > 0 ? 0 : quiet + 1;
    turn();
    ASSERT_LT(said, std::size_t{4} << 20);
  }
  ASSERT_TRUE(until([&] { return received.size() == std::string_view(kSwitch).size() + said; }));
}

TEST_F(ConnectionTunnelTest, ASlowApplicationHoldsTheClientBack) {
  begin();
  say(kSwitch);
  ASSERT_TRUE(until_received(kSwitch));
  const std::string piece(16 * 1024, 'x');
  std::size_t sent = 0;
  int quiet = 0;
  while (quiet < 50) {
    const auto went = ::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    if (went > 0) sent += static_cast<std::size_t>(went);
    quiet = went > 0 ? 0 : quiet + 1;
    turn();
    ASSERT_LT(sent, std::size_t{4} << 20);
  }
  ASSERT_TRUE(until([&] {
    listen();
    return heard.size() == sent;
  }));
}

TEST_F(ConnectionTunnelTest, OnlyAStreamSocketIsOne) {
  send(kHandshake);
  ASSERT_TRUE(until_started(1));
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const shm::UniqueFd read(ends[0]), write(ends[1]);
  ASSERT_TRUE(worker.socket(started[0], read.get()));
  settle();
  EXPECT_NE(worker.link().bad(), nullptr);
}

TEST_F(ConnectionTunnelTest, OnlyAHandshakeMayHaveOne) {
  send(get("/"));
  ASSERT_TRUE(until_started(1));
  offer();
  settle();
  EXPECT_NE(worker.link().bad(), nullptr);
}

}  // namespace
}  // namespace prefork::http

// A client that is gone is noticed whatever its connection waits for; one that only ends its own side is still answered.
#include <poll.h>

#include "tests/master/http/connection_fixture.hpp"

namespace prefork::http {
namespace {

class GoneClient : public ConnectionTest {
 protected:
  // The connection of the fixture's own set-up goes first.
  void connect_over_tcp() {
    client.reset();
    ASSERT_TRUE(until([&] { return site.connections() == 0; }));
    ended = false;
    connect_tcp();
  }
  // Nothing is told again and again.
  bool quiet() {
    pollfd backend{uv_backend_fd(loop.uv()), POLLIN, 0};
    return ::poll(&backend, 1, 0) == 0;
  }
  bool until_all_is_over() {
    return until([&] { return cancelled() && site.connections() == 0; });
  }
};

TEST_F(GoneClient, IsNoticedWhileTheLookAheadIsFull) {
  connect_over_tcp();
  std::string many;
  for (int i = 0; i < 40; ++i) many += get("/" + std::to_string(i));
  send(many);
  ASSERT_TRUE(until_started(8));
  settle();
  vanish();
  EXPECT_TRUE(until_all_is_over());
}

TEST_F(GoneClient, IsNoticedWhileItsUploadIsPaused) {
  site.buffers.collect = false;
  site.buffers.request_memory = 64 * 1024;
  connect_over_tcp();
  send("POST / HTTP/1.1\r\nHost: example\r\nContent-Length: 100000000\r\n\r\n");
  // It sends as much as is taken from it; the worker gives no credit.
  const std::string piece(50'000, 'x');
  int refused = 0;
  ASSERT_TRUE(until([&] {
    refused = ::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0 ? refused + 1 : 0;
    return refused > 100;
  }));
  ASSERT_EQ(started.size(), 1U);
  vanish();
  EXPECT_TRUE(until_all_is_over());
}

TEST_F(GoneClient, IsNoticedAfterItsHalfClose) {
  connect_over_tcp();
  send(get("/1"));
  ::shutdown(client.get(), SHUT_WR);
  ASSERT_TRUE(until_started(1));
  settle();
  EXPECT_FALSE(cancelled());
  vanish();
  EXPECT_TRUE(until_all_is_over());
}

TEST_F(GoneClient, IsNoticedWhileItDoesNotReadItsReply) {
  connect_over_tcp();
  send(get("/1"));
  ::shutdown(client.get(), SHUT_WR);
  ASSERT_TRUE(until_started(1));
  ASSERT_TRUE(worker.reply(started[0], 200, "", 0));
  ASSERT_TRUE(until_received("\r\n\r\n"));
  const std::string piece(16'000, 'x');
  const int room = 4096;
  ASSERT_EQ(::setsockopt(client.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
  bool more = true;
  for (int turns = 0; more && turns < 1000; ++turns) {
    more = worker.body(started[0], piece);
    turn();
  }
  vanish();
  EXPECT_TRUE(until_all_is_over());
}

TEST_F(GoneClient, IsNotOneThatHasOnlyEndedItsSide) {
  connect_over_tcp();
  send(get("/1") + get("/2"));
  ::shutdown(client.get(), SHUT_WR);
  ASSERT_TRUE(until_started(2));
  settle();
  EXPECT_FALSE(cancelled());
  ASSERT_TRUE(answer(0, "first"));
  ASSERT_TRUE(answer(1, "second"));
  ASSERT_TRUE(until_closed());
  EXPECT_TRUE(in_order({"first", "second"}));
  EXPECT_FALSE(reset);
}

// All that a unix socket tells is that nobody will read: as over TCP, what runs goes on until a write fails.
TEST_F(GoneClient, OfAUnixSocketDoesNotKeepTheLoopTurning) {
  send(get("/1"));
  ASSERT_TRUE(until_started(1));
  client.reset();
  ended = true;
  settle();
  EXPECT_TRUE(quiet());
  EXPECT_FALSE(cancelled());
}

TEST_F(GoneClient, UrgentDataIsDroppedWhileNobodyReads) {
  connect_over_tcp();
  std::string many;
  for (int i = 0; i < 20; ++i) many += get("/" + std::to_string(i));
  send(many);
  ASSERT_TRUE(until_started(8));
  settle();
  ASSERT_EQ(::send(client.get(), "!", 1, MSG_OOB), 1);
  settle();
  EXPECT_TRUE(quiet());
  EXPECT_FALSE(cancelled());
  for (std::size_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(until_started(i + 1));
    ASSERT_TRUE(answer(i, "answer " + std::to_string(i) + "."));
  }
  ASSERT_TRUE(until_received("answer 19."));
}

}  // namespace
}  // namespace prefork::http

// A Connection over a real socket: the test is its client, and the worker too.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>

#include "master/http/connection.hpp"
#include "master/net/tcp_stream.hpp"
#include "tests/master/dispatch/fake_worker.hpp"

namespace prefork::http {

using fake::Record;
using Paths = std::vector<std::string>;

inline std::string get(const std::string& path, const std::string& fields = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: example\r\n" + fields + "\r\n";
}
inline std::string post(const std::string& path, const std::string& body, const std::string& fields = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: example\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         fields + "\r\n" + body;
}

class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() {
    loop.on_turn(
        [this] {
          const bool more = dispatcher.before_sleep();
          site.finish_turn();
          return more;
        },
        [this] { dispatcher.after_sleep(); });
    worker.ready(8);
    turn();
    connect();
  }

  void connect() {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    client.reset(ends[1]);
    auto& connection = site.adopt(std::make_unique<Connection>(site, net::Peer{}, local));
    connection.start(std::make_unique<net::TcpStream>(loop, ends[0], connection));
  }
  // Over TCP a client can be gone without its end: by a reset.
  void connect_tcp() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    const shm::UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(listening.get(), name, size), 0);
    ASSERT_EQ(::listen(listening.get(), 1), 0);
    ASSERT_EQ(::getsockname(listening.get(), name, &size), 0);
    client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(client.get(), name, size), 0);
    ASSERT_EQ(::fcntl(client.get(), F_SETFL, O_NONBLOCK), 0);
    auto& connection = site.adopt(std::make_unique<Connection>(site, net::Peer{}, local));
    const int accepted = ::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    connection.start(std::make_unique<net::TcpStream>(loop, accepted, connection));
  }
  void vanish() {
    const linger at_once{1, 0};
    ASSERT_EQ(::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    client.reset();
    ended = true;
  }
  bool cancelled(wire::CancelReason reason = wire::CancelReason::ClientGone) const {
    return std::any_of(told.begin(), told.end(), [reason](const Record& record) {
      wire::CancelRecord cancel;
      if (record.kind != wire::Kind::Cancel || record.bytes.size() != sizeof cancel) return false;
      std::memcpy(&cancel, record.bytes.data(), sizeof cancel);
      return cancel.reason == reason;
    });
  }
  void turn() { uv_run(loop.uv(), UV_RUN_NOWAIT); }

  // Turns the loop, starting what comes to the worker and keeping what comes to the client, until `done`.
  template <class Done>
  bool until(Done&& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (;;) {
      turn();
      for (auto& record : worker.read()) {
        if (record.kind == wire::Kind::Head) {
          if (worker.claim(record)) started.push_back(std::move(record));
        } else {
          told.push_back(std::move(record));
        }
      }
      receive();
      if (done()) return true;
      if (std::chrono::steady_clock::now() > limit) return false;
    }
  }
  bool until_started(std::size_t count) {
    return until([&] { return started.size() >= count; });
  }
  bool until_closed() {
    return until([&] { return ended; });
  }
  bool until_received(const std::string& text) {
    return until([&] { return received.find(text) != std::string::npos; });
  }
  void send(std::string_view bytes) {
    ASSERT_EQ(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void receive() {
    std::array<char, 65536> buffer{};
    while (!ended) {
      const auto got = ::recv(client.get(), buffer.data(), buffer.size(), 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
      ended = got <= 0;
      reset = got < 0;
      if (got > 0) received.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }
  // What the whole of several turns brings when nothing should come.
  void settle() {
    for (int i = 0; i < 20; ++i) (void)until([] { return true; });
  }
  bool answer(std::size_t which, const std::string& body) {
    return worker.reply(started.at(which), 200, body, wire::kEnd, std::to_string(body.size()));
  }
  std::size_t answers() const {
    std::size_t count = 0;
    for (auto at = received.find("HTTP/1.1 "); at != std::string::npos; at = received.find("HTTP/1.1 ", at + 1))
      ++count;
    return count;
  }
  bool in_order(const std::vector<std::string>& texts) const {
    std::size_t at = 0;
    for (const auto& text : texts) {
      at = received.find(text, at);
      if (at == std::string::npos) return false;
      at += text.size();
    }
    return true;
  }

  net::Loop loop;
  net::DeadlineWheel wheel{loop};
  dispatch::Dispatcher dispatcher{loop, wheel, dispatch::Policy{}};
  fake::Worker worker{dispatcher};
  std::optional<fake::Worker> second;
  net::BoundSocket local;
  Site site{loop, wheel, dispatcher};
  shm::UniqueFd client;
  std::vector<Record> started;
  std::vector<Record> told;  // bodies, credit, cancels
  std::string received;
  bool ended = false;
  bool reset = false;
};

}  // namespace prefork::http

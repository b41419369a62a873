// A connection after its upgrade: frames of the client become messages of the application, and the other way round. Also holds
// what the handshake agreed upon while the application thinks about it. Owned by its Connection.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "master/http/h1_writer.hpp"
#include "master/http/refusal.hpp"
#include "master/http/ws_handshake.hpp"
#include "master/http/ws_session.hpp"

namespace prefork::http {

class Connection;
struct Exchange;
struct ReplyEvent;

class WebSocket {
 public:
  WebSocket(Connection& connection, WsRequest handshake);

  // The application accepts, with this head; it is sent with what `facts` add. Nothing has happened when it is refused.
  [[nodiscard]] Refusal accept(Exchange& exchange, const wire::ReplyView& head, const ReplyFacts& facts);
  bool accepted() const { return session_ != nullptr; }

  void feed(std::span<char> in);
  void on_credit();  // the application has received something
  [[nodiscard]] bool on_reply(Exchange& exchange, const ReplyEvent& event);
  // Ends it with that code: the worker is gone (1011), reloaded (1012), the server stops (1001). One that the application has not
  // accepted yet ends when it does.
  void close(std::uint16_t code, std::string_view reason);
  void close_if_told_early();  // after accept()
  void on_eof();
  void on_tick();
  void on_written();
  std::uint64_t due_ms() const;  // 0: never
  bool wants_input() const;

 private:
  void handle(const WsEvent& event);
  void flush();
  WsTime now() const;

  Connection& connection_;
  WsRequest handshake_;
  std::unique_ptr<WsSession> session_;
  WsOptions options_;
  Exchange* exchange_ = nullptr;  // null once the worker's side has ended
  std::vector<char> out_;
  std::vector<char> held_;          // read, and for later: the application has enough to receive
  std::vector<std::byte> partial_;  // a message of the application that comes in pieces
  std::uint16_t early_close_ = 0;   // what close() was told before there was a session
  bool told_close_ = false;         // the worker knows that it is over
  bool over_ = false;               // nothing more will be sent after what waits
};

}  // namespace prefork::http

// A WebSocket that sends one text message at a time and expects it back, byte by byte. Pings are answered; a close frame is
// counted by its code and is an announced close, not a failure, unless a message was still unanswered.
#pragma once

#include <string>

#include "answer_parser.hpp"
#include "socket.hpp"
#include "ws_frame.hpp"

namespace prefork::load {

class WsClient final : public Client {
 public:
  using Client::Client;

  void on_request_due() override { start_message(); }
  bool wants_request() const override { return state_ == State::Open && upgraded_ && !waiting_; }
  unsigned under_way() const override { return waiting_ ? 1 : 0; }

 private:
  void on_open() override;
  void on_bytes(std::string_view bytes) override;
  void on_end(int error) override;
  void on_writable() override { flush(); }
  void on_late(Time now) override;

  bool finish_handshake(std::string_view& bytes);
  bool on_frame();
  bool on_message_part();
  void on_close_frame();
  void start_message();
  void flush();
  void drop(Failure kind, const char* detail);

  AnswerParser parser_;
  FrameReader frames_;
  bool upgraded_ = false;
  bool waiting_ = false;  // a message was sent and has not come back
  Time due_{}, sent_{};
  std::string expected_, received_;
  bool in_message_ = false;  // between the first and the last fragment
  std::string out_;
};

}  // namespace prefork::load

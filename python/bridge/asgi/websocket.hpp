// A WebSocket as ASGI events. The master speaks the frames; whole messages cross the rings.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>

#include "python/bridge/asgi/conversation.hpp"
#include "python/bridge/asgi/http.hpp"

namespace prefork::bridge::asgi {

class WebSocket : public Conversation {
 public:
  using Conversation::Conversation;

  Step try_receive(unsigned what, PyRef& event) override;
  Step take_message(PyObject* message) override;
  Step flush() override;

 protected:
  // What the client gets when the application returns and has neither accepted nor refused.
  virtual std::uint16_t unanswered_status() const { return 500; }
  void conclude(bool failed) override;
  void on_gone() override;
  void on_news() override;

 private:
  // Connecting: the application has answered nothing. Denying: with an HTTP response instead.
  enum class State : std::uint8_t { Connecting, Denying, Open, Closed };

  Step disconnected(PyRef& event);
  void take_arrived();
  void give_credit();
  Step take_connecting(std::string_view type, PyObject* message);
  Step take_open(std::string_view type, PyObject* message);
  [[nodiscard]] bool accept(PyObject* message);
  [[nodiscard]] bool take_data(PyObject* message);
  [[nodiscard]] bool take_close(PyObject* message);
  Step deny(std::string_view kind, PyObject* message);
  bool pending() const;
  Step flush_data();
  void begin_close(std::uint16_t code, std::string reason);

  State state_ = State::Connecting;
  bool connect_given_ = false;
  bool accept_due_ = false;
  ReplyFields fields_;
  ResponseWriter denial_;

  PyRef data_;                            // keeps data_left_ alive
  std::span<const std::byte> data_left_;  // of the message on its way out
  std::uint64_t owed_ = 0;                // sent beyond the credit that there was
  bool data_begun_ = false;
  bool data_due_ = false;
  bool data_text_ = false;

  bool close_due_ = false;
  std::uint16_t close_code_ = 1000;
  std::string close_reason_;

  std::deque<worker::WsMessage> messages_;  // arrived and not received
  std::uint64_t consumed_ = 0;              // received, and the master has not heard of it
  bool close_heard_ = false;
  std::uint16_t lost_code_ = 1006;  // what the application hears
  std::string lost_reason_;
};

}  // namespace prefork::bridge::asgi

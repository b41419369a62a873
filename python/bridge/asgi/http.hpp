// An HTTP request and its response as ASGI events. receive.cpp has the request's side, send.cpp the response's.
#pragma once

#include <cstdint>
#include <span>

#include "python/bridge/asgi/conversation.hpp"
#include "python/bridge/asgi/fields.hpp"
#include "shm/fd.hpp"

namespace prefork::bridge::asgi {

// The response side, which a WebSocket that is denied has too. Messages are named by what follows "http.response." in their type.
class ResponseWriter {
 public:
  // False with the error set.
  [[nodiscard]] bool start(PyObject* message);
  [[nodiscard]] bool body(PyObject* message);
  [[nodiscard]] bool trailers(PyObject* message);
  [[nodiscard]] bool pathsend(PyObject* message);
  [[nodiscard]] bool zerocopysend(PyObject* message);
  // A plain reply of the server's own in the place of the application's, which has sent nothing.
  void replace_by(std::uint16_t status);
  void drop();  // what was taken over and not sent is for nobody

  // Sends what was taken over. `sent_end` is set when the end of the response went.
  enum class Flushed { All, NoRoom, NoCredit, NoDescriptor };
  Flushed flush(Loop& loop, worker::StreamId id, std::uint64_t& credit, bool& sent_end);

  bool started() const { return started_; }  // http.response.start was taken
  bool head_out() const { return head_out_; }
  bool complete() const { return complete_; }  // the last message was taken
  bool pending() const {
    return (head_due_ && !head_out_) || body_left_.size() != 0 || file_left_ || trailers_due_ ||
           (complete_ && !end_out_);
  }

 private:
  [[nodiscard]] bool expect_body(const char* type);
  [[nodiscard]] bool take_bytes(PyObject* body);
  void take_last(bool more);
  [[nodiscard]] bool take_file(shm::UniqueFd fd, std::uint64_t offset, std::uint64_t length, bool more);

  std::uint16_t status_ = 0;
  ReplyFields fields_;
  ReplyFields trailer_fields_;
  PyRef body_;                            // keeps body_left_ alive
  std::span<const std::byte> body_left_;  // of the message that was taken last
  shm::UniqueFd file_;
  std::uint64_t file_offset_ = 0;
  std::uint64_t file_length_ = 0;
  std::uint32_t file_serial_ = 0;
  bool file_left_ = false;
  bool started_ = false;
  bool wants_trailers_ = false;  // http.response.trailers will follow the body
  bool body_over_ = false;
  bool trailers_due_ = false;
  bool complete_ = false;
  bool head_due_ = false;  // the first body message has come: the head may go
  bool head_out_ = false;
  bool end_out_ = false;
};

class Http : public Conversation {
 public:
  using Conversation::Conversation;

  Step try_receive(PyRef& event) override;
  Step take_message(PyObject* message) override;
  Step flush() override;
  bool ends_with_client() const override { return true; }

 protected:
  void conclude(bool failed) override;
  void on_gone() override { response_.drop(); }

 private:
  Step disconnected(PyRef& event);
  Step send_hint(PyObject* message);
  [[nodiscard]] bool want_body();

  ResponseWriter response_;
  std::uint64_t granted_ = 0;  // body bytes that the master may still send
  bool inline_taken_ = false;
  bool body_taken_ = false;  // the last http.request was given
};

}  // namespace prefork::bridge::asgi

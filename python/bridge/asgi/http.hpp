// An HTTP request and its response as ASGI events. receive.cpp has the request's side, send.cpp the response's.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "python/bridge/asgi/conversation.hpp"
#include "python/bridge/fields.hpp"
#include "shm/fd.hpp"

namespace prefork::bridge::asgi {

// The response side, which a WebSocket that is denied has too. Messages are named by what follows "http.response." in their type.
class ResponseWriter {
 public:
  // The same without messages. Fields can be added until begin(); body_is() takes a bytes object, file_is() the rest of the body.
  ReplyFields& fields() { return fields_; }
  void begin(std::uint16_t status);
  void body_is(PyRef bytes, bool more);
  void file_is(shm::UniqueFd fd, std::uint64_t offset, std::uint64_t length);

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
    return (head_due_ && !head_out_) || !body_left_.empty() || file_left_ || trailers_due_ || (complete_ && !end_out_);
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

// The part that every interface has.
class HttpConversation : public Conversation {
 public:
  using Conversation::Conversation;

  Step flush() override;
  bool ends_with_client() const override { return true; }

 protected:
  void conclude(bool failed) override;
  void on_gone() override { response_.drop(); }
  // What may be the reason when the application returns without a response; behind the line of the log.
  virtual std::string reason_for_silence() const { return {}; }

  // What has arrived of the body. Gone: there is nobody who sends it, or the last piece was taken and the client is gone.
  enum class Piece { Data, Wait, Gone, Error };
  Piece try_piece(PyRef& bytes);
  bool body_taken() const { return body_taken_; }  // the last piece was given

  ResponseWriter response_;

 private:
  Piece given(PyRef& bytes) { return bytes ? Piece::Data : Piece::Error; }
  [[nodiscard]] bool want_body();

  std::uint64_t granted_ = 0;  // body bytes that the master may still send
  bool inline_taken_ = false;
  bool body_taken_ = false;
};

class Http : public HttpConversation {
 public:
  using HttpConversation::HttpConversation;

  Step try_receive(unsigned what, PyRef& event) override;
  Step take_message(PyObject* message) override;

 protected:
  std::string reason_for_silence() const override;

 private:
  Step send_hint(PyObject* message);
};

}  // namespace prefork::bridge::asgi

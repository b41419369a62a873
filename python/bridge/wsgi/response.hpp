// What an application has said about its reply and how much of it was sent: the rules of PEP 3333 and of Content-Length, between
// start_response(), write() and the iterable on one side and an Exchange on the other. One a request at a time; GIL held.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "python/bridge/ref.hpp"
#include "worker/exchange.hpp"

namespace prefork::bridge::wsgi {

class Response {
 public:
  void begin(worker::Exchange& exchange);
  // Lets go of everything that belongs to the request. No exchange from here on.
  void finish();
  bool live() const { return exchange_ != nullptr; }
  worker::Exchange& exchange() { return *exchange_; }

  // start_response(). False: the Python error is set.
  [[nodiscard]] bool start(PyObject* status, PyObject* headers, PyObject* exc_info);
  bool started() const { return started_; }

  enum class Pushed { Ok, Gone, Error };
  // A block of the body; nothing goes out before the first byte or `last`. `last`: no other block follows.
  // Error: start_response was not called; the Python error is set.
  Pushed push(std::span<const std::byte> block, bool last);
  // The body's whole length, known before its first block: announced when the application did not announce one.
  void announce(std::uint64_t length);
  // `length` bytes of a file. False: it must be read and pushed instead.
  [[nodiscard]] bool push_file(int fd, std::uint64_t offset, std::uint64_t length);
  // After the last block. False: the body is shorter than announced, or the client is gone.
  enum class Ended { Whole, Short, Gone };
  Ended end();

  bool gone() const { return gone_; }
  bool cut() const { return cut_; }            // the application sent more than it announced
  bool bodiless() const { return bodiless_; }  // HEAD, 204, 304: the body is counted and dropped
  bool has_length() const { return length_known_; }
  std::uint64_t length_left() const { return left_; }
  std::uint16_t status() const { return status_; }

 private:
  [[nodiscard]] bool take_status(PyObject* status);
  [[nodiscard]] bool take_headers(PyObject* headers);
  [[nodiscard]] bool take_header(PyObject* item);
  [[nodiscard]] bool take_length(std::string_view value);
  worker::Sent send_head(std::span<const std::byte> body, bool last);
  void drop_reply();

  worker::Exchange* exchange_ = nullptr;
  std::uint16_t status_ = 0;
  std::string_view reason_;
  bool started_ = false;
  bool bodiless_ = false;
  bool head_request_ = false;
  bool close_ = false;
  bool length_known_ = false;
  bool gone_ = false;
  bool cut_ = false;
  std::uint64_t left_ = 0;  // of the announced length
  std::array<char, 24> length_text_{};
  std::vector<wire::ReplyField> fields_;  // views into what owned_ keeps alive
  std::vector<PyObject*> owned_;          // the status and the header tuples
};

}  // namespace prefork::bridge::wsgi

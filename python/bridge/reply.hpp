// A reply on a thread, whichever interface the application speaks: the head that it gave, how much of the body was sent, and the rules
// of Content-Length and of replies without a body, between the adapter on one side and an Exchange on the other. One a request at a
// time, used again for the next; GIL held.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "python/bridge/ref.hpp"
#include "worker/exchange.hpp"

namespace prefork::bridge {

class Reply {
 public:
  virtual ~Reply() = default;

  void begin(worker::Exchange& exchange);
  // Lets go of everything that belongs to the request. No exchange from here on.
  void finish();
  bool live() const { return exchange_ != nullptr; }
  worker::Exchange& exchange() { return *exchange_; }

  // The head, of fields that live until finish().
  void start(std::uint16_t status, std::span<const wire::ReplyField> fields, bool close,
             std::optional<std::uint64_t> length);
  bool started() const { return started_; }
  // Called for a body whose head was not started: starts it. False with the Python error set.
  [[nodiscard]] virtual bool begin_head();

  enum class Pushed { Ok, Gone, Error };
  // A block of the body; nothing goes out before the first byte or `last`. `last`: no other block follows.
  // Error: there is no head; the Python error is set.
  Pushed push(std::span<const std::byte> block, bool last);
  // The body's whole length, known before its first block: announced when the application did not announce one.
  void announce(std::uint64_t length);
  // `length` bytes of a file. False: it must be read and pushed instead.
  [[nodiscard]] bool push_file(int fd, std::uint64_t offset, std::uint64_t length);
  // After the last block. False: the body is shorter than announced, or the client is gone.
  enum class Ended { Whole, Short, Gone };
  Ended end();

  bool gone() const { return gone_; }
  bool cut() const { return cut_; }  // the application sent more than it announced
  // The body may go on, but nothing more of it can be sent.
  bool sated() const { return cut_ || (bodiless_ && exchange_->ended()); }
  bool bodiless() const { return bodiless_; }  // HEAD, 204, 205, 304: the body is counted and dropped
  std::uint64_t length_left() const { return left_; }
  std::uint16_t status() const { return status_; }

 protected:
  void drop_head();
  void set_started();

  worker::Exchange* exchange_ = nullptr;
  std::uint16_t status_ = 0;
  std::string_view reason_;
  bool started_ = false;
  bool close_ = false;
  bool length_known_ = false;
  std::uint64_t left_ = 0;                // of the announced length
  std::vector<wire::ReplyField> fields_;  // views into what the adapter keeps alive
  std::vector<PyObject*> owned_;          // let go of at the end

 private:
  worker::Sent send_head(std::span<const std::byte> body, bool last);

  bool bodiless_ = false;
  bool head_request_ = false;
  bool gone_ = false;
  bool cut_ = false;
  std::array<char, 24> length_text_{};
};

}  // namespace prefork::bridge

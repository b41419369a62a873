// The request's body on a thread, as a file (wsgi.input is one) or in pieces. Reads what is there and waits, without the GIL, for what
// is not; at the end it is empty for ever; it never reads past the body. A body that breaks off is an OSError, never short data. GIL held.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "python/bridge/ref.hpp"
#include "worker/exchange.hpp"

namespace prefork::bridge {

class Input {
 public:
  void begin(worker::Exchange& exchange);
  void finish() { exchange_ = nullptr; }

  // As of a file: `size` below zero means all. Empty with the Python error set when the body broke off.
  PyRef read(Py_ssize_t size);
  PyRef readline(Py_ssize_t size);
  PyRef readlines(Py_ssize_t hint);
  // Up to `room` bytes, at least one unless at the end; -1 with the error set.
  Py_ssize_t readinto(std::span<std::byte> room);
  // What has arrived and was not read, at least one byte. Empty without an error at the end of the body.
  PyRef next_piece();

 private:
  enum class Piece { Data, End, Failed };
  // Sees to it that piece_ has something.
  Piece fetch();
  PyRef gather(Py_ssize_t size);
  // The first bytes of piece_, which has them: given out, or only counted.
  PyRef take(std::size_t count);
  void pass(std::size_t count);

  worker::Exchange* exchange_ = nullptr;
  std::span<const std::byte> piece_;
  std::uint64_t left_ = 0;  // of a body of known length
  bool ended_ = false;
  bool failed_ = false;
  bool waiting_ = false;  // a thread waits in fetch() without the GIL
};

}  // namespace prefork::bridge

// What the request and reply objects of an application do their work through: on a thread it waits, on an event loop it gives back
// awaitables. One a request; GIL held.
#pragma once

#include <cstdint>

#include "python/bridge/fields.hpp"
#include "python/bridge/ref.hpp"
#include "shm/fd.hpp"
#include "shm/wire/request_head.hpp"

namespace prefork::bridge::asgi {
class Conversation;
}

namespace prefork::bridge::native {

// A part of a regular file.
struct FilePart {
  shm::UniqueFd fd;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class Port {
 public:
  virtual ~Port() = default;

  virtual const wire::RequestView& view() const = 0;
  virtual bool client_gone() = 0;  // looks, does not wait

  // The request's body: bytes, or an awaitable of them. Empty with the error set.
  virtual PyRef body() = 0;
  // The next piece of it: at the end empty without an error, or an awaitable that raises StopAsyncIteration.
  virtual PyRef next_piece() = 0;
  virtual bool awaits() const = 0;

  // The reply's head, which can change until started().
  std::uint16_t reply_status = 200;
  virtual ReplyFields& fields() = 0;
  virtual bool started() const = 0;

  // Sends a piece of the reply's body: None, or an awaitable of it. Empty with the error set.
  virtual PyRef write(PyObject* block) = 0;
  // The whole body from a file. False with the error set.
  [[nodiscard]] virtual bool send_file(FilePart file) = 0;
};

// Opens a path, or duplicates the descriptor of a file object, and cuts the part to the file. Nothing with the error set.
[[nodiscard]] bool open_file(PyObject* file, std::uint64_t offset, std::uint64_t length, FilePart& part);

// Announces a length that the application has not announced. False with the error set.
[[nodiscard]] bool announce_length(ReplyFields& fields, std::uint64_t length);

// A str body says what it is when the application has not. False with the error set.
[[nodiscard]] bool announce_text(ReplyFields& fields);

// Checks the number for a final reply. False with the error set.
[[nodiscard]] bool take_status(PyObject* number, std::uint16_t& status);

}  // namespace prefork::bridge::native

#include "python/bridge/input.hpp"

#include <algorithm>
#include <cstring>

#include "python/bridge/bytes.hpp"

namespace prefork::bridge {

void Input::begin(worker::Exchange& exchange) {
  const auto& head = exchange.request().head();
  exchange_ = &exchange;
  piece_ = {};
  left_ = head.content_length;
  ended_ = (head.flags & wire::kHasBody) == 0;
  failed_ = waiting_ = false;
}

Input::Piece Input::fetch() {
  while (piece_.empty()) {
    if (ended_ || left_ == 0) return Piece::End;
    if (exchange_ == nullptr || failed_) {
      PyErr_SetString(PyExc_OSError, failed_ ? "the request's body broke off" : "the request is over");
      return Piece::Failed;
    }
    if (waiting_) {
      PyErr_SetString(PyExc_RuntimeError, "two threads read the same request body");
      return Piece::Failed;
    }
    waiting_ = true;
    const auto got = exchange_->read_body(piece_);
    waiting_ = false;
    if (got == worker::Exchange::Read::End) {
      ended_ = true;
    } else if (got == worker::Exchange::Read::Aborted) {
      if (PyErr_Occurred() != nullptr) return Piece::Failed;  // a signal handler raised
      failed_ = true;
      PyErr_SetString(PyExc_ConnectionResetError,
                      "the request's body broke off: the client went away or sent no proper body");
      return Piece::Failed;
    }
  }
  return Piece::Data;
}

void Input::pass(std::size_t count) {
  piece_ = piece_.subspan(count);
  if (left_ != wire::kUnknownLength) left_ -= std::min<std::uint64_t>(left_, count);
}

PyRef Input::take(std::size_t count) {
  PyRef bytes = new_bytes(wire::as_text(piece_.first(count)));
  pass(count);
  return bytes;
}

PyRef Input::read(Py_ssize_t size) {
  if (size == 0) return new_bytes({});
  switch (fetch()) {
    case Piece::Failed: return {};
    case Piece::End: return new_bytes({});
    case Piece::Data: break;
  }
  if (size > 0 && piece_.size() >= static_cast<std::size_t>(size)) return take(static_cast<std::size_t>(size));
  if (left_ == piece_.size()) return take(piece_.size());  // the rest is here: no need to ask for more
  return gather(size);
}

// Pieces that arrive one after the other, in one bytes object: of the right size when the body's length is known.
PyRef Input::gather(Py_ssize_t size) {
  std::uint64_t wanted = size < 0 ? static_cast<std::uint64_t>(PY_SSIZE_T_MAX) : static_cast<std::uint64_t>(size);
  const bool known = left_ != wire::kUnknownLength;
  if (known) wanted = std::min(wanted, left_);
  std::uint64_t room = known ? wanted : std::min<std::uint64_t>(wanted, 2 * piece_.size() + 4096);
  PyObject* bytes = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(room));
  std::uint64_t have = 0;
  while (bytes != nullptr && have < wanted) {
    const auto got = fetch();
    if (got == Piece::Failed) {
      Py_DECREF(bytes);
      return {};
    }
    if (got == Piece::End) break;
    const auto count = std::min<std::uint64_t>(piece_.size(), wanted - have);
    if (have + count > room) {
      room = std::min(wanted, 2 * (have + count));
      if (_PyBytes_Resize(&bytes, static_cast<Py_ssize_t>(room)) != 0) return {};
    }
    std::memcpy(PyBytes_AS_STRING(bytes) + have, piece_.data(), count);
    pass(count);
    have += count;
  }
  if (bytes != nullptr && have != room && _PyBytes_Resize(&bytes, static_cast<Py_ssize_t>(have)) != 0) return {};
  return PyRef::steal(bytes);
}

PyRef Input::readline(Py_ssize_t size) {
  std::string line;  // what came before the current piece, when a line crosses pieces
  const auto most = size < 0 ? static_cast<std::size_t>(PY_SSIZE_T_MAX) : static_cast<std::size_t>(size);
  while (line.size() < most) {
    const auto got = fetch();
    if (got == Piece::Failed) return {};
    if (got == Piece::End) break;
    const std::size_t look = std::min(piece_.size(), most - line.size());
    const void* found = std::memchr(piece_.data(), '\n', look);
    const std::size_t count =
        found != nullptr ? static_cast<std::size_t>(static_cast<const std::byte*>(found) - piece_.data()) + 1 : look;
    if (line.empty() && (found != nullptr || count == most)) return take(count);
    line.append(wire::as_text(piece_.first(count)));
    pass(count);
    if (found != nullptr) break;
  }
  return new_bytes(line);
}

PyRef Input::readlines(Py_ssize_t hint) {
  PyRef lines = PyRef::steal(PyList_New(0));
  Py_ssize_t bytes = 0;
  while (lines && (hint <= 0 || bytes < hint)) {
    const PyRef line = readline(-1);
    if (!line) return {};
    if (PyBytes_GET_SIZE(line.get()) == 0) break;
    bytes += PyBytes_GET_SIZE(line.get());
    if (PyList_Append(lines.get(), line.get()) != 0) return {};
  }
  return lines;
}

PyRef Input::next_piece() { return fetch() == Piece::Data ? take(piece_.size()) : PyRef{}; }

Py_ssize_t Input::readinto(std::span<std::byte> room) {
  if (room.empty()) return 0;
  const auto got = fetch();
  if (got != Piece::Data) return got == Piece::End ? 0 : -1;
  const auto count = std::min(piece_.size(), room.size());
  std::memcpy(room.data(), piece_.data(), count);
  pass(count);
  return static_cast<Py_ssize_t>(count);
}

}  // namespace prefork::bridge

#include "python/bridge/native/http.hpp"

#include "python/bridge/answer.hpp"
#include "python/bridge/asgi/client_gone.hpp"
#include "python/bridge/asgi/loop.hpp"
#include "python/bridge/asgi/operation.hpp"
#include "python/bridge/boot.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/native/reply_object.hpp"

namespace prefork::bridge::native {

using asgi::Step;

PyRef Http::body() { return asgi::new_receiving(*this, Body); }
PyRef Http::next_piece() { return asgi::new_receiving(*this, NextPiece); }
PyRef Http::until_disconnected() { return asgi::new_receiving(*this, Disconnected); }
PyRef Http::write(PyObject* block) { return asgi::new_sending(*this, block); }

// ---------------------------------------------------------------------------------------------------- the request's body

Step Http::try_receive(unsigned what, PyRef& value) {
  switch (what) {
    case Body: return try_body(value);
    case NextPiece: return try_next_piece(value);
    default: break;
  }
  if (!ended_ && !gone_ && !stream().half_closed) return Step::Wait;
  value = PyRef::borrow(Py_None);
  return Step::Done;
}

// What has come of the body; a broken-off one is an error here.
Step Http::try_arrived(PyRef& piece) {
  switch (try_piece(piece)) {
    case Piece::Data: return Step::Done;
    case Piece::Wait: return Step::Wait;
    case Piece::Error: return Step::Error;
    case Piece::Gone: break;
  }
  asgi::raise_client_gone(PyExc_ConnectionResetError, "the request's body broke off: the client is gone");
  return Step::Error;
}

Step Http::try_body(PyRef& value) {
  if (body_) return value = body_.share(), Step::Done;
  if (streamed_) {
    PyErr_SetString(PyExc_RuntimeError, "the request's body was read in pieces already");
    return Step::Error;
  }
  while (!body_taken()) {
    PyRef piece;
    if (const Step step = try_arrived(piece); step != Step::Done) return step;
    if (body_taken() && collected_.empty()) {
      body_ = std::move(piece);
    } else {
      collected_.append(wire::as_text(bytes_of(piece.get())));
    }
  }
  if (!body_) body_ = new_bytes(collected_);
  collected_ = {};
  value = body_.share();
  return value ? Step::Done : Step::Error;
}

// Pieces are never empty; the body that was read as a whole is one piece.
Step Http::try_next_piece(PyRef& value) {
  PyRef piece;
  if (body_ && !streamed_) {
    piece = body_.share();
  } else {
    while (!body_taken() && (!piece || PyBytes_GET_SIZE(piece.get()) == 0)) {
      if (const Step step = try_arrived(piece); step != Step::Done) return step;
    }
  }
  streamed_ = true;
  if (!piece || PyBytes_GET_SIZE(piece.get()) == 0) {
    PyErr_SetNone(PyExc_StopAsyncIteration);
    return Step::Error;
  }
  value = std::move(piece);
  return Step::Done;
}

// ---------------------------------------------------------------------------------------------------- the reply

bool Http::refuse_late() {
  if (gone_) return refuse_gone();
  PyErr_SetString(PyExc_RuntimeError, "the reply is complete");
  return false;
}

bool Http::begin_head() {
  if (gone_ || ended_ || breaking_ || response_.complete()) return refuse_late();
  if (!response_.started()) response_.begin(reply_status);
  return true;
}

Step Http::take_message(PyObject* block) {
  if (gone_ || ended_ || response_.complete()) return (void)refuse_late(), Step::Error;
  if (breaking_ || response_.pending()) return Step::Wait;  // another task's piece is still on its way
  PyRef bytes = block_bytes(block, Blocks::Any);
  if (!bytes) return Step::Error;
  if (PyUnicode_Check(block) && !started() && !announce_text(fields())) return Step::Error;
  if (!begin_head()) return Step::Error;
  response_.body_is(std::move(bytes), true);
  return Step::Done;
}

bool Http::send_whole(PyRef bytes) {
  if (!begin_head()) return false;
  if (response_.pending()) {
    PyErr_SetString(PyExc_RuntimeError, "another part of the reply is on its way");
    return false;
  }
  response_.body_is(std::move(bytes), false);
  return flush() != Step::Error;
}

bool Http::send_file(FilePart file) {
  if (!announce_length(fields(), file.length) || !begin_head()) return false;
  response_.file_is(std::move(file.fd), file.offset, file.length);
  return flush() != Step::Error;
}

PyRef Http::on_returned(PyObject* result) {
  if (result == Py_None) {
    if (ended_ || gone_ || breaking_ || response_.complete()) return {};
    if (response_.pending()) return stream_iterable(*this, Py_None);  // after the other task's piece
    (void)send_whole({});
    return {};
  }
  if (is_block(result)) {
    if (gone_) return {};
    if (response_.pending()) return stream_iterable(*this, result);
    PyRef bytes = block_bytes(result, Blocks::Any);
    if (bytes && PyUnicode_Check(result) && !started() && !announce_text(fields())) return {};
    if (bytes) (void)send_whole(std::move(bytes));
    return {};
  }
  return stream_iterable(*this, result);
}

PyRef stream_iterable(Http& http, PyObject* iterable) {
  const PyRef reply = new_reply(http, &http);
  return reply ? call_boot("stream", "OO", reply.get(), iterable) : PyRef{};
}

}  // namespace prefork::bridge::native

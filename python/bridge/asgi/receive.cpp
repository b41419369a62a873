// What receive() gives for an HTTP request: the body as it arrives, then http.disconnect.
#include <algorithm>

#include "python/bridge/asgi/http.hpp"
#include "python/bridge/asgi/loop.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/names.hpp"

namespace prefork::bridge::asgi {
namespace {

PyRef request_event(const PyRef& body, bool more) {
  static PyObject* const kType = interned("type");
  static PyObject* const kRequest = interned("http.request");
  static PyObject* const kBody = interned("body");
  static PyObject* const kMoreBody = interned("more_body");
  PyRef event = PyRef::steal(PyDict_New());
  if (!event || !body || PyDict_SetItem(event.get(), kType, kRequest) != 0 ||
      PyDict_SetItem(event.get(), kBody, body.get()) != 0 ||
      PyDict_SetItem(event.get(), kMoreBody, more ? Py_True : Py_False) != 0) {
    return {};
  }
  return event;
}

// All the pieces that are here as one: an application is woken as seldom as possible.
PyRef joined(std::deque<worker::Buffer>& pieces, std::size_t& total) {
  total = 0;
  for (const auto& piece : pieces) total += piece.size();
  PyRef bytes = PyRef::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(total)));
  if (!bytes) return {};
  char* to = PyBytes_AS_STRING(bytes.get());
  for (const auto& piece : pieces) to = std::copy_n(reinterpret_cast<const char*>(piece.data()), piece.size(), to);
  pieces.clear();
  return bytes;
}

PyRef disconnect_event() {
  static PyObject* const kType = interned("type");
  static PyObject* const kDisconnect = interned("http.disconnect");
  PyRef event = PyRef::steal(PyDict_New());
  return event && PyDict_SetItem(event.get(), kType, kDisconnect) == 0 ? std::move(event) : PyRef{};
}

}  // namespace

// Half a window at a time: the master never idles for want of credit, and few Credit records cross. False: no room for the record.
bool HttpConversation::want_body() {
  const auto window = loop_.body_window();
  if (granted_ > window / 2) return true;
  if (!loop_.outbox().try_credit(id(), window - granted_)) return false;
  granted_ = window;
  loop_.ring();
  return true;
}

HttpConversation::Piece HttpConversation::try_piece(PyRef& bytes) {
  if (ended_ || gone_) return Piece::Gone;
  worker::Stream& stream = this->stream();
  if (body_taken_) return stream.half_closed ? Piece::Gone : Piece::Wait;
  const auto inline_body = job_.view.body();
  if (!inline_taken_ && (!inline_body.empty() || stream.body_ended)) {
    inline_taken_ = true;
    body_taken_ = stream.body_ended && stream.body.empty() && !stream.body_aborted;
    bytes = new_bytes(wire::as_text(inline_body));
    return given(bytes);
  }
  if (!stream.body.empty()) {
    std::size_t taken = 0;
    bytes = joined(stream.body, taken);
    granted_ -= std::min<std::uint64_t>(granted_, taken);
    body_taken_ = stream.body_ended && !stream.body_aborted;
    return given(bytes);
  }
  if (stream.body_aborted) return Piece::Gone;
  if (stream.body_ended) {
    body_taken_ = true;
    bytes = new_bytes({});
    return given(bytes);
  }
  if (!want_body()) (void)starved();
  return Piece::Wait;
}

Step Http::try_receive(unsigned, PyRef& event) {
  PyRef bytes;
  switch (try_piece(bytes)) {
    case Piece::Data: event = request_event(bytes, !body_taken()); break;
    case Piece::Gone: event = disconnect_event(); break;
    case Piece::Wait: return Step::Wait;
    case Piece::Error: break;
  }
  return event ? Step::Done : Step::Error;
}

}  // namespace prefork::bridge::asgi

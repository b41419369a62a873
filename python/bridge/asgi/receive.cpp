// What receive() gives for an HTTP request: the body as it arrives, then http.disconnect.
#include <algorithm>

#include "python/bridge/asgi/http.hpp"
#include "python/bridge/asgi/loop.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/names.hpp"

namespace prefork::bridge::asgi {
namespace {

PyRef request_event(PyRef body, bool more) {
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

}  // namespace

Step Http::disconnected(PyRef& event) {
  static PyObject* const kType = interned("type");
  static PyObject* const kDisconnect = interned("http.disconnect");
  event = PyRef::steal(PyDict_New());
  return event && PyDict_SetItem(event.get(), kType, kDisconnect) == 0 ? Step::Done : Step::Error;
}

// Half a window at a time: the master never idles for want of credit, and few Credit records cross. False: no room for the record.
bool Http::want_body() {
  const auto window = loop_.body_window();
  if (granted_ > window / 2) return true;
  if (!loop_.outbox().try_credit(id(), window - granted_)) return false;
  granted_ = window;
  loop_.ring();
  return true;
}

Step Http::try_receive(PyRef& event) {
  if (ended_ || gone_) return disconnected(event);
  worker::Stream& stream = this->stream();
  if (body_taken_) return stream.half_closed ? disconnected(event) : Step::Wait;
  const auto inline_body = job_.view.body();
  if (!inline_taken_ && (!inline_body.empty() || stream.body_ended)) {
    inline_taken_ = true;
    body_taken_ = stream.body_ended && stream.body.empty() && !stream.body_aborted;
    event = request_event(new_bytes(wire::as_text(inline_body)), !body_taken_);
    return event ? Step::Done : Step::Error;
  }
  if (!stream.body.empty()) {
    std::size_t taken = 0;
    PyRef bytes = joined(stream.body, taken);
    granted_ -= std::min<std::uint64_t>(granted_, taken);
    body_taken_ = stream.body_ended && !stream.body_aborted;
    event = request_event(std::move(bytes), !body_taken_);
    return event ? Step::Done : Step::Error;
  }
  if (stream.body_aborted) return disconnected(event);
  if (stream.body_ended) {
    body_taken_ = true;
    event = request_event(new_bytes({}), false);
    return event ? Step::Done : Step::Error;
  }
  return want_body() ? Step::Wait : starved();
}

}  // namespace prefork::bridge::asgi

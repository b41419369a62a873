#include "python/bridge/error.hpp"

#include <unistd.h>

#include "python/bridge/bytes.hpp"
#include "python/bridge/log.hpp"

namespace prefork::bridge {
namespace {

int failure_fd = -1;  // set before there are threads

constexpr std::string_view kBody =
    "<html>\n  <head>\n    <title>Internal Server Error</title>\n  </head>\n  <body>\n    <h1><p>Internal Server "
    "Error</p></h1>\n    \n  </body>\n</html>\n";

void answer_500(worker::Exchange& exchange) {
  if (exchange.ended()) return;
  if (exchange.head_sent()) return exchange.abort();
  const std::string length = std::to_string(kBody.size());
  const wire::ReplyField fields[] = {{"Content-Type", "text/html", wire::Name::ContentType},
                                     {"Content-Length", length, wire::Name::ContentLength}};
  const bool head = exchange.request().head().method == static_cast<std::uint8_t>(wire::Method::HEAD);
  (void)exchange.send_head({500, 0, {}, fields}, head ? std::span<const std::byte>{} : wire::as_bytes(kBody), true);
}

// The traceback module knows chains, groups and exceptions that cannot print themselves. It is loaded when something goes wrong.
PyRef formatted(PyObject* type, PyObject* value, PyObject* trace) {
  const PyRef module = PyRef::steal(PyImport_ImportModule("traceback"));
  if (!module) return {};
  const PyRef lines =
      PyRef::steal(PyObject_CallMethod(module.get(), "format_exception", "OOO", type,
                                       value != nullptr ? value : Py_None, trace != nullptr ? trace : Py_None));
  if (!lines) return {};
  const PyRef empty = PyRef::steal(PyUnicode_FromStringAndSize(nullptr, 0));
  return empty ? PyRef::steal(PyUnicode_Join(empty.get(), lines.get())) : PyRef{};
}

}  // namespace

std::string printable(PyObject* text) {
  const PyRef bytes = PyRef::steal(PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace"));
  if (!bytes) {
    PyErr_Clear();
    return "<unprintable>";
  }
  return std::string(wire::as_text(bytes_of(bytes.get())));
}

std::string take_traceback() {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  if (type == nullptr) return "no error is set\n";
  PyErr_NormalizeException(&type, &value, &trace);
  if (value != nullptr && trace != nullptr) PyException_SetTraceback(value, trace);
  const PyRef owned_type = PyRef::steal(type), owned_value = PyRef::steal(value), owned_trace = PyRef::steal(trace);
  const PyRef text = formatted(type, value, trace);
  if (text) return printable(text.get());
  // No memory, no stack, or an exception that fights back: its name is better than nothing.
  PyErr_Clear();
  return std::string(reinterpret_cast<PyTypeObject*>(type)->tp_name) + " (its traceback cannot be shown)\n";
}

void flush_streams() {
  for (const char* name : {"stdout", "stderr"}) {
    PyObject* stream = PySys_GetObject(name);
    if (stream == nullptr || stream == Py_None) continue;
    const PyRef done = PyRef::steal(PyObject_CallMethod(stream, "flush", nullptr));
    if (!done) PyErr_Clear();
  }
}

void leave_failures_in(int fd) { failure_fd = fd; }

// Written before it is cut: who reads meanwhile must not find it empty.
void leave_failure(std::string_view text) {
  if (failure_fd < 0) return;
  if (::pwrite(failure_fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) return;
  (void)!::ftruncate(failure_fd, static_cast<off_t>(text.size()));
}

void log_error(std::string_view what) {
  const std::string trace = take_traceback();
  leave_failure(trace);
  log(Level::Error, std::string(what).append("\n").append(trace));
}

std::string describe(const wire::RequestView& request) {
  const auto& head = request.head();
  std::string text;
  text.append(request.text(head.method_name)).append(1, ' ').append(request.text(head.target));
  if (head.request_id.length != 0) text.append(" (request id ").append(request.text(head.request_id)).append(1, ')');
  return text;
}

void fail_request(worker::Exchange& exchange, std::string_view what) {
  exchange.context().channel().counters.add(shm::Counter::Failed);
  log_error(std::string(what).append(" ").append(describe(exchange.request())));
  answer_500(exchange);
}

void excuse_request(worker::Exchange& exchange) {
  PyErr_Clear();
  exchange.context().channel().counters.add(shm::Counter::Failed);
  log(Level::Debug, "Ignored premature client disconnection: " + describe(exchange.request()));
  answer_500(exchange);
}

void refuse_request(worker::Exchange& exchange, std::string_view why) {
  exchange.context().channel().counters.add(shm::Counter::Failed);
  log(Level::Error, std::string(why).append(": ").append(describe(exchange.request())));
  answer_500(exchange);
}

}  // namespace prefork::bridge

#include "python/bridge/answer.hpp"

#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/forked.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/names.hpp"
#include "python/bridge/signals.hpp"

namespace prefork::bridge {
namespace {

// Up to here the blocks of a list cross in one record with the head.
constexpr std::size_t kJoined = 64 * 1024;

Py_ssize_t sequence_size(PyObject* list) {
  return PyList_CheckExact(list) ? PyList_GET_SIZE(list) : PyTuple_GET_SIZE(list);
}
PyObject* sequence_item(PyObject* list, Py_ssize_t i) {
  return PyList_CheckExact(list) ? PyList_GET_ITEM(list, i) : PyTuple_GET_ITEM(list, i);
}

}  // namespace

PyRef block_bytes(PyObject* block, Blocks allowed) {
  if (PyBytes_Check(block)) return PyRef::borrow(block);
  if (allowed == Blocks::Any) {
    if (PyUnicode_Check(block)) return PyRef::steal(PyUnicode_AsUTF8String(block));
    if (is_bytes_like(block)) return PyRef::steal(PyBytes_FromObject(block));
  }
  PyErr_Format(PyExc_TypeError, "the application's body must be made of %s, not %.100s",
               allowed == Blocks::Any ? "bytes or str" : "bytes", Py_TYPE(block)->tp_name);
  return {};
}

void close_iterable(PyObject* result, const wire::RequestView& request) {
  static PyObject* const kClose = interned("close");
  const PyRef close = PyRef::steal(PyObject_GetAttr(result, kClose));
  if (!close) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError) == 0)
      return log_error("Exception while looking for close() after " + describe(request));
    PyErr_Clear();
    return;
  }
  const PyRef done = PyRef::steal(PyObject_CallObject(close.get(), nullptr));
  if (!done) log_error("Exception in close() after " + describe(request));
}

bool conclude(Reply& reply) {
  switch (reply.end()) {
    case Reply::Ended::Whole:
      if (reply.cut() && !reply.bodiless()) {
        log(Level::Warning, "The application sent more than its Content-Length, which was cut: " +
                                describe(reply.exchange().request()));
      }
      return true;
    case Reply::Ended::Gone: return PyErr_Occurred() == nullptr;
    case Reply::Ended::Short: break;
  }
  PyErr_Format(PyExc_RuntimeError, "the application's body is %llu bytes shorter than its Content-Length",
               static_cast<unsigned long long>(reply.length_left()));
  return false;
}

bool answer_whole(Reply& reply, PyObject* result, Blocks allowed) {
  if (PyBytes_CheckExact(result)) {
    return reply.push(bytes_of(result), true) != Reply::Pushed::Error && conclude(reply);
  }
  const Py_ssize_t count = sequence_size(result);
  if (count == 1) {
    const PyRef only = block_bytes(sequence_item(result, 0), allowed);
    if (!only) return false;
    const auto body = bytes_of(only.get());
    if (reply.bodiless() ? !body.empty() : body.size() > kJoined) reply.announce(body.size());
    return reply.push(body, true) != Reply::Pushed::Error && conclude(reply);
  }
  // Nobody changes a list behind our back while it is looked at; while it is sent, others may run: a tuple of it is ours.
  const PyRef blocks = PyRef::steal(PyTuple_New(count));
  if (!blocks) return false;
  std::size_t total = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyRef block = block_bytes(sequence_item(result, i), allowed);
    if (!block) return false;
    total += static_cast<std::size_t>(PyBytes_GET_SIZE(block.get()));
    PyTuple_SET_ITEM(blocks.get(), i, block.release());
  }
  if (total <= kJoined) {
    std::string joined;
    joined.reserve(total);
    for (Py_ssize_t i = 0; i < count; ++i) joined.append(wire::as_text(bytes_of(PyTuple_GET_ITEM(blocks.get(), i))));
    if (reply.started() && reply.bodiless() && total != 0) reply.announce(total);
    return reply.push(wire::as_bytes(joined), true) != Reply::Pushed::Error && conclude(reply);
  }
  if (reply.started()) reply.announce(total);
  for (Py_ssize_t i = 0; i < count; ++i) {
    const auto pushed = reply.push(bytes_of(PyTuple_GET_ITEM(blocks.get(), i)), false);
    if (pushed == Reply::Pushed::Error) return false;
    if (pushed == Reply::Pushed::Gone) break;
  }
  return conclude(reply);
}

bool answer_blocks(Reply& reply, PyObject* result, Blocks allowed) {
  const PyRef iterator = PyRef::steal(PyObject_GetIter(result));
  if (!iterator) return false;
  // What the slot itself says: one call less a block than PyIter_Next, and StopIteration without a value sets no error.
  const iternextfunc next = Py_TYPE(iterator.get())->tp_iternext;
  for (;;) {
    const PyRef item = PyRef::steal(next(iterator.get()));
    stay_in_worker();
    if (!item) break;
    const PyRef block = block_bytes(item.get(), allowed);
    if (!block) return false;
    const auto pushed = reply.push(bytes_of(block.get()), false);
    if (pushed == Reply::Pushed::Error) return false;
    if (pushed == Reply::Pushed::Gone) return PyErr_Occurred() == nullptr;
    if (reply.sated()) break;  // PEP 3333: the server stops here. What is left of the iterable may never end.
  }
  if (PyErr_Occurred() != nullptr) {
    if (PyErr_ExceptionMatches(PyExc_StopIteration) == 0) return false;
    PyErr_Clear();
  }
  if (!reply.started() && reply.push({}, true) == Reply::Pushed::Error) return false;
  return conclude(reply);
}

// SystemExit and KeyboardInterrupt too are an application's bug here, unless the worker was told to quit.
void fail_reply(Reply& reply) {
  worker::Exchange& exchange = reply.exchange();
  if (reply.gone() && PyErr_ExceptionMatches(PyExc_OSError) != 0)
    return PyErr_Clear();  // it noticed that nobody listens
  if (drop_exit(quitting())) return exchange.abort();
  if (exchange.body_broken() && PyErr_ExceptionMatches(PyExc_OSError) != 0) return excuse_request(exchange);
  fail_request(exchange, "Error handling request");
}

}  // namespace prefork::bridge

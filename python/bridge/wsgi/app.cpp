#include "python/bridge/wsgi/app.hpp"

#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/names.hpp"
#include "python/bridge/signals.hpp"
#include "python/bridge/wsgi/errors.hpp"
#include "python/bridge/wsgi/file_wrapper.hpp"

namespace prefork::bridge::wsgi {
namespace {

constexpr std::size_t kIdleKits = 64;
// Up to here the blocks of a list cross in one record with the head.
constexpr std::size_t kJoined = 64 * 1024;

void must_be_bytes(PyObject* block) {
  PyErr_Format(PyExc_TypeError, "the application's body must be made of bytes, not %.100s", Py_TYPE(block)->tp_name);
}

// list and tuple only: their blocks are all there, so they may go together, and their length is known.
bool is_sequence(PyObject* result) { return PyList_CheckExact(result) || PyTuple_CheckExact(result); }
Py_ssize_t sequence_size(PyObject* list) {
  return PyList_CheckExact(list) ? PyList_GET_SIZE(list) : PyTuple_GET_SIZE(list);
}
PyObject* sequence_item(PyObject* list, Py_ssize_t i) {
  return PyList_CheckExact(list) ? PyList_GET_ITEM(list, i) : PyTuple_GET_ITEM(list, i);
}

// close() of what the application returned: once, whatever happened before, and without an error set.
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

}  // namespace

App::App(PyRef application, const wire::Settings& settings, unsigned threads, Hooks& hooks)
    : application_(std::move(application)),
      facts_(settings, threads, reinterpret_cast<PyObject*>(file_wrapper_type())),
      hooks_(hooks),
      sendfile_(settings.get("sendfile", "1") == "1") {}

std::unique_ptr<App::Kit> App::take_kit() {
  if (idle_.empty()) return std::make_unique<Kit>(facts_);
  auto kit = std::move(idle_.back());
  idle_.pop_back();
  return kit;
}

void App::handle(worker::Exchange& exchange) {
  auto kit = take_kit();
  kit->handles.begin(exchange);
  call(exchange, *kit);
  flush_errors();
  // One reference to each of these objects is the template's.
  if (kit->handles.finish(1) && idle_.size() < kIdleKits) idle_.push_back(std::move(kit));
}

void App::call(worker::Exchange& exchange, Kit& kit) {
  bool mismatch = false;
  PyRef environ = kit.environ.build(exchange.request(), mismatch);
  if (!environ) {
    if (mismatch) return refuse_request(exchange, "The path does not begin with SCRIPT_NAME");
    return fail_request(exchange, "Error handling request");
  }
  PyObject* const arguments[] = {nullptr, environ.get(), kit.handles.start_response()};
  const PyRef result =
      PyRef::steal(PyObject_Vectorcall(application_.get(), arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
  environ.reset();  // the application's references decide how long it lives
  if (!result) return failed(kit.handles.response);
  answer(kit.handles.response, result.get());
}

void App::answer(Response& response, PyObject* result) {
  if (is_sequence(result) || PyBytes_CheckExact(result)) {
    if (!answer_whole(response, result)) failed(response);
    return;
  }
  if (!answer_file(response, result) && !answer_blocks(response, result)) failed(response);
  close_iterable(result, response.exchange().request());
}

// The end of a body of which every block was handed over. False: the Python error is set.
static bool conclude(Response& response) {
  switch (response.end()) {
    case Response::Ended::Whole:
      if (response.cut() && !response.bodiless()) {
        log(Level::Warning, "The application sent more than its Content-Length, which was cut: " +
                                describe(response.exchange().request()));
      }
      return true;
    case Response::Ended::Gone: return PyErr_Occurred() == nullptr;
    case Response::Ended::Short: break;
  }
  PyErr_Format(PyExc_RuntimeError, "the application's body is %llu bytes shorter than its Content-Length",
               static_cast<unsigned long long>(response.length_left()));
  return false;
}

bool App::answer_whole(Response& response, PyObject* result) {
  if (PyBytes_CheckExact(result)) {
    return response.push(bytes_of(result), true) != Response::Pushed::Error && conclude(response);
  }
  const Py_ssize_t count = sequence_size(result);
  if (count == 1) {
    PyObject* const only = sequence_item(result, 0);
    if (!PyBytes_Check(only)) return must_be_bytes(only), false;
    const PyRef kept = PyRef::borrow(only);
    const auto body = bytes_of(only);
    if (response.bodiless() ? !body.empty() : body.size() > kJoined) response.announce(body.size());
    return response.push(body, true) != Response::Pushed::Error && conclude(response);
  }
  // Nobody changes a list behind our back while it is looked at; while it is sent, others may run: a tuple of it is ours.
  const PyRef blocks = PyRef::steal(PySequence_Tuple(result));
  if (!blocks) return false;
  std::size_t total = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const block = PyTuple_GET_ITEM(blocks.get(), i);
    if (!PyBytes_Check(block)) return must_be_bytes(block), false;
    total += static_cast<std::size_t>(PyBytes_GET_SIZE(block));
  }
  if (total <= kJoined) {
    std::string joined;
    joined.reserve(total);
    for (Py_ssize_t i = 0; i < count; ++i) joined.append(wire::as_text(bytes_of(PyTuple_GET_ITEM(blocks.get(), i))));
    if (response.started() && response.bodiless() && total != 0) response.announce(total);
    return response.push(wire::as_bytes(joined), true) != Response::Pushed::Error && conclude(response);
  }
  if (response.started()) response.announce(total);
  for (Py_ssize_t i = 0; i < count; ++i) {
    const auto pushed = response.push(bytes_of(PyTuple_GET_ITEM(blocks.get(), i)), false);
    if (pushed == Response::Pushed::Error) return false;
    if (pushed == Response::Pushed::Gone) break;
  }
  return conclude(response);
}

bool App::answer_blocks(Response& response, PyObject* result) {
  const PyRef iterator = PyRef::steal(PyObject_GetIter(result));
  if (!iterator) return false;
  // What the slot itself says: one call less a block than PyIter_Next, and StopIteration without a value sets no error.
  const iternextfunc next = Py_TYPE(iterator.get())->tp_iternext;
  for (;;) {
    const PyRef block = PyRef::steal(next(iterator.get()));
    if (!block) break;
    if (!PyBytes_Check(block.get())) return must_be_bytes(block.get()), false;
    const auto pushed = response.push(bytes_of(block.get()), false);
    if (pushed == Response::Pushed::Error) return false;
    if (pushed == Response::Pushed::Gone) return PyErr_Occurred() == nullptr;
  }
  if (PyErr_Occurred() != nullptr) {
    if (PyErr_ExceptionMatches(PyExc_StopIteration) == 0) return false;
    PyErr_Clear();
  }
  if (!response.started()) return response.push({}, true) != Response::Pushed::Error;
  return conclude(response);
}

// False, with no error set, when the file's bytes must be read.
bool App::answer_file(Response& response, PyObject* result) {
  if (!sendfile_ || Py_TYPE(result) != file_wrapper_type() || !response.started()) return false;
  const auto file = wrapped_file(result);
  if (!file) return false;
  if (response.bodiless()) {
    response.announce(file->length);
    return false;
  }
  if (!response.push_file(file->fd, file->offset, file->length)) return false;
  if (!conclude(response)) failed(response);
  return true;
}

// The error that is set ends the request, but never the worker: SystemExit and KeyboardInterrupt too are an application's bug here,
// unless the worker was told to quit.
void App::failed(Response& response) {
  worker::Exchange& exchange = response.exchange();
  if (response.gone() && PyErr_ExceptionMatches(PyExc_OSError) != 0)
    return PyErr_Clear();  // it noticed that nobody listens
  if (quitting() && PyErr_ExceptionMatches(PyExc_SystemExit) != 0) {
    PyErr_Clear();
    return exchange.abort();
  }
  fail_request(exchange, "Error handling request");
}

}  // namespace prefork::bridge::wsgi

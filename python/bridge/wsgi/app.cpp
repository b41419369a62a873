#include "python/bridge/wsgi/app.hpp"

#include "python/bridge/answer.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/forked.hpp"
#include "python/bridge/wsgi/errors.hpp"
#include "python/bridge/wsgi/file_wrapper.hpp"
#include "python/bridge/wsgi/raw_socket.hpp"

namespace prefork::bridge::wsgi {
namespace {

constexpr std::size_t kIdleKits = 64;

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
  RawSocket socket;
  if ((exchange.request().head().flags & wire::kWebSocket) != 0) socket.offer(exchange, environ.get());
  PyObject* const arguments[] = {nullptr, environ.get(), kit.handles.start_response()};
  const PyRef result =
      PyRef::steal(PyObject_Vectorcall(application_.get(), arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
  stay_in_worker();
  environ.reset();  // the application's references decide how long it lives
  Response& response = kit.handles.response;
  if (result) {
    answer(response, result.get());
  } else if (socket.offered() && !response.started() && PyErr_ExceptionMatches(PyExc_StopIteration) != 0) {
    PyErr_Clear();  // how an application tells gunicorn that it has spoken for itself
    exchange.abort();
  } else {
    fail_reply(response);
  }
  socket.close();
}

void App::answer(Response& response, PyObject* result) {
  if (is_sequence(result) || PyBytes_CheckExact(result)) {
    if (!answer_whole(response, result, Blocks::Bytes)) fail_reply(response);
    return;
  }
  if (!answer_file(response, result) && !answer_blocks(response, result, Blocks::Bytes)) fail_reply(response);
  close_iterable(result, response.exchange().request());
}

// False, with no error set, when the file's bytes must be read.
bool App::answer_file(Response& response, PyObject* result) {
  if (!sendfile_ || Py_TYPE(result) != file_wrapper_type() || !response.started()) return false;
  const auto file = wrapped_file(result);
  if (!file) return false;
  if (response.bodiless()) {
    if (file->length != 0) response.announce(file->length);  // a file of /proc says 0 and has something all the same
    return false;
  }
  if (!response.push_file(file->fd, file->offset, file->length)) return false;
  if (!conclude(response)) fail_reply(response);
  return true;
}

}  // namespace prefork::bridge::wsgi

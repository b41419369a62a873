#include "python/bridge/native/app.hpp"

#include "python/bridge/answer.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/forked.hpp"
#include "python/bridge/native/reply_object.hpp"
#include "python/bridge/native/request.hpp"

namespace prefork::bridge::native {
namespace {

constexpr std::size_t kIdleKits = 64;

// Iterating a mapping gives its keys: nobody means that to be a body.
bool refuse_mapping(PyObject* result) {
  PyErr_Format(PyExc_TypeError, "the application must return bytes, str, an iterable of them or None, not %.100s",
               Py_TYPE(result)->tp_name);
  return false;
}

}  // namespace

bool App::prepare(Kit& kit) {
  if (kit.request && kit.reply) {
    begin_request(kit.request.get(), kit.port);
    begin_reply(kit.reply.get(), kit.port);
    return true;
  }
  kit.request = new_request(kit.port, nullptr);
  kit.reply = new_reply(kit.port, nullptr);
  return kit.request && kit.reply;
}

void App::handle(worker::Exchange& exchange) {
  std::unique_ptr<Kit> kit;
  if (idle_.empty()) {
    kit = std::make_unique<Kit>();
  } else {
    kit = std::move(idle_.back());
    idle_.pop_back();
  }
  kit->port.begin(exchange);
  if (!prepare(*kit)) return fail_request(exchange, "Error handling request");
  call(*kit);
  const bool request_free = end_request(kit->request.get()), reply_free = end_reply(kit->reply.get());
  if (!request_free) kit->request.reset();
  if (!reply_free) kit->reply.reset();
  kit->port.finish();
  if (request_free && reply_free && idle_.size() < kIdleKits) idle_.push_back(std::move(kit));
}

void App::call(Kit& kit) {
  PyObject* const arguments[] = {nullptr, kit.request.get(), kit.reply.get()};
  const PyRef result =
      PyRef::steal(PyObject_Vectorcall(application_.get(), arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
  stay_in_worker();
  if (!result || !answer(kit.port, result.get())) fail_reply(kit.port);
}

bool App::answer(ThreadPort& port, PyObject* result) {
  if (result == Py_None) return (port.started() || port.begin_head()) && conclude(port);
  if (is_block(result)) {
    if (PyUnicode_Check(result) && !port.started() && !announce_text(port.fields())) return false;
    const PyRef body = block_bytes(result, Blocks::Any);
    if (!body || (!port.started() && !port.begin_head())) return false;
    const auto bytes = bytes_of(body.get());
    if (port.bodiless() && !bytes.empty()) port.announce(bytes.size());
    return port.push(bytes, true) != Reply::Pushed::Error && conclude(port);
  }
  if (is_sequence(result)) {
    return (port.started() || port.begin_head()) && answer_whole(port, result, Blocks::Any);
  }
  if (PyDict_Check(result)) return refuse_mapping(result);
  const bool answered = answer_blocks(port, result, Blocks::Any);
  const ErrorAside aside;
  close_iterable(result, port.view());
  return answered;
}

}  // namespace prefork::bridge::native

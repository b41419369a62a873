#include "python/bridge/asgi/conversation.hpp"

#include "python/bridge/asgi/client_gone.hpp"
#include "python/bridge/asgi/loop.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/forked.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/names.hpp"
#include "python/bridge/signals.hpp"

namespace prefork::bridge::asgi {

// The view goes along: it looks at the memory that the payload keeps.
Conversation::Conversation(Loop& loop, worker::Job&& job) : loop_(loop), job_(std::move(job)) {}

worker::Stream& Conversation::stream() { return loop_.inbox().stream(job_.slot); }

std::string Conversation::description() const { return describe(job_.view); }

namespace {

// Lets go of futures that were cancelled with whoever waited for them. They may run code of the application's when they die.
void forget_done(std::vector<PyRef>& waiters) {
  static PyObject* const kDone = interned("done");
  std::vector<PyRef> all;
  all.swap(waiters);
  for (PyRef& future : all) {
    const PyRef done = PyRef::steal(PyObject_CallMethodNoArgs(future.get(), kDone));
    if (!done) PyErr_Clear();
    if (!done || done.get() == Py_False) waiters.push_back(std::move(future));
  }
}

}  // namespace

PyRef Conversation::wait(std::vector<PyRef>& waiters) {
  PyRef future = loop_.new_future();
  if (!future) return {};
  const auto* const async = Py_TYPE(future.get())->tp_as_async;
  PyRef iterator;
  if (async != nullptr && async->am_await != nullptr) iterator = PyRef::steal(async->am_await(future.get()));
  if (!iterator) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_TypeError, "the event loop's futures cannot be awaited");
    return {};
  }
  // An application may ask again and again with a time limit, and nothing come: the list grows only by what is waited for.
  if (waiters.size() == waiters.capacity()) forget_done(waiters);
  waiters.push_back(std::move(future));
  return iterator;
}

// A future may have been cancelled with the task that waits for it.
void Conversation::wake(std::vector<PyRef>& waiters) {
  if (waiters.empty()) return;
  static PyObject* const kDone = interned("done");
  static PyObject* const kSetResult = interned("set_result");
  std::vector<PyRef> woken;
  woken.swap(waiters);
  for (const PyRef& future : woken) {
    const PyRef done = PyRef::steal(PyObject_CallMethodNoArgs(future.get(), kDone));
    if (done && done.get() == Py_False) {
      const PyRef set = PyRef::steal(PyObject_CallMethodOneArg(future.get(), kSetResult, Py_None));
      if (!set) log_error("A waiting request cannot be woken");
    } else if (!done) {
      log_error("A waiting request cannot be woken");
    }
  }
}

bool Conversation::refuse_gone() {
  told_gone_ = true;
  raise_client_gone(PyExc_BrokenPipeError, "the client is gone");
  return false;
}

Step Conversation::starved() {
  loop_.wait_for_room(*this);
  return Step::Wait;
}

void Conversation::end() {
  ended_ = true;
  breaking_ = false;
  loop_.on_end(*this);
  wake(receivers_);
}

void Conversation::break_off() {
  if (ended_) return;
  if (!loop_.outbox().try_abort(id())) {
    breaking_ = true;
    (void)starved();
    return;
  }
  end();
}

void Conversation::cancel() {
  was_cancelled_ = true;
  if (!task) return;
  const PyRef done = PyRef::steal(PyObject_CallMethod(task.get(), "cancel", nullptr));
  if (!done) log_error("A request cannot be cancelled");
}

void Conversation::on_change() {
  if (ended_) return;
  on_news();
  if (stream().cancelled && !gone_) {
    gone_ = true;
    on_gone();
    break_off();
    loop_.on_gone(*this);
    wake(senders_);
  } else if (!gone_ && flush() == Step::Done) {
    wake(senders_);
  }
  wake(receivers_);
}

void Conversation::on_room() {
  if (ended_) return;
  if (breaking_) return break_off();
  if (!gone_ && flush() == Step::Done) wake(senders_);
  if (!ended_) wake(receivers_);  // one may wait because the credit for its body could not be given
}

void Conversation::on_finished() {
  stay_in_worker();
  finished_ = true;
  const bool failed = PyErr_Occurred() != nullptr;
  if (failed) {
    if (drop_exit(quitting()) || ((gone_ || told_gone_) && began_with_client_gone()) ||
        ((was_cancelled_ || quitting()) && PyErr_ExceptionMatches(loop_.cancelled_error()) != 0)) {
      PyErr_Clear();
    } else {
      loop_.count_failure();
      log_error(std::string("Exception in ") + interface_name() + " application " + description());
    }
  }
  if (!ended_ && !breaking_) conclude(failed);
  loop_.on_finished(*this);
  task.reset();
}

}  // namespace prefork::bridge::asgi

// Runs an application's coroutine. Three ways, which the application cannot tell apart:
//   plain    a Task from the start: --no-eager, and what the others fall back to
//   eager    Python 3.12 and newer: asyncio's own eager Tasks
//   carried  before: a spare Task, parked until it is needed, is made the current one while the coroutine runs for the first time. Most
//            requests end there, and the spare serves the next one. A coroutine that suspends is carried on by that same Task, so that
//            current_task(), cancel() and whatever was done to the Task meanwhile hold.
// GIL held, event loop's thread.
#pragma once

#include <vector>

#include "python/bridge/asgi/conversation.hpp"
#include "python/bridge/ref.hpp"

namespace prefork::bridge::asgi {

class Runner {
 public:
  Runner(PyRef loop, PyRef call_awaitable, bool eager) : loop_(std::move(loop)), call_awaitable_(std::move(call_awaitable)), eager_(eager) {}

  // False with the error set.
  [[nodiscard]] bool prepare();

  // Calls Conversation::on_finished() when the coroutine is over, now or later.
  void run(PyRef awaitable, Conversation& conversation);

  PyObject* cancelled_error() const { return cancelled_error_.get(); }

 private:
  // A parked Task, the coroutine that it runs, and how many references a Task has that nobody has touched.
  struct Spare {
    PyRef task;
    PyRef driver;
  };

  void run_plain(PyRef coroutine, Conversation& conversation);
  void run_eager(PyRef coroutine, Conversation& conversation);
  [[nodiscard]] bool run_carried(PyRef& coroutine, Conversation& conversation);
  void add_spare();
  void park_new_spares();
  static bool untouched(const Spare& spare);

  PyRef loop_;
  PyRef call_awaitable_;
  bool eager_;
  PyRef create_task_;
  PyRef cancelled_error_;
  PyRef context_;  // what every request starts with a copy of
  PyRef task_type_;
  PyRef task_options_;
  PyRef enter_task_, leave_task_, register_task_, unregister_task_;
  std::vector<Spare> spares_;  // ready
  std::vector<Spare> fresh_;   // made, and ready when the event loop has run them once
};

}  // namespace prefork::bridge::asgi

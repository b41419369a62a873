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
  Runner(PyRef loop, PyRef call_awaitable, bool eager)
      : loop_(std::move(loop)), call_awaitable_(std::move(call_awaitable)), eager_(eager) {}

  // False with the error set.
  [[nodiscard]] bool prepare();

  // Calls Conversation::on_finished() when the coroutine is over, now or later.
  void run(PyRef awaitable, Conversation& conversation);

  PyObject* cancelled_error() const { return cancelled_error_.get(); }

 private:
  // A parked Task, the coroutine that it runs, and how it looks when nobody has touched it.
  struct Spare {
    PyRef task;
    PyRef driver;
    PyRef name;
    PyRef weak;  // what all_tasks() finds it by while it runs a request
    Py_ssize_t task_references = 0;
    Py_ssize_t weak_references = 0;
    Py_ssize_t future_references = 0;
  };
  static constexpr std::size_t kMostFresh = 64;

  void run_plain(PyRef coroutine, Conversation& conversation);
  // False, and nothing has happened, when there is no way now. An error in setting up clears eager_.
  [[nodiscard]] bool run_eager(PyRef& coroutine, Conversation& conversation);
  [[nodiscard]] bool prepare_eager();
  void add_spare();
  void park_new_spares();
  static bool untouched(const Spare& spare);
  static bool untouched_weakly(const Spare& spare);
  void go_on(const Spare& spare, bool suspended);

  PyRef loop_;
  PyRef call_awaitable_;
  bool eager_;
  PyRef create_task_;
  PyRef create_future_;
  PyRef cancelled_error_;
  PyRef context_;  // what every request starts with a copy of
  PyRef task_type_;
  PyRef task_options_;  // names of the keyword arguments
  PyRef enter_task_, leave_task_, register_task_, unregister_task_;
  PyRef all_tasks_;            // the set of weak references behind asyncio's all_tasks()
  std::vector<Spare> spares_;  // ready
  std::vector<Spare> fresh_;   // made, and ready when the event loop has run them once
};

}  // namespace prefork::bridge::asgi

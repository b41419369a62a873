// The hook functions of a configuration file that run in a worker: post_fork, post_worker_init, worker_int, worker_abort, worker_exit,
// and a request's pre_request and post_request. A hook that is not set costs nothing: the caller asks wants() once, at the start.
// Owned by the worker's main; called with the GIL held.
#pragma once

#include <array>
#include <string_view>

#include "python/bridge/ref.hpp"
#include "shm/wire/settings.hpp"

namespace prefork::bridge {

enum class Hook { PostFork, PostWorkerInit, WorkerInt, WorkerAbort, WorkerExit, PreRequest, PostRequest, kCount };

class Hooks {
 public:
  // Which hooks the master found in the configuration file (the `hooks` setting).
  Hooks(const wire::Settings& settings, unsigned worker_age) : settings_(settings), worker_age_(worker_age) {}

  bool wants(Hook hook) const { return functions_[static_cast<std::size_t>(hook)].get() != nullptr; }

  // Evaluates the configuration file in this process when it sets a hook that runs here. False with the Python error set.
  [[nodiscard]] bool load();

  // Those that the mold has loaded, in a worker that it forked: (worker, {name: function}), or None. The same result.
  [[nodiscard]] bool adopt(const PyRef& loaded);

  // Calls hook(worker). An error is logged: false. Does nothing when the hook is not set.
  bool run(Hook hook);

  // Runs post_worker_init, which finds the application in worker.wsgi, and returns what it left there. Empty: the Python error is set.
  PyRef initialised(PyRef application);

  // The application with pre_request and post_request around it, if they are set. Empty: the Python error is set.
  PyRef wrap(PyRef application, const char* interface);

 private:
  const wire::Settings& settings_;
  unsigned worker_age_;
  PyRef worker_;   // the object that hooks are given
  PyRef by_name_;  // the functions as a dict
  std::array<PyRef, static_cast<std::size_t>(Hook::kCount)> functions_;
};

}  // namespace prefork::bridge

// A WSGI worker's threads: one serves on the main thread; of several none does, so that the main thread is free for signals.
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>

#include "python/bridge/error.hpp"
#include "python/bridge/gil.hpp"
#include "python/bridge/interface.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/signals.hpp"
#include "python/bridge/worker_main.hpp"
#include "python/bridge/wsgi/app.hpp"
#include "shm/atomic.hpp"
#include "worker/clock.hpp"
#include "worker/sync_runner.hpp"

namespace prefork::bridge {
namespace {

using Ended = worker::SyncRunner::Ended;

// What the threads share; lives on the main thread's stack, which outlives them.
struct Serving {
  worker::SyncRunner runner;
  wsgi::App app;
  shm::UniqueFd finished;  // counts the threads that have ended
  shm::Atomic<bool> broken{false};
};

int broken_master() {
  log(Level::Critical, "The records from the master make no sense: the worker exits");
  return kExitBoot;
}

int serve_here(Serving& serving) {
  GilHooks hooks;
  for (;;) {
    switch (serving.runner.serve(hooks, serving.app)) {
      case Ended::Drained: return kExitOk;
      case Ended::Broken: return broken_master();
      case Ended::Interrupted: break;
    }
    // A signal handler raised: ours at QUIT, or one of the application's.
    if (PyErr_ExceptionMatches(PyExc_SystemExit) != 0) {
      PyErr_Clear();
      return kExitOk;
    }
    log_error("Exception in a signal handler");
  }
}

PyObject* serve_thread(PyObject* capsule, PyObject*) {
  auto* const serving = static_cast<Serving*>(PyCapsule_GetPointer(capsule, nullptr));
  GilHooks hooks;
  // Only the main thread runs signal handlers, so an interruption cannot come here.
  if (serving->runner.serve(hooks, serving->app) == Ended::Broken)
    serving->broken.store(true, std::memory_order_relaxed);
  shm::signal_bell(serving->finished.get());
  Py_RETURN_NONE;
}

PyMethodDef kServeThread{"serve", serve_thread, METH_NOARGS, "Serves requests until the worker is told to stop."};

bool start_thread(Serving& serving, unsigned number) {
  const PyRef threading = PyRef::steal(PyImport_ImportModule("threading"));
  const PyRef capsule = PyRef::steal(PyCapsule_New(&serving, nullptr, nullptr));
  if (!threading || !capsule) return false;
  const PyRef target = PyRef::steal(PyCFunction_New(&kServeThread, capsule.get()));
  const PyRef make = PyRef::steal(PyObject_GetAttrString(threading.get(), "Thread"));
  const PyRef none = PyRef::steal(PyTuple_New(0));
  const PyRef options = PyRef::steal(Py_BuildValue("{s:O,s:N,s:O}", "target", target.get(), "name",
                                                   PyUnicode_FromFormat("prefork-%u", number), "daemon", Py_True));
  if (!target || !make || !none || !options) return false;
  const PyRef thread = PyRef::steal(PyObject_Call(make.get(), none.get(), options.get()));
  return thread && PyRef::steal(PyObject_CallMethod(thread.get(), "start", nullptr));
}

// How often the main thread shows that it gets the GIL: several times within the --timeout that the master watches.
int beat_ms(worker::Context& context) {
  const long timeout = context.settings().number("timeout");
  return timeout == 0 ? 1000 : static_cast<int>(std::clamp(timeout / 4, 50L, 1000L));
}

// Sleeps until every thread has ended, and runs Python's signal handlers meanwhile.
int watch_threads(worker::Context& context, Serving& serving, unsigned threads) {
  const int beat = beat_ms(context);
  std::uint64_t ended = 0;
  while (ended < threads) {
    {
      const GilFree free;
      pollfd wait{serving.finished.get(), POLLIN, 0};
      std::uint64_t count = 0;
      // A beat at most: a signal that comes just before poll() does not interrupt it.
      if (::poll(&wait, 1, beat) > 0 &&
          ::read(serving.finished.get(), &count, sizeof count) == static_cast<ssize_t>(sizeof count))
        ended += count;
    }
    context.channel().phase.renew(worker::coarse_us());  // with the GIL: a thread that keeps it for itself stops this
    if (PyErr_CheckSignals() == 0) continue;
    if (PyErr_ExceptionMatches(PyExc_SystemExit) != 0) {
      PyErr_Clear();
      return kExitOk;  // at once: the threads are daemons
    }
    log_error("Exception in a signal handler");
  }
  return serving.broken.load(std::memory_order_relaxed) ? broken_master() : kExitOk;
}

}  // namespace

int serve_wsgi(Startup& startup) {
  const auto threads = static_cast<unsigned>(std::max(1L, startup.context.settings().number("threads", 1)));
  // Threads that outlive the main thread's patience (QUIT) still look at it: it is never taken down.
  auto& serving =
      *new Serving{worker::SyncRunner(startup.context),
                   wsgi::App(startup.application.share(), startup.context.settings(), threads, startup.hooks),
                   shm::UniqueFd(::eventfd(0, EFD_CLOEXEC))};
  on_stop([&serving] {
    const GilFree free;
    serving.runner.stop();
  });
  startup.hooks.run(Hook::PostWorkerInit);
  if (stopping()) return kExitOk;
  startup.context.ready(wire::Interface::Wsgi, threads);
  if (threads == 1) return serve_here(serving);
  for (unsigned i = 1; i <= threads; ++i) {
    if (start_thread(serving, i)) continue;
    if (quitting() && PyErr_ExceptionMatches(PyExc_SystemExit) != 0) {
      PyErr_Clear();
      return kExitOk;
    }
    log_error("A thread cannot be started");
    return kExitBoot;
  }
  return watch_threads(startup.context, serving, threads);
}

}  // namespace prefork::bridge

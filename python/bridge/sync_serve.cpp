#include "python/bridge/sync_serve.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "python/bridge/boot.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/gil.hpp"
#include "python/bridge/interface.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/signals.hpp"
#include "python/bridge/worker_main.hpp"
#include "shm/atomic.hpp"
#include "worker/clock.hpp"
#include "worker/sync_runner.hpp"

namespace prefork::bridge {
namespace {

using Ended = worker::SyncRunner::Ended;

bool left = false;  // see threads_left()

// What the threads share; lives on the main thread's stack, which outlives them.
struct Serving {
  worker::SyncRunner runner;
  std::unique_ptr<worker::Application> app;
  shm::UniqueFd finished;  // counts the threads that have ended
  shm::Atomic<bool> broken{false};
};

int broken_channel(const worker::Context& context) {
  log(Level::Critical,
      context.bells_alive() ? "The records from the master make no sense: the worker exits" : kClosedDescriptors);
  return kExitBoot;
}

int serve_here(Serving& serving) {
  GilHooks hooks;
  for (;;) {
    switch (serving.runner.serve(hooks, *serving.app)) {
      case Ended::Drained: return kExitOk;
      case Ended::Broken: return broken_channel(serving.runner.context());
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
  if (serving->runner.serve(hooks, *serving->app) == Ended::Broken)
    serving->broken.store(true, std::memory_order_relaxed);
  shm::signal_bell(serving->finished.get());
  Py_RETURN_NONE;
}

PyMethodDef kServeThread{"serve", serve_thread, METH_NOARGS, "Serves requests until the worker is told to stop."};

// Empty: the Python error is set.
PyRef start_thread(PyMethodDef& method, void* data, unsigned number) {
  const PyRef threading = PyRef::steal(PyImport_ImportModule("threading"));
  const PyRef capsule = PyRef::steal(PyCapsule_New(data, nullptr, nullptr));
  if (!threading || !capsule) return {};
  const PyRef target = PyRef::steal(PyCFunction_New(&method, capsule.get()));
  const PyRef make = PyRef::steal(PyObject_GetAttrString(threading.get(), "Thread"));
  const PyRef none = PyRef::steal(PyTuple_New(0));
  const PyRef options = PyRef::steal(Py_BuildValue("{s:O,s:N,s:O}", "target", target.get(), "name",
                                                   PyUnicode_FromFormat("prefork-%u", number), "daemon", Py_True));
  if (!target || !make || !none || !options) return {};
  PyRef thread = PyRef::steal(PyObject_Call(make.get(), none.get(), options.get()));
  if (!thread || !PyRef::steal(PyObject_CallMethod(thread.get(), "start", nullptr))) return {};
  return thread;
}

PyObject* note_thread(PyObject* capsule, PyObject*) {
  *static_cast<std::thread::id*>(PyCapsule_GetPointer(capsule, nullptr)) = std::this_thread::get_id();
  Py_RETURN_NONE;
}

PyMethodDef kNoteThread{"note", note_thread, METH_NOARGS, "Tells which thread it was called on."};

// Whether Python's threads are threads of the system. Those that gevent or eventlet put in their place run on this one, which would
// wait for what it alone can do. True when that cannot be told: starting the threads that serve tells why.
bool threads_are_real() {
  static std::thread::id noted;  // outlives a thread that nobody could wait for
  const PyRef thread = start_thread(kNoteThread, &noted, 0);
  if (thread && PyRef::steal(PyObject_CallMethod(thread.get(), "join", nullptr)))
    return noted != std::this_thread::get_id();
  PyErr_Clear();
  return true;
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
      if (::poll(&wait, 1, beat) > 0 && (wait.revents & POLLIN) != 0 &&
          ::read(serving.finished.get(), &count, sizeof count) == static_cast<ssize_t>(sizeof count))
        ended += count;
    }
    if (!context.bells_alive()) return broken_channel(context);
    context.channel().phase.renew(worker::coarse_us());  // with the GIL: a thread that keeps it for itself stops this
    if (PyErr_CheckSignals() == 0) continue;
    if (PyErr_ExceptionMatches(PyExc_SystemExit) != 0) {
      PyErr_Clear();
      return kExitOk;  // at once: the threads are daemons
    }
    log_error("Exception in a signal handler");
  }
  left = false;
  return serving.broken.load(std::memory_order_relaxed) ? broken_channel(context) : kExitOk;
}

// What the application registered with prefork.on_worker_start. False when one failed: the worker does not serve.
bool run_start_hooks() {
  if (call_boot("start_worker", "()")) return true;
  log_error("Exception in on_worker_start");
  return false;
}

// All of prefork.on_worker_stop, whatever one of them raises.
void run_stop_hooks() {
  for (;;) {
    const PyRef ran = call_boot("stop_worker", "()");
    if (ran && ran.get() == Py_False) return;
    // QUIT may come meanwhile: the worker goes as it is.
    if (!ran && !drop_exit(quitting())) log_error("Exception in on_worker_stop");
  }
}

int serve_until_told(Startup& startup, Serving& serving, unsigned threads) {
  if (threads == 1) return serve_here(serving);
  left = true;  // until the last has ended
  for (unsigned i = 1; i <= threads; ++i) {
    if (start_thread(kServeThread, &serving, i)) continue;
    if (drop_exit(quitting())) return kExitOk;
    log_error("A thread cannot be started");
    return kExitBoot;
  }
  return watch_threads(startup.context, serving, threads);
}

}  // namespace

bool threads_left() { return left; }

unsigned threads_of(const worker::Context& context) {
  return static_cast<unsigned>(std::max(1L, context.settings().number("threads", 1)));
}

int serve_threads(Startup& startup, wire::Interface interface, unsigned threads,
                  std::unique_ptr<worker::Application> application) {
  if (threads > 1 && !threads_are_real()) {
    log(Level::Error,
        "The application has replaced Python's threads by others that run on the main thread, as gevent and eventlet "
        "do: serve it with --threads 1, or leave threads as they are (gevent: monkey.patch_all(thread=False))");
    return kExitApp;
  }
  // Threads that outlive the main thread's patience (QUIT) still look at it: it is never taken down.
  auto& serving = *new Serving{worker::SyncRunner(startup.context), std::move(application),
                               shm::UniqueFd(worker::out_of_the_way(::eventfd(0, EFD_CLOEXEC)))};
  if (!run_start_hooks()) return kExitBoot;
  on_stop([&serving] {
    const GilFree free;
    serving.runner.stop();
  });
  if (stopping()) return kExitOk;
  startup.context.ready(interface, threads);
  const int status = serve_until_told(startup, serving, threads);
  run_stop_hooks();
  call_own_term();
  return status;
}

}  // namespace prefork::bridge

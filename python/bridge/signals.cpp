#include "python/bridge/signals.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <utility>

#include "python/bridge/error.hpp"
#include "python/bridge/forked.hpp"
#include "python/bridge/log.hpp"

namespace prefork::bridge {
namespace {

// Python calls handlers in the main thread, between two of its instructions, so plain variables do.
Hooks* hooks = nullptr;
std::function<void()> stop;
bool masters_to_stop = false;
bool quit_came = false;
bool stop_came = false;

void die_of(int number) {
  ::signal(number, SIG_DFL);
  ::raise(number);
}

// A child that the application forked has no master: it dies of the signal. Here for what is still ours there, and for what the
// application's own handler passes on.
void die_if_child(int number) {
  if (is_forked_child()) die_of(number);
}

// Code that is being imported expects no SystemExit between any two of its instructions: some of it swallows that, some turns it into
// an error of its own. So nothing is unwound.
[[noreturn]] void end_import() {
  hooks->run(Hook::WorkerExit);
  end_unserved();
}

PyObject* on_term(PyObject*, PyObject*) {
  die_if_child(SIGTERM);
  if (masters_to_stop) Py_RETURN_NONE;
  stop_came = true;
  if (!stop) end_import();
  stop();
  if (PyErr_Occurred() != nullptr) return nullptr;
  Py_RETURN_NONE;
}

PyObject* on_quit(PyObject*, PyObject*) {
  die_if_child(SIGQUIT);
  if (masters_to_stop) Py_RETURN_NONE;
  quit_came = stop_came = true;
  hooks->run(Hook::WorkerInt);
  if (!stop) end_import();
  stop();
  // Unwinds whatever the main thread runs; what catches it meets the master's KILL.
  PyErr_SetNone(PyExc_SystemExit);
  return nullptr;
}

// The request that made the master lose patience is still on the stack: nothing of it is worth unwinding.
PyObject* on_abort(PyObject*, PyObject*) {
  die_if_child(SIGABRT);
  log(Level::Critical, "Worker aborted: it gave no sign of life");
  hooks->run(Hook::WorkerAbort);
  hooks->run(Hook::WorkerExit);
  flush_streams();
  ::_exit(1);
}

// faulthandler's stack for signal handlers, which Python's own handlers use too, has room for a few of them at once; with the registers
// of AVX-512 saved in each frame a handful of different signals wrote over the memory below it.
void use_large_signal_stack() {
  constexpr std::size_t kBytes = 128 * 1024;
  void* const memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return;
  stack_t stack{};
  stack.ss_sp = memory;
  stack.ss_size = kBytes;
  ::sigaltstack(&stack, nullptr);  // lives as long as the process
}

void run_exit_functions() {
  const PyRef module = PyRef::steal(PyImport_ImportModule("atexit"));
  if (!module || !PyRef::steal(PyObject_CallMethod(module.get(), "_run_exitfuncs", nullptr))) PyErr_Clear();
  flush_streams();
}

PyObject* on_nothing(PyObject*, PyObject*) { Py_RETURN_NONE; }

// What Python calls for a signal; empty with the error set.
PyRef handler_of(PyObject* module, int number) {
  return PyRef::steal(PyObject_CallMethod(module, "getsignal", "i", number));
}

bool is_ours(PyObject* handler, PyCFunction ours) {
  return PyCFunction_Check(handler) && PyCFunction_GetFunction(handler) == ours;
}

// In a child of the application: a Python handler waits for the child's next Python instruction, which one that sleeps in C, as the idle
// ones of multiprocessing.Pool do, may never come to. What the application has set itself stays.
PyObject* reset_stops(PyObject*, PyObject*) {
  const PyRef module = PyRef::steal(PyImport_ImportModule("_signal"));
  const PyRef default_handler = module ? PyRef::steal(PyObject_GetAttrString(module.get(), "SIG_DFL")) : PyRef{};
  for (const auto& [number, ours] : {std::pair{SIGTERM, &on_term}, std::pair{SIGQUIT, &on_quit}}) {
    if (!default_handler) return nullptr;
    const PyRef handler = handler_of(module.get(), number);
    if (!handler) return nullptr;
    if (!is_ours(handler.get(), ours)) continue;
    const PyRef old = PyRef::steal(PyObject_CallMethod(module.get(), "signal", "iO", number, default_handler.get()));
    if (!old) return nullptr;
  }
  Py_RETURN_NONE;
}

PyMethodDef kTerm{"on_term", on_term, METH_VARARGS, "Finishes the requests that are started, then the worker exits."};
PyMethodDef kQuit{"on_quit", on_quit, METH_VARARGS, "The worker exits at once."};
PyMethodDef kAbort{"on_abort", on_abort, METH_VARARGS, "The worker was found to hang."};
PyMethodDef kResetStops{"reset_stops", reset_stops, METH_NOARGS, "A child of the application dies of TERM and QUIT."};
PyMethodDef kNothing{"on_nothing", on_nothing, METH_VARARGS,
                     "Does nothing: this signal is for the server's master process."};

void require(bool ok) {
  if (!ok) throw std::runtime_error("signal handlers: " + take_traceback());
}

void install(PyObject* module, int number, PyMethodDef& method) {
  const PyRef handler = PyRef::steal(PyCFunction_New(&method, nullptr));
  require(bool(handler));
  const PyRef old = PyRef::steal(PyObject_CallMethod(module, "signal", "iO", number, handler.get()));
  require(bool(old));
}

}  // namespace

void install_signals(Hooks& worker_hooks) {
  hooks = &worker_hooks;
  const PyRef module = PyRef::steal(PyImport_ImportModule("_signal"));
  require(bool(module));
  install(module.get(), SIGTERM, kTerm);
  install(module.get(), SIGQUIT, kQuit);
  install(module.get(), SIGABRT, kAbort);
  for (const int number : {SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH}) install(module.get(), number, kNothing);
  // After the handlers: faulthandler dumps every thread's stack at ABRT and then goes on to ours.
  const PyRef faulthandler = PyRef::steal(PyImport_ImportModule("faulthandler"));
  require(bool(faulthandler));
  const PyRef enabled = PyRef::steal(PyObject_CallMethod(faulthandler.get(), "enable", nullptr));
  require(bool(enabled));
  use_large_signal_stack();
}

void reset_stops_in_children() {
  const PyRef os = PyRef::steal(PyImport_ImportModule("os"));
  require(bool(os));
  const PyRef hook = PyRef::steal(PyObject_GetAttrString(os.get(), "register_at_fork"));
  const PyRef function = PyRef::steal(PyCFunction_New(&kResetStops, nullptr));
  const PyRef none = PyRef::steal(PyTuple_New(0));
  require(hook && function && none);
  const PyRef options = PyRef::steal(Py_BuildValue("{sO}", "after_in_child", function.get()));
  require(options && PyRef::steal(PyObject_Call(hook.get(), none.get(), options.get())));
}

void leave_stops_to_master() { masters_to_stop = true; }

void use_hooks(Hooks& worker_hooks) {
  hooks = &worker_hooks;
  masters_to_stop = false;
}

void on_stop(std::function<void()> function) { stop = std::move(function); }

void end_unserved() {
  run_exit_functions();
  die_of(SIGTERM);
  ::_exit(0);  // it is blocked
}

void end_beside_threads(int status) {
  const PyRef threading = PyRef::steal(PyImport_ImportModule("threading"));
  if (!threading || !PyRef::steal(PyObject_CallMethod(threading.get(), "_shutdown", nullptr)))
    log_error("Exception at the end of the worker");
  run_exit_functions();
  ::_exit(status);
}

bool drop_exit(bool told) {
  if (!told || PyErr_ExceptionMatches(PyExc_SystemExit) == 0) return false;
  PyErr_Clear();
  return true;
}

bool quitting() { return quit_came; }
bool stopping() { return stop_came; }

void call_own_term() {
  if (stopping()) return;  // it was called then, or was not there
  on_stop([] {});          // a handler that goes on to ours stops nothing twice
  const PyRef module = PyRef::steal(PyImport_ImportModule("_signal"));
  const PyRef handler = module ? handler_of(module.get(), SIGTERM) : PyRef{};
  // SIG_DFL and SIG_IGN are numbers.
  if (handler && (PyCallable_Check(handler.get()) == 0 || is_ours(handler.get(), on_term))) return;
  if (handler && PyRef::steal(PyObject_CallFunction(handler.get(), "iO", SIGTERM, Py_None))) return;
  if (!drop_exit(true)) log_error("Exception in a signal handler");
}

}  // namespace prefork::bridge

// The GIL: held by a thread that serves, for as long as it serves; let go only around real sleeps, which is what SleepHooks are for.
#pragma once

#include <unistd.h>

#include "python/bridge/ref.hpp"
#include "worker/crew.hpp"

namespace prefork::bridge {

// While the interpreter is taken down, at the end of a worker, CPython before 3.14 ends a thread that comes for the GIL, by unwinding its
// stack: objects that lie on it would be let go without the GIL, and a destructor cannot be unwound at all. A daemon thread of the
// application's that comes here then stays, as one of 3.14 does, until the process has ended.
inline void take_gil(PyThreadState* state) {
  try {
    PyEval_RestoreThread(state);
  } catch (...) {
    for (;;) ::pause();
  }
}

// A scope without the GIL. No Python in it.
class GilFree {
 public:
  GilFree() : state_(PyEval_SaveThread()) {}
  ~GilFree() { take_gil(state_); }
  GilFree(const GilFree&) = delete;
  GilFree& operator=(const GilFree&) = delete;

 private:
  PyThreadState* state_;
};

// What a thread that holds the GIL does around a sleep. The thread state is kept a thread, not here: an application may hand its
// request over to a thread of its own, which then waits in the place of the one that these hooks were made for.
class GilHooks : public worker::SleepHooks {
 public:
  void before_sleep() override { saved_ = PyEval_SaveThread(); }
  void after_sleep() override { take_gil(saved_); }
  // Runs Python's signal handlers (in the main thread; in others this does nothing). One that raised ends the wait; its error is set.
  bool interrupted() override { return PyErr_CheckSignals() != 0; }

 private:
  static inline thread_local PyThreadState* saved_ = nullptr;
};

}  // namespace prefork::bridge

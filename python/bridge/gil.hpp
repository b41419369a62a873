// The GIL: held by a thread that serves, for as long as it serves; let go only around real sleeps, which is what SleepHooks are for.
#pragma once

#include "python/bridge/ref.hpp"
#include "worker/crew.hpp"

namespace prefork::bridge {

// A scope without the GIL. No Python in it.
class GilFree {
 public:
  GilFree() : state_(PyEval_SaveThread()) {}
  ~GilFree() { PyEval_RestoreThread(state_); }
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
  void after_sleep() override { PyEval_RestoreThread(saved_); }
  // Runs Python's signal handlers (in the main thread; in others this does nothing). One that raised ends the wait; its error is set.
  bool interrupted() override { return PyErr_CheckSignals() != 0; }

 private:
  static inline thread_local PyThreadState* saved_ = nullptr;
};

}  // namespace prefork::bridge

// Serves a sync application: each thread that calls serve() takes requests until the worker is told to stop.
#pragma once

#include <cstdint>

#include "shm/atomic.hpp"
#include "worker/application.hpp"

namespace prefork::worker {

class SyncRunner {
 public:
  explicit SyncRunner(Context& context);

  enum class Ended { Drained, Interrupted, Broken };
  // Call it on as many threads as the worker has, after Context::ready().
  Ended serve(SleepHooks& hooks, Application& application);

  // Makes every serve() return after the request it runs. From any thread.
  void stop();

  Crew& crew() { return crew_; }
  const Context& context() const { return context_; }

 private:
  enum class Next { Job, Drained, Interrupted, Broken };
  Next next(SleepHooks& hooks, Job& job);

  Context& context_;
  Crew crew_;
  std::uint64_t body_window_;
  shm::Atomic<bool> stopping_{false};
};

}  // namespace prefork::worker

// Keeps as many workers as were asked for: spawns them, waits for their Ready, replaces what dies, hangs, wears out or misbehaves,
// exchanges one generation for the next, and ends them. Everything that happens leads to reconcile(), which looks at what there is and
// starts or retires workers until it is what there should be:
//
//   Starting --Ready--> Ready --retire--> Retiring --exit--> gone        outdated: a Ready one to be replaced by a fresh one,
//      \------------------ exit or kill at any time ----------^          which must be Ready first
//
// Owned by the Server, on its loop's thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "master/dispatch/dispatcher.hpp"
#include "master/process/descriptors.hpp"
#include "master/process/mold.hpp"
#include "master/process/worker_process.hpp"
#include "master/serve/error_log.hpp"

namespace prefork::process {

struct SupervisorPolicy {
  unsigned workers = 1;
  bool surge = false;                 // a reload starts all new workers at once
  bool development = false;           // --reload: old code serves nobody, and code that fails is not tried again
  bool one_thread = true;             // a sync worker runs one request at a time
  std::uint64_t boot_timeout_ms = 0;  // 0: no limit, as for all of these
  std::uint64_t graceful_timeout_ms = 0;
  std::uint64_t timeout_ms = 0;
  std::uint64_t max_lifetime_ms = 0;
  std::uint64_t max_requests = 0;
  std::uint64_t max_requests_jitter = 0;
  std::uint64_t max_rss = 0;
  shm::Geometry geometry = {};
};

class Supervisor : public dispatch::WorkerKeeper {
 public:
  // What the server hears.
  struct Events {
    std::function<void()> started;                             // the first generation serves
    std::function<void(int code)> halt;                        // nobody ever served: a worker's exit status 3 or 4
    std::function<void(int pid, unsigned age)> spawning = {};  // pid 0: it has none yet
    std::function<void(const dispatch::WorkerIdentity& worker)> exited = {};
    std::function<void(unsigned now, unsigned before)> resized = {};
    std::function<void(serve::RestartCause)> replaced = {};  // a worker that was not simply one too many has gone
    std::function<void()> mold_formed = {};                  // before it forks anybody
  };
  // Says how a reload ended: nothing, or why the old generation stays.
  using Reloaded = std::function<void(const std::string& failure)>;

  Supervisor(net::Loop& loop, dispatch::Dispatcher& dispatcher, serve::ErrorLog& log, WorkerCommand command,
             const SupervisorPolicy& policy, Events events);
  ~Supervisor() override;

  void start();
  // With preload: makes the process that loads the application, ahead of start(). False: it cannot be made, which was logged.
  bool form_mold();
  Mold* mold() const { return mold_.get(); }  // what forks new workers; null without preload, and while there is none
  Mold* mold_of(std::uint32_t generation) const;
  std::vector<const Mold*> molds() const;  // all that run, the newest first
  Mold* serving_mold() const { return mold_of(reloading_ ? serving_generation_ : generation_); }
  // When the server has nothing more for it to do. Waits.
  void end_molds(std::chrono::milliseconds most);
  bool adopts() const { return bool(children_); }  // orphans are ours to reap
  bool forking() const;                            // one of our children may be a worker that we are still to hear of
  bool owns(int pid) const;

  // Starts generation N+1; `done` comes when it serves alone, or when it does not come up and N stays. One that is to come up still is
  // given up for it; of that one `done` never comes.
  void reload(WorkerCommand command, const SupervisorPolicy& policy, Reloaded done);
  bool reloading() const { return reloading_; }
  // In development: the traceback of the last start that failed, else what is known of it.
  const std::string& failure() const { return failure_; }
  void set_workers(unsigned workers);
  unsigned workers() const { return policy_.workers; }
  // No workers until resume(): the predecessor of an upgrade.
  void suspend();
  void resume();
  bool suspended() const { return suspended_; }

  // No more replacements; every worker finishes what it runs and goes. quit(): at once, by `signal`.
  void stop();
  void quit(int signal);
  bool stopping() const { return stopping_; }

  std::size_t running() const { return workers_.size(); }
  std::uint32_t generation() const { return generation_; }
  const std::vector<std::unique_ptr<WorkerProcess>>& all() const { return workers_; }

  void on_ready(dispatch::WorkerLink& link) override;
  void on_bad_record(dispatch::WorkerLink& link, const char* why) override;
  void on_retire_wish(dispatch::WorkerLink& link) override;
  void on_request_finished(dispatch::WorkerLink& link) override;

 private:
  struct Census {
    unsigned fresh_ready = 0, fresh_starting = 0, outdated_ready = 0, outdated_starting = 0, retiring = 0;
    unsigned live() const { return fresh_ready + fresh_starting + outdated_ready; }
    unsigned ready() const { return fresh_ready + outdated_ready; }
  };

  static constexpr std::uint64_t kHealthyMs = 5'000;  // a process that lived so long did not fail at its start

  bool outdated(const WorkerProcess& worker) const;
  Census count() const;
  void reconcile();
  void spawn_missing(const Census& census);
  unsigned extra_allowed(const Census& census) const;
  bool spawn();
  std::string advice(const std::exception& error) const;
  unsigned free_id() const;
  void retire_surplus(Census& census);
  WorkerProcess* oldest_ready(bool outdated_ones) const;
  void retire(WorkerProcess& worker);
  void end_starting(WorkerProcess& worker);
  void fail_reload(const std::string& why);
  void finish_reload();
  void note_failure(const std::string& why);
  WorkerProcess* find(const dispatch::WorkerLink& link) const;
  WorkerProcess* find(unsigned age) const;

  // supervisor_exit.cpp
  void on_exit(WorkerProcess& worker, ExitStatus status);
  void bury(WorkerProcess& worker, bool trusted);
  void say_exit(const WorkerProcess& worker, ExitStatus status);
  void count_exit(const WorkerProcess& worker, bool started) const;
  void boot_failed(const WorkerProcess& worker, ExitStatus status);
  bool halts(ExitStatus status);
  static std::string reason(ExitStatus status);
  void back_off();

  // supervisor_mold.cpp
  void retire_mold(std::unique_ptr<Mold> mold);
  void retire_older_molds();
  void on_forked(unsigned age, int pid);
  void on_not_forked(unsigned age, const std::string& why);
  void on_mold_exit(Mold& mold, ExitStatus status);
  void forget_unborn();
  void watch_children();
  void look_for_ends();

  // supervisor_watch.cpp
  void arm();
  void tick();
  void awake_again(std::uint64_t now_ms);
  void keep_deadline(WorkerProcess& worker, std::uint64_t now_ms);
  void look_for_wear(WorkerProcess& worker, std::uint64_t now_ms);
  void look_for_hang(WorkerProcess& worker);
  void end_hung(WorkerProcess& worker, http::Exchange* guilty);

  net::Loop& loop_;
  dispatch::Dispatcher& dispatcher_;
  serve::ErrorLog& log_;
  WorkerCommand command_;
  WorkerCommand previous_command_;  // while reloading_: what serves when the new one does not come up
  SupervisorPolicy policy_;
  SupervisorPolicy previous_policy_;
  Events events_;
  Reloaded reloaded_;
  std::string failure_;
  DescriptorReserve reserve_;
  shm::BellFds bell_;
  net::UvHandle<uv_poll_t> bell_poll_;
  std::unique_ptr<Mold> mold_;                      // of the generation that new workers belong to
  std::vector<std::unique_ptr<Mold>> older_molds_;  // while workers of theirs live, and the serving one in a reload
  std::vector<std::unique_ptr<Mold>> gone_molds_;   // until they have ended and the next tick
  net::UvHandle<uv_signal_t> children_;             // SIGCHLD, once there has been a mold
  std::vector<std::unique_ptr<WorkerProcess>> workers_;
  std::vector<std::unique_ptr<WorkerProcess>> gone_;  // until the next tick: its own frame may be on the stack
  net::Timer timer_;
  std::uint64_t sampled_ms_ = 0;
  std::uint64_t awake_since_ms_ = 0;  // when the process was last found to have stood still
  std::uint32_t generation_ = 1;      // what new workers belong to
  std::uint32_t serving_generation_ = 1;
  std::uint32_t last_generation_ = 1;
  unsigned age_ = 0;
  std::uint64_t back_off_ms_ = 0;
  std::uint64_t blocked_until_ms_ = 0;  // no spawning before
  bool started_ = false;                // as many as were asked for have been ready
  bool ever_ready_ = false;             // one has
  bool reloading_ = false;
  bool suspended_ = false;
  bool stopping_ = false;
  bool reconciling_ = false;
};

}  // namespace prefork::process

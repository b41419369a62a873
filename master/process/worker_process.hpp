// One worker process and the memory it shares with us: spawned by fork+exec or forked by a mold, told apart by its pid, gone when it is
// reaped. Owned by the Supervisor.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "master/dispatch/worker_link.hpp"
#include "master/net/loop.hpp"
#include "master/process/spawn.hpp"
#include "master/serve/metrics.hpp"
#include "shm/doorbell.hpp"
#include "shm/fd.hpp"

namespace prefork::process {

class Mold;

// What the Supervisor knows of a worker. Times are the loop's milliseconds, 0: never.
struct WorkerNotes {
  bool was_ready = false;
  bool worn = false;         // a fresh one shall take its place
  bool ending = false;       // it was told to go
  bool aborted = false;      // it hung
  std::uint64_t due_ms = 0;  // it is killed then
  std::uint64_t most_requests = 0;
  std::uint64_t resident_bytes = 0;
  std::string cause;                                // why it was killed
  std::optional<serve::RestartCause> replaced_for;  // for the numbers; what went wrong first counts
  std::vector<std::string> was_running;
};

class WorkerProcess {
 public:
  using Exited = std::function<void(WorkerProcess&, ExitStatus)>;

  // Throws std::system_error when the process cannot be made. `loop_bell` is the loop's one bell for all workers. With a mold the
  // process is there when that has answered; the mold must live until then.
  WorkerProcess(net::Loop& loop, dispatch::Dispatcher& dispatcher, const WorkerCommand& command,
                const shm::Geometry& geometry, const shm::BellFds& loop_bell, dispatch::WorkerIdentity identity,
                Mold* mold, Exited exited);

  WorkerNotes notes;

  dispatch::WorkerLink& link() { return *link_; }
  const dispatch::WorkerLink& link() const { return *link_; }
  const dispatch::WorkerIdentity& identity() const { return link_->identity(); }
  int pid() const { return pid_; }  // 0: the mold has not made it yet
  bool running() const { return running_; }
  void kill(int signal);  // one that is to come gets it then
  std::uint64_t started_ms() const { return started_ms_; }

  // Forked by a mold.
  bool unborn() const { return running_ && pid_ == 0; }
  Mold* mold() const { return unborn() ? mold_ : nullptr; }
  void born(int pid, std::uint64_t now_ms);
  void never_born() { running_ = false; }
  bool withdraw();      // never_born(), when the mold has not heard of it
  bool look_for_end();  // some child has ended: calls `exited` if it was this one

 private:
  void start(net::Loop& loop, const WorkerCommand& command, const shm::Geometry& geometry,
             const shm::BellFds& loop_bell, int side);
  void fork(const shm::Geometry& geometry, const shm::BellFds& loop_bell, int side);

  shm::BellFds worker_bell_;
  shm::UniqueFd side_;
  std::unique_ptr<dispatch::WorkerLink> link_;
  net::UvHandle<uv_process_t> process_;
  Exited exited_;
  dispatch::WorkerIdentity identity_;
  Mold* mold_;
  int pid_ = 0;
  int signal_ = 0;  // what it gets when it is born
  bool running_ = false;
  std::uint64_t started_ms_ = 0;
};

}  // namespace prefork::process

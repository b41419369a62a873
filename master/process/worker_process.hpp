// One worker process and the memory it shares with us: spawned by fork+exec, told apart by its pid, gone when it is reaped.
// Owned by the Supervisor.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "master/dispatch/worker_link.hpp"
#include "master/net/loop.hpp"
#include "master/serve/metrics.hpp"
#include "shm/doorbell.hpp"
#include "shm/fd.hpp"
#include "shm/wire/settings.hpp"

namespace prefork::process {

struct WorkerCommand {
  std::string executable;
  std::vector<std::string> environment;  // KEY=VALUE, in place of ours
  wire::Settings settings;
  int stdout_fd = 1;  // what the worker gets as its own; borrowed
  int stderr_fd = 2;
};

struct ExitStatus {
  int code = 0;
  int signal = 0;
};

// What the Supervisor knows of a worker. Times are the loop's milliseconds, 0: never.
struct WorkerNotes {
  bool was_ready = false;
  bool worn = false;         // a fresh one shall take its place
  bool ending = false;       // it was told to go
  bool aborted = false;      // it hung
  std::uint64_t due_ms = 0;  // it is killed then
  std::uint64_t ready_ms = 0;
  std::uint64_t most_requests = 0;
  std::uint64_t resident_bytes = 0;
  std::string cause;                                // why it was killed
  std::optional<serve::RestartCause> replaced_for;  // for the numbers; what went wrong first counts
  std::vector<std::string> was_running;
};

class WorkerProcess {
 public:
  using Exited = std::function<void(WorkerProcess&, ExitStatus)>;

  // Throws std::system_error when the process cannot be made. `loop_bell` is the loop's one bell for all workers.
  WorkerProcess(net::Loop& loop, dispatch::Dispatcher& dispatcher, const WorkerCommand& command,
                const shm::Geometry& geometry, const shm::BellFds& loop_bell, dispatch::WorkerIdentity identity,
                Exited exited);

  WorkerNotes notes;

  dispatch::WorkerLink& link() { return *link_; }
  const dispatch::WorkerLink& link() const { return *link_; }
  const dispatch::WorkerIdentity& identity() const { return link_->identity(); }
  int pid() const { return pid_; }
  bool running() const { return running_; }
  void kill(int signal);
  std::uint64_t started_ms() const { return started_ms_; }

 private:
  void spawn(net::Loop& loop, const WorkerCommand& command, const shm::Geometry& geometry,
             const shm::BellFds& loop_bell, int side, int settings);

  shm::BellFds worker_bell_;
  shm::UniqueFd side_;
  std::unique_ptr<dispatch::WorkerLink> link_;
  net::UvHandle<uv_process_t> process_;
  Exited exited_;
  dispatch::WorkerIdentity identity_;
  int pid_ = 0;
  bool running_ = false;
  std::uint64_t started_ms_ = 0;
};

}  // namespace prefork::process

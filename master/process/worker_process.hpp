// One worker process and the memory it shares with us: spawned by fork+exec, told apart by its pid, gone when it is reaped.
// Owned by the Supervisor.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "master/dispatch/worker_link.hpp"
#include "master/net/loop.hpp"
#include "shm/doorbell.hpp"
#include "shm/fd.hpp"
#include "shm/wire/settings.hpp"

namespace prefork::process {

struct WorkerCommand {
  std::string executable;
  std::vector<std::string> environment;  // KEY=VALUE, added to ours
  wire::Settings settings;
};

struct ExitStatus {
  int code = 0;
  int signal = 0;
};

class WorkerProcess {
 public:
  using Exited = std::function<void(WorkerProcess&, ExitStatus)>;

  // Throws std::system_error when the process cannot be made. `loop_bell` is the loop's one bell for all workers.
  WorkerProcess(net::Loop& loop, dispatch::Dispatcher& dispatcher, const WorkerCommand& command, const shm::Geometry& geometry,
                const shm::BellFds& loop_bell, dispatch::WorkerIdentity identity, Exited exited);

  dispatch::WorkerLink& link() { return *link_; }
  int pid() const { return pid_; }
  bool running() const { return running_; }
  void kill(int signal);
  std::uint64_t started_ms() const { return started_ms_; }

 private:
  void spawn(net::Loop& loop, const WorkerCommand& command, const shm::Geometry& geometry, const shm::BellFds& loop_bell, int side, int settings);

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

// How a process of the worker's executable is started: its settings, environment and output, and the descriptors that it is attached to.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "master/net/loop.hpp"
#include "shm/fd.hpp"
#include "shm/layout.hpp"
#include "shm/wire/settings.hpp"

namespace prefork::process {

// Where the process finds the memory of prefork.shared: behind everything else.
constexpr int kSharedFd = 8;
// With --reload: where it leaves the traceback that ended its start.
constexpr int kFailureFd = 9;

struct WorkerCommand {
  std::string executable;
  std::string directory;                 // where it starts; empty: in ours
  std::vector<std::string> environment;  // KEY=VALUE, in place of ours
  wire::Settings settings;
  int stdout_fd = 1;  // what the worker gets as its own; borrowed
  int stderr_fd = 2;
  int shared_fd = -1;                      // the memory of prefork.shared; borrowed; -1: none
  bool preload = false;                    // a mold forks the workers
  std::shared_ptr<shm::UniqueFd> failure;  // with --reload: a file that all workers of the command share
};

struct ExitStatus {
  int code = 0;
  int signal = 0;

  // Ended by a signal that somebody sends to end a process, or that ends one which has no handlers yet: no fault of its own.
  bool was_told() const;
};

// What went wrong last in a worker of this command, as Python says it; empty: nothing that a worker could tell.
std::string failure_text(const WorkerCommand& command);
std::shared_ptr<shm::UniqueFd> failure_file();  // throws std::system_error

// The settings as a file that the process reads to its end. Throws std::system_error.
shm::UniqueFd settings_file(const wire::Settings& settings);

// The one argument of such a process (worker::Attachment): region, own bell, the master's bell, side socket, settings, id, age.
std::string attachment_text(const shm::Geometry& geometry, std::span<const int, 7> numbers);

// The first descriptor behind the standard ones.
constexpr int kFirstFd = 3;

// Starts it; `descriptors` become kFirstFd and so on there. Throws std::system_error. `handle->data` may be set before.
void spawn(net::Loop& loop, net::UvHandle<uv_process_t>& handle, const WorkerCommand& command,
           const std::string& attachment, std::span<const int> descriptors, uv_exit_cb exited);

}  // namespace prefork::process

#include "master/process/worker_process.hpp"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "master/process/mold.hpp"
#include "shm/fault.hpp"

namespace prefork::process {

WorkerProcess::WorkerProcess(net::Loop& loop, dispatch::Dispatcher& dispatcher, const WorkerCommand& command,
                             const shm::Geometry& geometry, const shm::BellFds& loop_bell,
                             dispatch::WorkerIdentity identity, Mold* mold, Exited exited)
    : worker_bell_(shm::make_bell()),
      exited_(std::move(exited)),
      identity_(identity),
      mold_(mold),
      started_ms_(loop.now_ms()) {
  std::array<int, 2> sides{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sides.data()) != 0) {
    throw std::system_error(errno, std::system_category(), "a socket pair for a worker");
  }
  side_.reset(sides[0]);
  const shm::UniqueFd worker_side(sides[1]);
  link_ =
      std::make_unique<dispatch::WorkerLink>(dispatcher, shm::Region::create(shm::Layout(geometry).total), geometry,
                                             loop_bell.wait.get(), worker_bell_.signal_fd(), side_.get(), identity_);
  PREFORK_FAULT_POINT("master.spawn");
  if (mold != nullptr) {
    fork(geometry, loop_bell, worker_side.get());
  } else {
    start(loop, command, geometry, loop_bell, worker_side.get());
  }
  running_ = true;
}

void WorkerProcess::start(net::Loop& loop, const WorkerCommand& command, const shm::Geometry& geometry,
                          const shm::BellFds& loop_bell, int side) {
  const shm::UniqueFd settings = settings_file(command.settings);
  const std::array<int, 5> descriptors{link_->region().fd(), worker_bell_.wait.get(), loop_bell.signal_fd(), side,
                                       settings.get()};
  const std::array<int, 7> numbers{kFirstFd,
                                   kFirstFd + 1,
                                   kFirstFd + 2,
                                   kFirstFd + 3,
                                   kFirstFd + 4,
                                   static_cast<int>(identity_.id),
                                   static_cast<int>(identity_.age)};
  process_.reset(new uv_process_t{});
  process_->data = this;
  spawn(loop, process_, command, attachment_text(geometry, numbers), descriptors,
        [](uv_process_t* process, std::int64_t status, int signal) {
          auto* self = static_cast<WorkerProcess*>(process->data);
          if (self == nullptr) return;
          self->running_ = false;
          self->exited_(*self, {static_cast<int>(status), signal});
        });
  pid_ = process_->pid;
  link_->set_pid(pid_);
}

void WorkerProcess::fork(const shm::Geometry& geometry, const shm::BellFds& loop_bell, int side) {
  // The mold numbers the descriptors; the settings it has.
  const std::array<int, 7> numbers{-1, -1, -1, -1, -1, static_cast<int>(identity_.id), static_cast<int>(identity_.age)};
  const std::array<int, wire::kMoldDescriptors> descriptors{link_->region().fd(), worker_bell_.wait.get(),
                                                            loop_bell.signal_fd(), side};
  mold_->fork(identity_.age, attachment_text(geometry, numbers), descriptors);
}

void WorkerProcess::born(int pid, std::uint64_t now_ms) {
  pid_ = pid;
  started_ms_ = now_ms;
  link_->set_pid(pid);
  if (signal_ != 0) kill(signal_);
}

void WorkerProcess::kill(int signal) {
  if (!running_) return;
  if (pid_ == 0) {
    signal_ = signal;
  } else if (process_) {
    uv_process_kill(process_.get(), signal);
  } else {
    ::kill(pid_, signal);  // nobody else reaps it, so the number is still its own
  }
}

bool WorkerProcess::withdraw() {
  if (!unborn() || !mold_->take_back(identity_.age)) return false;
  never_born();
  return true;
}

bool WorkerProcess::look_for_end() {
  if (!running_ || pid_ == 0 || process_) return false;
  int status = 0;
  pid_t found = 0;
  do found = ::waitpid(pid_, &status, WNOHANG);
  while (found < 0 && errno == EINTR);
  if (found != pid_) return false;
  running_ = false;
  exited_(*this, WIFSIGNALED(status) ? ExitStatus{0, WTERMSIG(status)} : ExitStatus{WEXITSTATUS(status), 0});
  return true;
}

}  // namespace prefork::process

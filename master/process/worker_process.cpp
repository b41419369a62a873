#include "master/process/worker_process.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <system_error>

extern char** environ;

namespace prefork::process {
namespace {

// Where the worker finds its descriptors; libuv puts them there between fork and exec.
enum WorkerFd { kRegionFd = 3, kOwnBellFd, kMasterBellFd, kSideFd, kSettingsFd, kFdCount };

shm::UniqueFd settings_file(const wire::Settings& settings) {
  shm::UniqueFd fd(::memfd_create("prefork-settings", MFD_CLOEXEC));
  if (!fd) throw std::system_error(errno, std::system_category(), "memory for a worker's settings");
  const std::string text = settings.encode();
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::system_error(errno, std::system_category(), "writing a worker's settings");
  }
  return fd;
}

// The first of two equal names is what a process sees.
bool replaced(std::string_view pair, const std::vector<std::string>& by) {
  const auto name = pair.substr(0, pair.find('=') + 1);
  return std::any_of(by.begin(), by.end(), [name](const std::string& one) { return one.starts_with(name); });
}

}  // namespace

WorkerProcess::WorkerProcess(net::Loop& loop, dispatch::Dispatcher& dispatcher, const WorkerCommand& command,
                             const shm::Geometry& geometry, const shm::BellFds& loop_bell,
                             dispatch::WorkerIdentity identity, Exited exited)
    : worker_bell_(shm::make_bell()), exited_(std::move(exited)), identity_(identity), started_ms_(loop.now_ms()) {
  std::array<int, 2> sides{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sides.data()) != 0) {
    throw std::system_error(errno, std::system_category(), "a socket pair for a worker");
  }
  side_.reset(sides[0]);
  const shm::UniqueFd worker_side(sides[1]);
  const shm::UniqueFd settings = settings_file(command.settings);
  link_ =
      std::make_unique<dispatch::WorkerLink>(dispatcher, shm::Region::create(shm::Layout(geometry).total), geometry,
                                             loop_bell.wait.get(), worker_bell_.signal_fd(), side_.get(), identity_);
  spawn(loop, command, geometry, loop_bell, worker_side.get(), settings.get());
  link_->set_pid(pid_);
}

void WorkerProcess::spawn(net::Loop& loop, const WorkerCommand& command, const shm::Geometry& geometry,
                          const shm::BellFds& loop_bell, int side, int settings) {
  const std::string attachment = [&] {
    std::string text = geometry.to_text();
    for (const int number : {+kRegionFd, +kOwnBellFd, +kMasterBellFd, +kSideFd, +kSettingsFd,
                             static_cast<int>(identity_.id), static_cast<int>(identity_.age)}) {
      text.append(1, ',').append(std::to_string(number));
    }
    return text;
  }();
  std::array<char*, 3> arguments{const_cast<char*>(command.executable.c_str()), const_cast<char*>(attachment.c_str()),
                                 nullptr};
  std::vector<char*> environment;
  for (char** one = environ; *one != nullptr; ++one) {
    if (!replaced(*one, command.environment)) environment.push_back(*one);
  }
  for (const auto& one : command.environment) environment.push_back(const_cast<char*>(one.c_str()));
  environment.push_back(nullptr);

  std::array<uv_stdio_container_t, kFdCount> stdio{};
  const std::array<int, kFdCount> inherited{
      0,    command.stdout_fd, command.stderr_fd, link_->region().fd(), worker_bell_.wait.get(), loop_bell.signal_fd(),
      side, settings};
  for (std::size_t i = 0; i < stdio.size(); ++i) {
    stdio[i].flags = UV_INHERIT_FD;
    stdio[i].data.fd = inherited[i];
  }
  uv_process_options_t options{};
  options.file = command.executable.c_str();
  options.args = arguments.data();
  options.env = environment.data();
  options.stdio = stdio.data();
  options.stdio_count = kFdCount;
  options.exit_cb = [](uv_process_t* process, std::int64_t status, int signal) {
    auto* self = static_cast<WorkerProcess*>(process->data);
    if (self == nullptr) return;
    self->running_ = false;
    self->exited_(*self, {static_cast<int>(status), signal});
  };
  auto* handle = new uv_process_t{};
  handle->data = this;
  const int error = uv_spawn(loop.uv(), handle, &options);
  process_.reset(handle);
  if (error != 0) throw std::system_error(-error, std::system_category(), "starting " + command.executable);
  pid_ = handle->pid;
  running_ = true;
}

void WorkerProcess::kill(int signal) {
  if (running_) uv_process_kill(process_.get(), signal);
}

}  // namespace prefork::process

#include "master/process/spawn.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "master/process/environment.hpp"
#include "shm/check.hpp"

namespace prefork::process {
namespace {

constexpr std::size_t kMostFailureBytes = 256 * 1024;

}  // namespace

bool ExitStatus::was_told() const {
  constexpr std::array kTold{SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
  return std::find(kTold.begin(), kTold.end(), signal) != kTold.end();
}

std::shared_ptr<shm::UniqueFd> failure_file() {
  auto file = std::make_shared<shm::UniqueFd>(::memfd_create("prefork-failure", MFD_CLOEXEC));
  if (!*file) throw std::system_error(errno, std::system_category(), "memory for a worker's last words");
  return file;
}

std::string failure_text(const WorkerCommand& command) {
  if (!command.failure) return {};
  std::string text(kMostFailureBytes, '\0');
  const ssize_t count = ::pread(command.failure->get(), text.data(), text.size(), 0);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

shm::UniqueFd settings_file(const wire::Settings& settings) {
  shm::UniqueFd fd(::memfd_create("prefork-settings", MFD_CLOEXEC));
  if (!fd) throw std::system_error(errno, std::system_category(), "memory for a worker's settings");
  const std::string text = settings.encode();
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::system_error(errno, std::system_category(), "writing a worker's settings");
  }
  return fd;
}

std::string attachment_text(const shm::Geometry& geometry, std::span<const int, 7> numbers) {
  std::string text = geometry.to_text();
  for (const int number : numbers) text.append(1, ',').append(std::to_string(number));
  return text;
}

void spawn(net::Loop& loop, net::UvHandle<uv_process_t>& handle, const WorkerCommand& command,
           const std::string& attachment, std::span<const int> descriptors, uv_exit_cb exited) {
  std::array<char*, 3> arguments{const_cast<char*>(command.executable.c_str()), const_cast<char*>(attachment.c_str()),
                                 nullptr};
  std::vector<char*> environment = environment_with(command.environment);
  std::vector<int> inherited{0, command.stdout_fd, command.stderr_fd};
  inherited.insert(inherited.end(), descriptors.begin(), descriptors.end());
  std::vector<uv_stdio_container_t> stdio(inherited.size());
  for (std::size_t i = 0; i < stdio.size(); ++i) {
    stdio[i].flags = UV_INHERIT_FD;
    stdio[i].data.fd = inherited[i];
  }
  const auto place = [&stdio](std::size_t number, int fd) {
    PREFORK_CHECK(stdio.size() <= number, "what has a number of its own lies behind the other descriptors");
    stdio.resize(number + 1);  // those between are ignored
    stdio.back().flags = UV_INHERIT_FD;
    stdio.back().data.fd = fd;
  };
  if (command.shared_fd >= 0) place(kSharedFd, command.shared_fd);
  if (command.failure) place(kFailureFd, command.failure->get());
  uv_process_options_t options{};
  options.file = command.executable.c_str();
  options.args = arguments.data();
  options.env = environment.data();
  // One that a deploy has removed is no reason not to start: the application may lie elsewhere.
  std::error_code gone;
  if (std::filesystem::is_directory(command.directory, gone)) options.cwd = command.directory.c_str();
  options.stdio = stdio.data();
  options.stdio_count = static_cast<int>(stdio.size());
  options.exit_cb = exited;
  const int error = uv_spawn(loop.uv(), handle.get(), &options);
  if (error != 0) throw std::system_error(-error, std::system_category(), "starting " + command.executable);
}

}  // namespace prefork::process

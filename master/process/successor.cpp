#include "master/process/successor.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "master/process/environment.hpp"
#include "shm/own_executable.hpp"

namespace prefork::process {
namespace {

constexpr int kFirstSocket = 3;

// "3,4".
std::vector<int> numbers_of(const char* text) {
  std::vector<int> all;
  std::istringstream list(text);
  for (std::string number; std::getline(list, number, ',');) all.push_back(std::atoi(number.c_str()));
  return all;
}

}  // namespace

Successor::Successor(net::Loop& loop, const SuccessorCommand& command, std::function<void()> exited)
    : exited_(std::move(exited)) {
  const std::string program = shm::own_executable();
  std::vector<char*> arguments{const_cast<char*>(program.c_str())};
  for (const std::string& one : command.arguments) arguments.push_back(const_cast<char*>(one.c_str()));
  arguments.push_back(nullptr);
  std::string numbers, foreign;
  std::vector<uv_stdio_container_t> stdio(kFirstSocket + command.sockets.size());
  for (std::size_t i = 0; i < stdio.size(); ++i) {
    stdio[i].flags = UV_INHERIT_FD;
    stdio[i].data.fd = i < kFirstSocket ? static_cast<int>(i) : command.sockets[i - kFirstSocket].fd;
    if (i < kFirstSocket) continue;
    numbers += (numbers.empty() ? "" : ",") + std::to_string(i);
    if (command.sockets[i - kFirstSocket].foreign) foreign += (foreign.empty() ? "" : ",") + std::to_string(i);
  }
  std::vector<std::string> pairs = command.environment;
  pairs.push_back("GUNICORN_FD=" + numbers);
  pairs.push_back("PREFORK_FOREIGN_FD=" + foreign);
  pairs.push_back("GUNICORN_PID=" + std::to_string(::getpid()));
  std::vector<char*> environment = environment_with(pairs);
  uv_process_options_t options{};
  options.file = program.c_str();
  options.args = arguments.data();
  options.env = environment.data();
  std::error_code gone;  // then the program itself says so
  if (std::filesystem::is_directory(command.directory, gone)) options.cwd = command.directory.c_str();
  options.stdio = stdio.data();
  options.stdio_count = static_cast<int>(stdio.size());
  options.exit_cb = [](uv_process_t* process, std::int64_t, int) {
    auto* self = static_cast<Successor*>(process->data);
    if (self != nullptr) self->exited_();
  };
  auto* handle = new uv_process_t{};
  handle->data = this;
  const int error = uv_spawn(loop.uv(), handle, &options);
  process_.reset(handle);
  if (error != 0) throw std::system_error(-error, std::system_category(), "starting " + program);
  pid_ = handle->pid;
}

Inheritance inheritance() {
  Inheritance found;
  const char* numbers = std::getenv("GUNICORN_FD");
  const char* pid = std::getenv("GUNICORN_PID");
  // Only a parent leaves something: a worker's child that happens to run a server inherits nothing.
  if (numbers != nullptr && pid != nullptr && std::atoi(pid) == ::getppid()) {
    found.predecessor = std::atoi(pid);
    const char* foreign = std::getenv("PREFORK_FOREIGN_FD");
    const auto others = foreign != nullptr ? numbers_of(foreign) : std::vector<int>{};
    for (const int fd : numbers_of(numbers))
      found.sockets.push_back({fd, std::find(others.begin(), others.end(), fd) != others.end()});
  }
  ::unsetenv("GUNICORN_FD");
  ::unsetenv("PREFORK_FOREIGN_FD");
  ::unsetenv("GUNICORN_PID");
  return found;
}

}  // namespace prefork::process

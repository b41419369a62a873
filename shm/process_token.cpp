#include "shm/process_token.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include "shm/fd.hpp"

namespace prefork::shm {
namespace {

// When a process was started, in ticks since the system was, from the 22nd field of its stat file: the second may hold anything, but
// ends with the last parenthesis. 0 when it cannot be read.
std::uint32_t start_time(long pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> text{};
  if (fd.get() < 0 || ::read(fd.get(), text.data(), text.size() - 1) <= 0) return 0;
  const char* field = std::strrchr(text.data(), ')');
  for (int number = 2; field != nullptr && number < 22; ++number) field = std::strchr(field + 1, ' ');
  return field != nullptr ? static_cast<std::uint32_t>(std::strtoull(field + 1, nullptr, 10)) : 0;
}

}  // namespace

std::uint64_t process_token() {
  struct Known {
    pid_t pid = 0;
    std::uint64_t token = 0;
  };
  thread_local Known known;
  const pid_t pid = ::getpid();
  if (known.pid != pid) known = {pid, static_cast<std::uint64_t>(pid) << 32 | start_time(pid)};
  return known.token;
}

bool token_alive(std::uint64_t token) {
  const auto pid = static_cast<pid_t>(token >> 32);
  if (pid <= 0 || (::kill(pid, 0) != 0 && errno == ESRCH)) return false;
  const std::uint32_t started = start_time(pid);
  return started == 0 || static_cast<std::uint32_t>(token) == 0 || started == static_cast<std::uint32_t>(token);
}

}  // namespace prefork::shm

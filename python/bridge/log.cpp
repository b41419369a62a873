#include "python/bridge/log.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <string>

#include "shm/atomic.hpp"

namespace prefork::bridge {
namespace {

constexpr std::array<std::string_view, 5> kNames{"debug", "info", "warning", "error", "critical"};
constexpr std::array<std::string_view, 5> kTags{"] [DEBUG] ", "] [INFO] ", "] [WARNING] ", "] [ERROR] ",
                                                "] [CRITICAL] "};

shm::Atomic<int> lowest{static_cast<int>(Level::Info)};

}  // namespace

void set_log_level(std::string_view level) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    // relaxed: set once at the start, before any other thread.
    if (kNames[i] == level) lowest.store(static_cast<int>(i), std::memory_order_relaxed);
  }
}

// relaxed: as above.
bool logs(Level level) { return static_cast<int>(level) >= lowest.load(std::memory_order_relaxed); }

void log(Level level, std::string_view text) {
  if (!logs(level)) return;
  std::array<char, 64> when{};
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  std::strftime(when.data(), when.size(), "[%Y-%m-%d %H:%M:%S %z] [", &local);
  std::string line(when.data());
  line.append(std::to_string(::getpid())).append(kTags[static_cast<std::size_t>(level)]).append(text);
  if (line.back() != '\n') line += '\n';
  write_stderr(line);
}

void write_stderr(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;  // nobody to tell
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace prefork::bridge

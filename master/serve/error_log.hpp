// What the server says: gunicorn's line, "[2026-07-01 12:00:00 +0000] [4242] [INFO] Listening at: http://127.0.0.1:8000 (4242)",
// or one JSON object a line, on a LogSink and perhaps on syslog too. Also takes lines that workers wrote to their standard error.
// There is no global one: the server owns it and hands out references. Any thread may call it; nothing waits for a device.
#pragma once

#include <unistd.h>

#include <array>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "master/serve/log_sink.hpp"
#include "shm/atomic.hpp"

namespace prefork::serve {

enum class Level : std::uint8_t { Debug, Info, Warning, Error, Critical };
inline constexpr std::size_t kLevels = 5;

// "debug", "info", "warning", "error", "critical", in any case.
[[nodiscard]] std::optional<Level> parse_level(std::string_view text);

// Colour is for people: a terminal, and neither NO_COLOR nor a dumb terminal.
bool wants_colour(int fd);

class ErrorLog {
 public:
  struct Options {
    Level level = Level::Info;
    bool json = false;
    bool colour = false;
    int pid = getpid();
  };

  // The sinks must outlive it; either may be null.
  ErrorLog(LogSink* sink, LogSink* syslog, const Options& options) : sink_(sink), syslog_(syslog), options_(options) {}
  ErrorLog(const ErrorLog&) = delete;
  ErrorLog& operator=(const ErrorLog&) = delete;

  // A reload's new sinks. On the loop's thread, and while no other thread writes.
  void use(LogSink* sink, LogSink* syslog, const Options& options) {
    sink_ = sink;
    syslog_ = syslog;
    options_ = options;
  }

  bool enabled(Level level) const { return level >= options_.level; }
  void write(Level level, std::string_view message);

  // The parts are texts and whole numbers, put together when the level is on: log.info("Listening at: ", url, " (", pid, ")").
  template <class... Parts>
  void critical(const Parts&... parts) {
    say(Level::Critical, parts...);
  }
  template <class... Parts>
  void error(const Parts&... parts) {
    say(Level::Error, parts...);
  }
  template <class... Parts>
  void warning(const Parts&... parts) {
    say(Level::Warning, parts...);
  }
  template <class... Parts>
  void info(const Parts&... parts) {
    say(Level::Info, parts...);
  }
  template <class... Parts>
  void debug(const Parts&... parts) {
    say(Level::Debug, parts...);
  }

  // A line that a worker wrote (--capture-output), without its line end. Like gunicorn, it goes to the file as it is; the JSON
  // form wraps it. Levels do not apply: the worker's own logging has decided.
  void worker_line(int worker_pid, std::string_view line);

  // Says what there is to say about a sink: dropped lines, a file that could not be reopened. Once a second.
  void say_news(LogSink& sink) {
    if (const std::string text = sink.news(); !text.empty()) write(Level::Warning, text);
  }

  // Lines of a level so far, also those that were not written because of the level; for statsd.
  std::uint64_t count(Level level) const {
    // relaxed: a number of its own.
    return counts_[static_cast<std::size_t>(level)].load(std::memory_order_relaxed);
  }

 private:
  template <class... Parts>
  void say(Level level, const Parts&... parts) {
    if (!enabled(level)) return tally(level);
    std::string message;
    (add(message, parts), ...);
    write(level, message);
  }
  static void add(std::string& to, std::string_view text) { to += text; }
  template <std::integral Number>
  static void add(std::string& to, Number number) {
    char digits[24];
    to.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  }
  void tally(Level level) {
    // relaxed: a number of its own.
    counts_[static_cast<std::size_t>(level)].fetch_add(1, std::memory_order_relaxed);
  }
  std::string text_line(Level level, std::string_view message) const;
  std::string json_line(std::string_view severity, int number, int pid, std::string_view message) const;

  LogSink* sink_;
  LogSink* syslog_;
  Options options_;
  std::array<shm::Atomic<std::uint64_t>, kLevels> counts_{};
};

}  // namespace prefork::serve

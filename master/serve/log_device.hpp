// Where lines end up: a file, a standard stream, or syslog (syslog.hpp). Used by the LogWriter's thread only, so that a call may
// take its time; still none waits for a reader: what cannot be written now stays in the chunk.
// Owned by a LogSink.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace prefork::serve {

// Numbers as in syslog (RFC 5424 6.2.1).
enum class Severity : std::uint8_t { Critical = 2, Error = 3, Warning = 4, Info = 6, Debug = 7 };

struct LogChunk {
  Severity severity = Severity::Info;
  bool whole = false;  // one message that may have several lines; else each line is a message
  std::string bytes;   // ends with a line end
  std::size_t written = 0;

  std::string_view rest() const { return std::string_view{bytes}.substr(written); }
};

class LogDevice {
 public:
  virtual ~LogDevice() = default;

  // Takes from the front of the chunk by moving `written`. 0 when all was taken, else the errno that stopped it; EAGAIN: later.
  [[nodiscard]] virtual int write(LogChunk& chunk) = 0;
  // After the file was moved away: open it anew. The errno when that failed; then the old one is kept.
  [[nodiscard]] virtual int reopen() { return 0; }
  // For messages: "/var/log/access.log", "stdout", "udp://localhost:514".
  virtual std::string_view name() const = 0;
};

// Appends to a file; a relative path is relative to where the process is now. "/dev/stdout" and "/dev/stderr" are the streams,
// also when those are sockets (which cannot be opened by name). Throws std::system_error with the path.
std::unique_ptr<LogDevice> open_log_file(const std::string& path);

// A copy of an open descriptor, 1 or 2. A pipe or a terminal is reopened if possible, because O_NONBLOCK belongs to everybody
// who shares the descriptor. Throws std::system_error when there is no such descriptor.
std::unique_ptr<LogDevice> open_log_stream(int fd, std::string name);

}  // namespace prefork::serve

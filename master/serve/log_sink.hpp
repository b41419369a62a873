// Carries lines from the loops to their files, streams and syslog without ever making a loop wait: a loop appends to its own
// buffer (AccessLog, ErrorLog), hands it over under a short lock, and one background thread of the LogWriter does the writing.
// What a full pipe, a full disk or a dead syslog does not take is kept up to a limit and then dropped, counted, and said once.
//
// The server owns one LogWriter (made after daemonising: a thread does not survive a fork) and the LogSinks it opened, which end
// before it. append(), reopen() and news() may be called from any thread. A reload opens new sinks and ends the old ones.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "master/serve/log_device.hpp"

namespace prefork::serve {

class LogWriter;

class LogSink {
 public:
  static constexpr std::size_t kLimit = 4 << 20;  // bytes that wait for a device

  // `what` is for messages: "access log".
  LogSink(LogWriter& writer, std::unique_ptr<LogDevice> device, std::string what, std::size_t limit = kLimit);
  ~LogSink();  // what it has is still written, by the LogWriter
  LogSink(const LogSink&) = delete;
  LogSink& operator=(const LogSink&) = delete;

  // Takes whole lines, leaving an empty string (with memory of an earlier one) behind.
  void append(Severity severity, std::string& lines) { hand_over(severity, false, lines); }
  // One message, which may have several lines and ends with a line end.
  void append_message(Severity severity, std::string& message) { hand_over(severity, true, message); }

  // After log rotation (USR1): what was appended before goes to the old file, if it can.
  void reopen();

  // A sentence for the error log, or nothing: trouble began, trouble ended, a file could not be reopened.
  // At most one beginning a minute. To be asked for once a second.
  std::string news();
  std::uint64_t dropped() const;  // lines, since the start

 private:
  friend class LogWriter;
  struct State;
  void hand_over(Severity severity, bool whole, std::string& bytes);

  LogWriter& writer_;
  std::shared_ptr<State> state_;
};

class LogWriter {
 public:
  LogWriter();
  ~LogWriter();  // writes what there is, for at most a second when a reader is slow
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Waits until what was appended so far has been written or dropped. False when the time was over first.
  bool sync(std::chrono::milliseconds most);

 private:
  friend class LogSink;
  using States = std::vector<std::shared_ptr<LogSink::State>>;

  void run();
  bool serve(const States& sinks);  // true when a slow device has something left

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable progress_;
  States sinks_;                // guarded by mutex_
  std::uint64_t appended_ = 0;  // guarded by mutex_: hand-overs
  std::uint64_t served_ = 0;    // guarded by mutex_: hand-overs that were tried
  bool stop_ = false;           // guarded by mutex_
  std::thread thread_;
};

}  // namespace prefork::serve

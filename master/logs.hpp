// The logs of one server, opened from its configuration: error log, access log, syslog, and the pipe through which workers' output
// comes. Made after daemonising (it has a thread); owned by the Server, used on its loop's thread. tick() once a second.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "master/config.hpp"
#include "master/net/loop.hpp"
#include "master/serve/access_log.hpp"
#include "master/serve/error_log.hpp"
#include "master/serve/line_splitter.hpp"
#include "master/serve/log_sink.hpp"
#include "shm/fd.hpp"

namespace prefork {

class Logs {
 public:
  // Throws std::system_error or std::invalid_argument with what cannot be opened or understood.
  explicit Logs(const Config& config);
  ~Logs();

  serve::ErrorLog& error() { return *error_; }
  serve::AccessLog* access() { return access_ ? &*access_ : nullptr; }  // null: nobody wants it

  // From when on workers may write to worker_stderr().
  void read_workers_on(net::Loop& loop);
  void stop_reading();  // before the loop ends

  // USR1: after log rotation.
  void reopen();
  // Flushes, and says what happened to the sinks.
  void tick();

  std::uint64_t access_dropped() const { return dropped(access_sinks_); }
  std::uint64_t error_dropped() const { return dropped(error_sinks_); }

  // What workers get as their standard error and output; 1 and 2 when those are not redirected.
  int worker_stdout() const { return capture_ && pipe_write_ ? pipe_write_.get() : 1; }
  int worker_stderr() const { return pipe_write_ ? pipe_write_.get() : 2; }

 private:
  using Sinks = std::vector<std::unique_ptr<serve::LogSink>>;
  static std::uint64_t dropped(const Sinks& sinks);
  void open_error_log(const Config& config);
  void open_access_log(const Config& config);
  void open_pipe();
  bool read_pipe();
  void worker_line(std::string_view line);

  bool capture_;
  serve::LogWriter writer_;
  Sinks error_sinks_, access_sinks_;
  std::unique_ptr<serve::ErrorLog> error_;
  std::optional<serve::AccessFormat> format_;
  std::optional<serve::AccessLog> access_;
  shm::UniqueFd pipe_read_, pipe_write_;
  serve::LineSplitter splitter_;
  net::UvHandle<uv_poll_t> pipe_poll_;
};

}  // namespace prefork

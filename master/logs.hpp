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

  serve::ErrorLog& error() { return error_; }
  serve::AccessLog* access() { return outputs_.access_log.get(); }  // null: nobody wants it

  // From when on workers may write to worker_stderr().
  void read_workers_on(net::Loop& loop);
  void stop_reading();  // before the loop ends

  // USR1: after log rotation.
  void reopen();
  // A reload: prepare() opens what a new configuration names (or throws, and nothing has changed); commit() puts it in the place of
  // what there was, which is written out first. The pipe of workers is there after prepare(), because they start before commit().
  void prepare(const Config& fresh);
  void commit();
  void forget_prepared() { prepared_.reset(); }
  // Flushes, and says what happened to the sinks.
  void tick();

  std::uint64_t access_dropped() const { return dropped(outputs_.access) + access_dropped_before_; }
  std::uint64_t error_dropped() const { return dropped(outputs_.error) + error_dropped_before_; }

  // What workers of a configuration get as their standard error and output; 1 and 2 when those are not redirected.
  int worker_stdout(const Config& config) const { return config.capture_output && pipe_write_ ? pipe_write_.get() : 1; }
  int worker_stderr(const Config& config) const { return wants_pipe(config) && pipe_write_ ? pipe_write_.get() : 2; }

 private:
  using Sinks = std::vector<std::unique_ptr<serve::LogSink>>;
  // What one configuration asks for. The access log refers to the format and to the sinks.
  struct Outputs {
    Sinks error, access;
    serve::ErrorLog::Options options;
    bool error_to_syslog = false;
    std::unique_ptr<serve::AccessFormat> format;
    std::unique_ptr<serve::AccessLog> access_log;

    serve::LogSink* error_sink() const { return error.front().get(); }
    serve::LogSink* syslog() const { return error_to_syslog ? error.back().get() : nullptr; }
  };
  static std::uint64_t dropped(const Sinks& sinks);
  static bool wants_pipe(const Config& config);
  Outputs open(const Config& config);
  void open_error_log(const Config& config, Outputs& outputs);
  void open_access_log(const Config& config, Outputs& outputs);
  void say_format();
  void open_pipe();
  bool read_pipe();
  void worker_line(std::string_view line);

  net::Loop* loop_ = nullptr;  // that reads the pipe
  serve::LogWriter writer_;
  Outputs outputs_;
  std::optional<Outputs> prepared_;
  serve::ErrorLog error_;
  std::uint64_t access_dropped_before_ = 0, error_dropped_before_ = 0;  // by what a reload has replaced
  shm::UniqueFd pipe_read_, pipe_write_;
  serve::LineSplitter splitter_;
  net::UvHandle<uv_poll_t> pipe_poll_;
};

}  // namespace prefork

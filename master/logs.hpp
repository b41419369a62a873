// The server's log: where its lines go, and the thread that carries them there. Made after daemonising, before anything is said;
// outlives everything that logs.
#pragma once

#include <memory>

#include "master/config.hpp"
#include "master/serve/error_log.hpp"
#include "master/serve/log_sink.hpp"

namespace prefork {

class Logs {
 public:
  explicit Logs(const Config& config);  // throws std::system_error when a file cannot be opened

  serve::ErrorLog& error() { return error_; }
  void reopen();  // after log rotation

 private:
  serve::LogWriter writer_;
  std::unique_ptr<serve::LogSink> sink_;
  serve::ErrorLog error_;
};

}  // namespace prefork

// The Python process that runs the master's hooks. Made only when the configuration file sets one of them and no mold runs them; one
// that dies is started again for the next hook. The protocol over its socket is told in python/prefork/_hook_process.py.
// Owned by the Server, on its loop's thread. Calls are in order and nobody waits for them, but for those that say so.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "master/net/loop.hpp"
#include "master/process/hook_runner.hpp"
#include "master/serve/error_log.hpp"
#include "shm/fd.hpp"

namespace prefork::process {

class HookProcess : public HookRunner {
 public:
  struct Command {
    std::string python;
    std::string script;
    std::string directory;                 // in front of sys.path
    std::vector<std::string> environment;  // KEY=VALUE, in place of ours
    std::string settings;                  // the configuration as JSON
    std::string kind, path;                // of the configuration file
    std::string launch_directory;          // where it is evaluated
    std::vector<std::string> hooks;
    int output_fd = 2;
  };

  // Throws std::system_error when the process cannot be made.
  HookProcess(net::Loop& loop, serve::ErrorLog& log, Command command);

  bool wants(std::string_view hook) const;
  // No more calls: it ends when it has done what it was told. Keep this object while it runs, or nobody reaps it.
  void retire();
  bool running() const { return running_; }
  void call(std::string_view hook, const Facts& facts, const WorkerFacts* worker, std::string_view arguments) override;
  std::optional<std::string> call_and_wait(std::string_view hook, const Facts& facts,
                                           std::chrono::milliseconds most) override;

  int pid() const { return process_ ? process_->pid : 0; }

 private:
  void start();
  std::uint64_t send_call(std::string_view hook, const Facts& facts, const WorkerFacts* worker,
                          std::string_view arguments);
  void send(std::string_view line);
  void flush();
  std::optional<std::string> wait_for(std::uint64_t number, std::chrono::milliseconds most);
  void watch();
  void read_answers();
  void on_exit();

  net::Loop& loop_;
  serve::ErrorLog& log_;
  Command command_;
  net::UvHandle<uv_process_t> process_;
  net::UvHandle<uv_poll_t> poll_;
  shm::UniqueFd channel_;  // closed after poll_, which looks at it
  std::string unsent_;
  std::string answers_;  // an incomplete line
  Answer last_;          // answer; its error is JSON
  std::uint64_t last_id_ = 0;
  bool running_ = false;
};

}  // namespace prefork::process

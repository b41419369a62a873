// Who runs the master's hooks (on_starting, when_ready, pre_fork, child_exit and so on), because the master has no Python: a process for
// them alone (hook_process.hpp) or, with --preload, the one that workers are forked from (mold.hpp).
// The form of a call and its answer, a line of JSON each, is told in python/prefork/_master_hooks.py.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace prefork::process {

class HookRunner {
 public:
  struct WorkerFacts {
    int pid = 0;
    unsigned age = 0;
  };
  // What hooks see of the server.
  struct Facts {
    std::vector<WorkerFacts> workers;
    unsigned wanted = 0;
  };

  virtual ~HookRunner() = default;
  // `arguments`: JSON values, separated by commas, behind server and worker. Does nothing for a hook that is not set. In order, and
  // nobody waits.
  virtual void call(std::string_view hook, const Facts& facts, const WorkerFacts* worker = nullptr,
                    std::string_view arguments = {}) = 0;
  // The same, and waits. The exception's line when it failed; also when it takes longer.
  virtual std::optional<std::string> call_and_wait(std::string_view hook, const Facts& facts,
                                                   std::chrono::milliseconds most) = 0;

  // The hooks among these that the master's process runs.
  static std::vector<std::string> masters(const std::vector<std::string>& hooks);

 protected:
  static std::string call_line(std::uint64_t id, std::string_view hook, const Facts& facts, const WorkerFacts* worker,
                               std::string_view arguments);
  struct Answer {
    std::uint64_t id = 0;
    std::string error;  // empty: it went well
  };
  static Answer answer_of(std::string_view line);
};

}  // namespace prefork::process

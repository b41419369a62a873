// When the master's hooks run. They are in a process of their own (process/hook_process.hpp), made only when there are any.
#include <stdexcept>
#include <vector>

#include "master/server_core.hpp"
#include "master/worker_command.hpp"

namespace prefork {

void Server::start_hooks(const Config& config) {
  std::erase_if(retired_hooks_, [](const auto& one) { return !one->running(); });
  if (hooks_) {
    hooks_->retire();
    retired_hooks_.push_back(std::move(hooks_));
  }
  const auto ours = process::HookProcess::masters(config.hooks);
  if (ours.empty()) return;
  hooks_ = std::make_unique<process::HookProcess>(loop_, log_, hook_command_of(config, ours, logs_));
}

process::HookProcess::Facts Server::hook_facts() const {
  process::HookProcess::Facts facts;
  facts.wanted = supervisor_.workers();
  for (const auto& worker : supervisor_.all()) facts.workers.push_back({worker->pid(), worker->identity().age});
  return facts;
}

void Server::run_hook(const char* name) {
  if (hooks_) hooks_->call(name, hook_facts());
}

void Server::run_worker_hook(const char* name, int pid, unsigned age) {
  if (!hooks_) return;
  const process::HookProcess::WorkerFacts worker{pid, age};
  hooks_->call(name, hook_facts(), &worker);
}

void Server::run_size_hook(unsigned now, std::optional<unsigned> before) {
  if (hooks_)
    hooks_->call("nworkers_changed", hook_facts(), nullptr,
                 std::to_string(now) + "," + (before ? std::to_string(*before) : "null"));
}

// Before anything listens; an exception in it prevents the start, as with gunicorn.
void Server::run_starting_hook() {
  if (!hooks_) return;
  if (const auto error = hooks_->call_and_wait("on_starting", hook_facts(), config_.boot_timeout))
    throw std::runtime_error("the hook on_starting failed: " + *error);
}

void Server::run_exit_hook() {
  if (!hooks_) return;
  if (const auto error = hooks_->call_and_wait("on_exit", hook_facts(), config_.graceful_timeout))
    log_.error("The hook on_exit failed: ", *error);
  hooks_.reset();
}

}  // namespace prefork

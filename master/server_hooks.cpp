// When the master's hooks run. They are in a process of their own (process/hook_process.hpp), made only when there are any, or with
// --preload in the mold (process/mold.hpp), whose workers then see what they leave behind.
#include <stdexcept>
#include <utility>
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
  const auto ours = process::HookRunner::masters(config.hooks);
  if (ours.empty() || (config.preload_app && config.builtin_app.empty())) return;
  hooks_ = std::make_unique<process::HookProcess>(loop_, log_, hook_command_of(config, ours, logs_));
}

// While a reload is going on the mold of the generation that serves: the new one may not come to be.
process::HookRunner* Server::hook_runner() const {
  if (hooks_) return hooks_.get();
  return supervisor_.serving_mold();
}

process::HookRunner::Facts Server::hook_facts() const {
  process::HookRunner::Facts facts;
  facts.wanted = supervisor_.workers();
  for (const auto& worker : supervisor_.all()) {
    if (worker->pid() != 0) facts.workers.push_back({worker->pid(), worker->identity().age});
  }
  return facts;
}

void Server::run_hook(const char* name) {
  if (auto* runner = hook_runner()) runner->call(name, hook_facts());
}

// A mold is new: the hook that prepares its generation. The first one is told by run_starting_hook(); one that takes the place of a
// mold that died needs what that had left for the workers.
void Server::run_mold_hook() {
  if (std::exchange(first_mold_, false)) return;
  process::HookRunner& mold = *supervisor_.mold();
  mold.call(supervisor_.generation() == 1 ? "on_starting" : "on_reload", hook_facts());
}

// Where the worker is forked.
void Server::run_pre_fork(unsigned age) {
  const process::HookRunner::WorkerFacts worker{0, age};
  process::HookRunner* runner = supervisor_.mold();
  if (runner == nullptr) runner = hooks_.get();
  if (runner != nullptr) runner->call("pre_fork", hook_facts(), &worker);
}

// Where the worker was forked, which has the object that hooks know it by.
void Server::run_child_exit(const dispatch::WorkerIdentity& worker) {
  const process::HookRunner::WorkerFacts gone{worker.pid, worker.age};
  process::HookRunner* runner = hooks_.get();
  if (runner == nullptr) runner = supervisor_.mold_of(worker.generation);
  if (runner != nullptr) runner->call("child_exit", hook_facts(), &gone);
}

void Server::run_size_hook(unsigned now, std::optional<unsigned> before) {
  if (auto* runner = hook_runner())
    runner->call("nworkers_changed", hook_facts(), nullptr,
                 std::to_string(now) + "," + (before ? std::to_string(*before) : "null"));
}

// Before anything listens; an exception in it prevents the start, as with gunicorn.
void Server::run_starting_hook() {
  auto* runner = hook_runner();
  if (runner == nullptr) return;
  if (const auto error = runner->call_and_wait("on_starting", hook_facts(), config_.boot_timeout))
    throw std::runtime_error("the hook on_starting failed: " + *error);
}

void Server::run_exit_hook() {
  auto* runner = hook_runner();
  if (runner == nullptr || (runner == supervisor_.serving_mold() && !supervisor_.serving_mold()->loaded())) return;
  if (const auto error = runner->call_and_wait("on_exit", hook_facts(), config_.graceful_timeout))
    log_.error("The hook on_exit failed: ", *error);
  hooks_.reset();
}

}  // namespace prefork

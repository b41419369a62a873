#include "master/worker_command.hpp"

#include <unistd.h>

#include <filesystem>

namespace prefork {
namespace {

// After an upgrade in place the running file has lost its name; what has the name now is what is started.
std::string executable_folder() {
  std::string path = std::filesystem::read_symlink("/proc/self/exe").string();
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return std::filesystem::path(path).parent_path().string();
}

std::string joined(const Config::Strings& texts) {
  std::string all;
  for (const auto& text : texts) (all += all.empty() ? "" : ",") += text;
  return all;
}

std::uint64_t ms(Config::Milliseconds time) { return static_cast<std::uint64_t>(time.count()); }

}  // namespace

process::WorkerCommand worker_command_of(const Config& config) {
  process::WorkerCommand command;
  const bool echo = config.builtin_app == "echo";
  command.executable = executable_folder() + (echo ? "/prefork-echo" : "/prefork-worker");
  command.environment = config.raw_env;
  const auto flag = [&](const char* name, bool on) { command.settings.set(name, on ? "1" : "0"); };
  const auto number = [&](const char* name, auto value) { command.settings.set(name, std::to_string(value)); };
  command.settings.set("app", config.app);
  command.settings.set("chdir", config.chdir);
  command.settings.set("python", config.python);
  command.settings.set("pythonpath", joined(config.pythonpath));
  command.settings.set("interface", config.interface);
  command.settings.set("loglevel", config.loglevel);
  command.settings.set("config_path", config.config_path);
  command.settings.set("config_kind", config.config_kind);
  command.settings.set("proc_name", config.proc_name.empty() ? config.default_proc_name : config.proc_name);
  flag("factory", config.factory);
  flag("multiprocess", config.workers > 1);
  if (!config.root_path.empty()) command.settings.set("root_path", config.root_path);
  number("threads", config.threads);
  number("workers", config.workers);
  number("worker_connections", config.worker_connections);
  number("spin", config.spin.count());
  number("reply_window", config.response_buffer);
  command.settings.set("asgi_loop", config.asgi_loop);
  command.settings.set("asgi_lifespan", config.asgi_lifespan);
  number("asgi_disconnect_grace_period", config.asgi_disconnect_grace_period.count());
  number("master_pid", ::getpid());
  number("uid", config.uid);
  number("gid", config.gid);
  command.settings.set("user", config.user);
  number("umask", config.umask);
  flag("initgroups", config.initgroups);
  return command;
}

process::SupervisorPolicy supervisor_policy_of(const Config& config) {
  process::SupervisorPolicy policy;
  policy.workers = static_cast<unsigned>(config.workers);
  policy.surge = config.reload_mode == "surge";
  policy.boot_timeout_ms = ms(config.boot_timeout);
  policy.graceful_timeout_ms = ms(config.graceful_timeout);
  policy.timeout_ms = ms(config.timeout);
  policy.max_lifetime_ms = ms(config.max_lifetime);
  policy.max_requests = static_cast<std::uint64_t>(config.max_requests);
  policy.max_requests_jitter = static_cast<std::uint64_t>(config.max_requests_jitter);
  policy.max_rss = config.max_worker_rss;
  policy.one_thread = config.threads == 1;
  return policy;
}

dispatch::Policy dispatch_policy_of(const Config& config) {
  dispatch::Policy policy;
  policy.queue_size = static_cast<std::size_t>(config.queue_size);
  policy.queue_timeout_ms = ms(config.queue_timeout);
  policy.hold_timeout_ms = ms(config.hold_timeout);
  policy.request_timeout_ms = ms(config.request_timeout);
  policy.limit_concurrency = static_cast<std::size_t>(config.limit_concurrency);
  policy.retry_crashed = config.retry_crashed;
  return policy;
}

}  // namespace prefork

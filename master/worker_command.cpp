#include "master/worker_command.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "master/config_load.hpp"
#include "master/process/descriptors.hpp"
#include "master/serve/access_format.hpp"
#include "shm/own_executable.hpp"

namespace prefork {
namespace {

std::string joined(const Config::Strings& texts) {
  std::string all;
  for (const std::string& text : texts) all.append(all.empty() ? "" : ",").append(text);
  return all;
}

std::uint64_t ms(Config::Milliseconds time) { return static_cast<std::uint64_t>(time.count()); }
std::string milliseconds(Config::Milliseconds time) { return std::to_string(time.count()); }

// For the objects that hooks are given.
std::string config_json(const Config& config) {
  CommandLine line;
  line.config = config;
  return print_config_json(line);
}

std::string flag(bool on) { return on ? "1" : "0"; }

// Variables that the access log wants and only the application knows.
std::string environ_notes(const Config& config) {
  if (config.accesslog.empty() && !config.syslog) return {};
  const serve::AccessFormat format(config.access_log_format);
  std::string names;
  for (const auto& name : format.environ_names()) names.append(names.empty() ? "" : ",").append(name.text);
  return names;
}

// What the processes of the application have in their environment beside ours.
std::vector<std::string> variables_of(const Config& config) {
  std::vector<std::string> variables = config.raw_env;
  // What applications look at to learn who serves them; theirs if they set it.
  if (::getenv("SERVER_SOFTWARE") == nullptr) variables.emplace_back("SERVER_SOFTWARE=prefork");
  return variables;
}

void set_application(const Config& config, wire::Settings& settings) {
  settings.set("app", config.app);
  settings.set("factory", flag(config.factory));
  settings.set("interface", config.interface);
  settings.set("python", config.python);
  settings.set("pythonpath", joined(config.pythonpath));
  if (!config.root_path.empty()) settings.set("root_path", config.root_path);
  settings.set("loglevel", config.loglevel);
  settings.set("logconfig", config.logconfig);
  settings.set("logconfig_dict", config.logconfig_dict);
  settings.set("logconfig_json", config.logconfig_json);
  settings.set("hooks", joined(config.hooks));
  settings.set("environ_notes", environ_notes(config));
  if (!config.hooks.empty()) settings.set("config_json", config_json(config));
  settings.set("config_path", config.config_path);
  settings.set("config_kind", config.config_kind);
  settings.set("launch_directory", config.launch_directory);
}

void set_running(const Config& config, wire::Settings& settings) {
  settings.set("workers", std::to_string(config.workers));
  settings.set("threads", std::to_string(config.threads));
  settings.set("multiprocess", flag(config.workers > 1));
  settings.set("worker_connections", std::to_string(config.worker_connections));
  settings.set("ws_max_queue", std::to_string(config.ws_max_queue));
  settings.set("spin", std::to_string(config.spin.count()));
  settings.set("reply_window", std::to_string(config.response_buffer));
  settings.set("sendfile", flag(config.sendfile));
  settings.set("timeout", milliseconds(config.timeout));
  settings.set("graceful_timeout", milliseconds(config.graceful_timeout));
  settings.set("max_requests", std::to_string(config.max_requests));
  settings.set("reload", flag(config.reload));
  settings.set("bind", joined(config.bind));
  settings.set("proc_name", config.proc_name.empty() ? config.default_proc_name : config.proc_name);
  settings.set("master_pid", std::to_string(::getpid()));
  settings.set("descriptors", std::to_string(process::workers_descriptor_limit()));
  settings.set("umask", std::to_string(config.umask));
  settings.set("uid", std::to_string(config.uid));
  settings.set("gid", std::to_string(config.gid));
  settings.set("user", config.user);
  settings.set("initgroups", flag(config.initgroups));
}

void set_asgi(const Config& config, wire::Settings& settings) {
  settings.set("asgi_loop", config.asgi_loop);
  settings.set("asgi_lifespan", config.asgi_lifespan);
  settings.set("asgi_disconnect_grace_period", milliseconds(config.asgi_disconnect_grace_period));
  settings.set("eager", flag(config.eager));
  settings.set("websocket_max_message_size", std::to_string(config.websocket_max_message_size));
}

// Links are followed now: all workers of a generation are of one release, whatever a deploy does to them meanwhile.
std::string directory_of(const Config& config) {
  std::error_code gone;
  const auto directory = std::filesystem::canonical(config.chdir, gone);
  return gone ? std::string() : directory.string();
}

}  // namespace

process::WorkerCommand worker_command_of(const Config& config, const Logs& logs, int shared_fd) {
  process::WorkerCommand command;
  command.executable = std::filesystem::path(shm::own_executable()).parent_path().string() +
                       (config.builtin_app == "echo" ? "/prefork-echo" : "/prefork-worker");
  command.preload = config.preload_app && config.builtin_app.empty();
  command.directory = directory_of(config);
  command.settings.set("chdir", command.directory.empty() ? config.chdir : command.directory);
  set_application(config, command.settings);
  set_running(config, command.settings);
  set_asgi(config, command.settings);
  command.shared_fd = shared_fd;
  if (shared_fd >= 0) command.settings.set("shared_fd", std::to_string(process::kSharedFd));
  if (config.reload && config.builtin_app.empty()) {
    command.failure = process::failure_file();
    command.settings.set("failure_fd", std::to_string(process::kFailureFd));
  }
  command.environment = variables_of(config);
  command.stdout_fd = logs.worker_stdout(config);
  command.stderr_fd = logs.worker_stderr(config);
  return command;
}

process::HookProcess::Command hook_command_of(const Config& config, std::vector<std::string> hooks, const Logs& logs) {
  process::HookProcess::Command command;
  command.python = config.python;
  command.script = python_package_directory(current_environment()) + "/prefork/_hook_process.py";
  command.directory = config.chdir;
  command.environment = variables_of(config);
  command.settings = config_json(config);
  command.kind = config.config_kind;
  command.launch_directory = config.launch_directory;
  command.path = config.config_path;
  command.hooks = std::move(hooks);
  command.output_fd = logs.worker_stderr(config);
  return command;
}

std::string field_line(const std::string& field) { return field + "\r\n"; }

process::SupervisorPolicy supervisor_policy_of(const Config& config) {
  process::SupervisorPolicy policy;
  policy.workers = static_cast<unsigned>(config.workers);
  policy.surge = config.reload_mode == "surge";
  policy.boot_timeout_ms = ms(config.boot_timeout);
  policy.graceful_timeout_ms = ms(config.graceful_timeout);
  policy.development = config.reload;
  if (policy.development) policy.surge = true;  // requests wait for the last of the new ones
  // In development nobody waits for a request that does not end.
  if (config.reload) policy.graceful_timeout_ms = std::min<std::uint64_t>(policy.graceful_timeout_ms, 1'000);
  policy.timeout_ms = ms(config.timeout);
  policy.max_lifetime_ms = ms(config.max_lifetime);
  policy.max_requests = static_cast<std::uint64_t>(config.max_requests);
  policy.max_requests_jitter = static_cast<std::uint64_t>(config.max_requests_jitter);
  policy.max_rss = config.max_worker_rss;
  policy.one_thread = config.threads == 1;
  // A build may have other defaults of its own.
  if (config.request_ring != Config{}.request_ring)
    policy.geometry.request_bytes = static_cast<std::uint32_t>(config.request_ring);
  if (config.reply_ring != Config{}.reply_ring)
    policy.geometry.reply_bytes = static_cast<std::uint32_t>(config.reply_ring);
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
  policy.sticky = config.sticky;
  return policy;
}

}  // namespace prefork

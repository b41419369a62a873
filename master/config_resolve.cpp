// What one setting decides about another, once all of them are read.
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "master/config_sources.hpp"
#include "master/http/characters.hpp"
#include "master/serve/access_format.hpp"

namespace prefork {
namespace {

namespace fs = std::filesystem;

struct WorkerClass {
  const char* name;
  const char* interface;
  const char* loop;  // "" = as asgi_loop says
};

constexpr WorkerClass kWorkerClasses[] = {
    {"auto", "auto", ""},
    {"sync", "wsgi", ""},
    {"gunicorn.workers.sync.SyncWorker", "wsgi", ""},
    {"gthread", "wsgi", ""},
    {"gunicorn.workers.gthread.ThreadWorker", "wsgi", ""},
    {"asgi", "asgi", ""},
    {"gunicorn.workers.gasgi.ASGIWorker", "asgi", ""},
    {"uvicorn.workers.UvicornWorker", "asgi", ""},
    {"uvicorn_worker.UvicornWorker", "asgi", ""},
    {"uvicorn.workers.UvicornH11Worker", "asgi", "asyncio"},
    {"uvicorn_worker.UvicornH11Worker", "asgi", "asyncio"},
};

std::string advice_for_class(const std::string& name) {
  if (name.find("gevent") != std::string::npos || name.find("eventlet") != std::string::npos) {
    return "'" + name +
           "' given; there are no green threads here. Use threads instead (--threads 32 or more: a waiting thread "
           "delays no request) and remove "
           "monkey patching; allowed: sync, gthread, asgi";
  }
  if (name.find("tornado") != std::string::npos)
    return "'" + name +
           "' given; Tornado applications run their own server. Serve WSGI or ASGI applications; allowed: sync, "
           "gthread, asgi";
  for (const WorkerClass& known : kWorkerClasses)
    if (http::lowered(name) == http::lowered(known.name))
      return "'" + name + "' given; did you mean " + known.name + "?";
  if (name.empty()) return "'' given; allowed: sync, gthread, asgi, uvicorn.workers.UvicornWorker";
  return "'" + name +
         "' given; a worker class of your own cannot run here. Move its code to the hooks post_fork, post_worker_init "
         "and worker_exit; allowed: " +
         "sync, gthread, asgi, uvicorn.workers.UvicornWorker";
}

class Resolver {
 public:
  explicit Resolver(CommandLine& line) : line_(line), config_(line.config) {}

  void resolve() {
    places();
    application();
    worker_class();
    addresses();
    numbers();
    owners();
    variables();
    logs();
    control_socket();
    advise();
  }

 private:
  [[noreturn]] void refuse(const char* setting, const std::string& text) const {
    const auto origin = line_.origins.find(setting);
    const std::string where = origin == line_.origins.end() ? std::string() : origin->second;
    throw ConfigError(place_of(where, setting) + ": " + text, exit_code_of(where));
  }

  void say(Notice::Level level, std::string text) { line_.notices.push_back({level, std::move(text)}); }
  [[nodiscard]] bool given(const char* setting) const { return line_.origins.contains(setting); }

  // Relative paths start where the server works, as they do for gunicorn after its chdir.
  [[nodiscard]] std::string absolute(const std::string& path) const {
    return (fs::path(config_.chdir) / path).lexically_normal().string();
  }

  void places() {
    const std::string given_directory = config_.chdir;
    if (line_.launch_directory.empty() && !given_directory.starts_with('/'))
      throw ConfigError("the current directory is not there any more; --chdir names another by its absolute path", 1);
    config_.chdir = (fs::path(line_.launch_directory) / given_directory).lexically_normal().string();
    if (config_.chdir.size() > 1 && config_.chdir.ends_with('/')) config_.chdir.pop_back();
    if (!given_directory.empty() && !fs::is_directory(config_.chdir))
      refuse("chdir", "'" + given_directory + "' given; allowed: a directory that exists");
    config_.python = find_python(config_.python, line_.launch_directory, line_.environment);
    if (given("python") && access(config_.python.c_str(), X_OK) != 0)
      refuse("python", "'" + config_.python + "' given; allowed: a Python interpreter that can be run");
    config_.python = real_interpreter(config_.python, line_.environment);
    for (const auto& [name, field] : {std::pair{"env_file", &Config::env_file},
                                      {"logconfig", &Config::logconfig},
                                      {"logconfig_json", &Config::logconfig_json}}) {
      std::string& path = config_.*field;
      if (path.empty()) continue;
      path = absolute(path);
      if (access(path.c_str(), R_OK) != 0) refuse(name, "'" + path + "' given; allowed: a file that can be read");
    }
    for (const std::string& folder : config_.reload_dirs)
      if (!fs::is_directory(absolute(folder)))
        refuse("reload_dirs",
               "'" + folder + "' given; allowed: a directory that exists (reload_extra_files names files)");
  }

  void application() {
    if (!config_.builtin_app.empty() && !config_.app.empty())
      refuse("builtin_app",
             "'" + config_.builtin_app + "' given beside the application '" + config_.app + "'; allowed: one of them");
    const std::string module = config_.app.substr(0, config_.app.find(':'));
    if (module.ends_with(".py") || module.find('/') != std::string::npos) {
      const auto colon = config_.app.find(':');
      const std::string attribute = colon == std::string::npos ? ":application" : config_.app.substr(colon);
      if (module.starts_with('/') || module.find("..") != std::string::npos)
        refuse("wsgi_app", "'" + config_.app + "' given, which is a file; did you mean '" +
                               fs::path(module).stem().string() + attribute + "' with --chdir " +
                               fs::path(module).parent_path().string() + "?");
      std::string name = module.ends_with(".py") ? module.substr(0, module.size() - 3) : module;
      while (name.starts_with("./")) name.erase(0, 2);
      if (name.ends_with("/__init__")) name.erase(name.size() - 9);
      for (char& c : name) c = c == '/' ? '.' : c;
      refuse("wsgi_app", "'" + config_.app + "' given, which is a file; did you mean '" + name + attribute + "'?");
    }
    if (!given("default_proc_name") && !config_.app.empty()) config_.default_proc_name = config_.app;
  }

  void worker_class() {
    const WorkerClass* found = nullptr;
    for (const WorkerClass& candidate : kWorkerClasses)
      if (config_.worker_class == candidate.name) found = &candidate;
    if (found == nullptr) refuse("worker_class", advice_for_class(config_.worker_class));
    const std::string interface = found->interface;
    if (config_.interface == "auto")
      config_.interface = interface;
    else if (interface != "auto" && config_.interface != interface && given("interface"))
      refuse("worker_class", "'" + config_.worker_class + "' given, which is " + interface + ", beside interface '" +
                                 config_.interface + "'; allowed: one of them");
    if (found->loop[0] != '\0' && config_.asgi_loop == "auto") config_.asgi_loop = found->loop;
    if (config_.worker_class != "auto")
      say(Notice::Level::Debug, "worker class " + config_.worker_class + " means interface " + config_.interface);
  }

  void addresses() {
    if (config_.bind.empty()) refuse("bind", "no address given; allowed: " + std::string(kBindAddressForms));
    config_.bind_addresses.clear();
    for (const std::string& text : config_.bind) {
      auto address = parse_bind_address(text);
      if (!address) refuse("bind", "'" + text + "' given; allowed: " + std::string(kBindAddressForms));
      config_.bind_addresses.push_back(std::move(*address));
    }
    // "[::]:8000" takes IPv4 too, as it does for gunicorn, unless somebody wants that at an address of its own.
    for (BindAddress& address : config_.bind_addresses)
      address.v6_only = address.host == "::" && has_v4_at(address.port);
    if (config_.health_path.size() > 2)
      refuse("health_path", std::to_string(config_.health_path.size()) +
                                " paths given; allowed: a liveness path and a readiness path");
  }

  [[nodiscard]] bool has_v4_at(std::uint16_t port) const {
    return std::any_of(config_.bind_addresses.begin(), config_.bind_addresses.end(), [port](const BindAddress& other) {
      return other.kind == BindAddress::Kind::Tcp && other.port == port && other.host.find(':') == std::string::npos;
    });
  }

  void numbers() {
    if (config_.workers == 0) {
      config_.workers = available_cpus();
      say(Notice::Level::Info, "workers auto: " + std::to_string(config_.workers) + ", one for each available CPU");
    }
    config_.request_ring = std::bit_ceil(config_.request_ring);
    config_.reply_ring = std::bit_ceil(config_.reply_ring);
  }

  void owners() {
    config_.uid = config_.gid = -1;
    if (!config_.user.empty()) {
      const passwd* entry = getpwnam(config_.user.c_str());
      config_.uid = entry != nullptr ? static_cast<int>(entry->pw_uid) : std::atoi(config_.user.c_str());
    }
    if (!config_.group.empty()) {
      const struct group* entry = getgrnam(config_.group.c_str());
      config_.gid = entry != nullptr ? static_cast<int>(entry->gr_gid) : std::atoi(config_.group.c_str());
    }
  }

  // The later entry for a name wins, and raw_env over env_file.
  void variables() {
    Config::Strings entries;
    if (!config_.env_file.empty()) entries = read_env_file(config_.env_file, line_.environment);
    entries.insert(entries.end(), config_.raw_env.begin(), config_.raw_env.end());
    config_.raw_env.clear();
    for (std::string& entry : entries) {
      const std::string name = entry.substr(0, entry.find('=') + 1);
      std::erase_if(config_.raw_env, [&](const std::string& earlier) { return earlier.starts_with(name); });
      config_.raw_env.push_back(std::move(entry));
    }
    if (given("root_path")) return;
    // `-e SCRIPT_NAME=/app` is the known way to mount an application under gunicorn.
    for (const std::string& entry : config_.raw_env)
      if (entry.starts_with("SCRIPT_NAME=")) config_.root_path = entry.substr(12);
  }

  void logs() {
    if (config_.logconfig.ends_with(".yaml") || config_.logconfig.ends_with(".yml"))
      refuse("logconfig",
             "'" + config_.logconfig +
                 "' given; YAML is not read: convert it to JSON, or set logconfig_dict in the configuration file");
    if (config_.logconfig.ends_with(".json") && config_.logconfig_json.empty())
      std::swap(config_.logconfig, config_.logconfig_json);
    try {
      const serve::AccessFormat readable(config_.access_log_format);
    } catch (const std::invalid_argument& wrong) {
      refuse("access_log_format", wrong.what());
    }
    if (config_.access_log_json && config_.accesslog.empty() && !given("accesslog")) config_.accesslog = "-";
  }

  void control_socket() {
    if (!config_.control_socket.empty())
      config_.control_socket = absolute(config_.control_socket);
    else
      config_.control_socket = default_control_socket(line_.environment);
    if (!config_.control_socket.empty() || config_.control_socket_disable) return;
    config_.control_socket_disable = true;
    say(Notice::Level::Info, "no control socket: neither XDG_RUNTIME_DIR nor HOME is set; --control-socket names one");
  }

  void advise() {
    if (config_.daemon && line_.environment.contains("NOTIFY_SOCKET"))
      say(Notice::Level::Warning,
          "daemon is set although systemd started this server and waits for it; remove daemon from the configuration");
    if (config_.interface == "asgi" && config_.threads > 1)
      say(Notice::Level::Info,
          "threads has no effect on ASGI applications, whose event loop is one thread; raise workers");
    if (!config_.logconfig.empty() || !config_.logconfig_json.empty() || !config_.logconfig_dict.empty())
      say(Notice::Level::Info,
          std::string("the logging configuration is for the loggers of the workers; the server's own lines keep their "
                      "form and place") +
              (config_.accesslog.empty() ? ", and the access log is off unless accesslog names a file, or - for the "
                                           "standard output"
                                         : ""));
    if (config_.max_requests_jitter > 0 && config_.max_requests == 0)
      say(Notice::Level::Warning, "max_requests_jitter has no effect without max_requests");
  }

  CommandLine& line_;
  Config& config_;
};

}  // namespace

void resolve_config(CommandLine& command_line) { Resolver(command_line).resolve(); }

}  // namespace prefork

// How a Config comes about: defaults < configuration file < PREFORK_* variables < GUNICORN_CMD_ARGS < command line.
// load_config is called once by main, before there is any thread; reload_config by the supervisor at SIGHUP. Both may run a
// short-lived Python interpreter for the configuration file, so that reload_config belongs on a thread other than the
// loop's; it keeps no state and touches neither the working directory nor any signal.
#pragma once

#include <chrono>
#include <map>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "master/config.hpp"

namespace prefork {

using Environment = std::map<std::string, std::string>;

// What prevents a start: one line for people. details: a traceback that belongs above the line, or "".
class ConfigError : public std::runtime_error {
 public:
  ConfigError(const std::string& line, int exit_code, std::string details = {})
      : std::runtime_error(line), exit_code_(exit_code), details_(std::move(details)) {}

  [[nodiscard]] int exit_code() const { return exit_code_; }  // 2: the command line is wrong; 1: anything else
  [[nodiscard]] const std::string& details() const { return details_; }

 private:
  int exit_code_;
  std::string details_;
};

// Something to log once the log is open.
struct Notice {
  enum class Level { Debug, Info, Warning };
  Level level;
  std::string text;
  bool operator==(const Notice&) const = default;
};

// `prefork reload|stop|status [TARGET]`.
struct ControlCommand {
  enum class Verb { Reload, Stop, Status };
  Verb verb = Verb::Status;
  std::string target;  // control socket, pid file or process id; "" = the default control socket
  std::string default_socket;
  bool wait = false;  // reload: until the new workers serve; stop: until the process is gone
  std::chrono::milliseconds timeout{120'000};
  bool json = false;
};

struct CommandLine {
  enum class Action { Serve, CheckConfig, PrintConfig, Help, Version, SettingsReference, Control };

  Action action = Action::Serve;
  Config config;
  std::map<std::string, std::string> origins;  // setting -> where its value comes from; absent: the default
  std::vector<Notice> notices;
  ControlCommand control;

  // What reload_config starts from.
  std::vector<std::string> arguments;  // without the program's name
  Environment environment;
  std::string launch_directory;  // relative configuration files start here, also after a chdir
};

[[nodiscard]] Environment current_environment();

[[nodiscard]] CommandLine load_config(int argc, const char* const* argv, Environment environment);

// Reads everything again, for a server that runs with current.config. Settings that a running server cannot change keep
// their value, with a notice that says so. `stop` ends an interpreter that takes too long; then it throws.
[[nodiscard]] CommandLine reload_config(const CommandLine& current, const std::stop_token& stop = {});

// The directory that holds the Python package `prefork` of this executable; "" when there is none. $PREFORK_PYTHON_DIR,
// the source tree of a build, or the package that the executable was installed in.
[[nodiscard]] std::string python_package_directory(const Environment& environment);

// For the command line's readers.
[[nodiscard]] std::string help_text(bool colour);
[[nodiscard]] std::string print_config_text(const CommandLine& command_line);
[[nodiscard]] std::string print_config_json(const CommandLine& command_line);
[[nodiscard]] std::string settings_reference();  // docs/settings.md

}  // namespace prefork

// The places that values come from, each read into a list of assignments; config_load.cpp applies them in order of rank.
// Internal to the config_*.cpp files. Stateless; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "master/config_load.hpp"
#include "master/config_table.hpp"
#include "master/config_value.hpp"

namespace prefork {

struct Assignment {
  const Setting* setting;
  SettingValue value;
  std::string origin;         // "--workers", "GUNICORN_CMD_ARGS: -w", "PREFORK_WORKERS", "gunicorn.conf.py:3"
  std::string variable = {};  // its name in a file where that may as well be a variable of the file's own, otherwise ""
};

// 2 for what was typed on a command line, 1 for the rest.
[[nodiscard]] int exit_code_of(std::string_view origin);

// For messages: "--workers", and "gunicorn.conf.py:3: workers" where the origin does not name the setting.
[[nodiscard]] std::string place_of(std::string_view origin, std::string_view setting);

struct ParsedArguments {
  std::vector<Assignment> assignments;
  std::vector<Notice> notices;
  bool help = false;
  bool version = false;
  bool settings_reference = false;

  [[nodiscard]] std::optional<std::string> text_of(std::string_view name) const;  // the last text given for it
};

// source: "" for the command line, otherwise the variable that holds the arguments. Throws ConfigError.
[[nodiscard]] ParsedArguments parse_arguments(const std::vector<std::string>& arguments, std::string_view source);
[[nodiscard]] ControlCommand parse_control_command(const std::vector<std::string>& arguments,
                                                   const Environment& environment);

// Flags of uvicorn and granian whose meaning takes more than another name.
struct ForeignFlag {
  const char* flags;  // "--uds", or "--access-log" with its --no- form when it takes no value
  bool takes_value;
  const char* server;  // whose flag it is
  // Assigns with `set`; returns what to say at debug level.
  std::string (*translate)(const std::string& value, struct ForeignFlagResult& result);
  const char* choices = "";  // of a flag that may do without a value: the words (a|b) that are taken for one
};
struct ForeignFlagResult {
  std::vector<std::pair<const char*, std::string>> assignments;  // setting, text
  std::string refusal;
  std::optional<std::string> host;
  std::optional<std::string> port;
  bool place = false;  // a socket or a descriptor is named, beside which --host and --port mean nothing
};
[[nodiscard]] std::span<const ForeignFlag> foreign_flags();

// As Python's shlex.split; nullopt when a quote is not closed.
[[nodiscard]] std::optional<std::vector<std::string>> split_shell_words(std::string_view text);

// What the platform's variables say (PORT, WEB_CONCURRENCY ...), and what PREFORK_* say.
[[nodiscard]] std::vector<Assignment> platform_variables(const Environment& environment);
[[nodiscard]] std::vector<Assignment> prefork_variables(const Environment& environment, std::vector<Notice>& notices);

struct ConfigFile {
  std::string kind;   // "file", "module", "": there is none
  std::string path;   // absolute path, or the module's name
  std::string shown;  // as the operator wrote it
  std::vector<Assignment> assignments;
  std::vector<Notice> notices;
};
// location: PATH, file:PATH, python:MODULE, or "" for the default files of the directory.
[[nodiscard]] ConfigFile read_config_file(const std::string& location, const std::string& directory,
                                          const std::string& python, const Environment& environment,
                                          const std::stop_token& stop);

// The interpreter of the application's environment, for a --python that may be "".
[[nodiscard]] std::string find_python(const std::string& given, const std::string& directory,
                                      const Environment& environment);

// The program behind a script that only chooses one, as version managers put on PATH: whoever embeds the interpreter needs
// the program itself.
[[nodiscard]] std::string real_interpreter(const std::string& python, const Environment& environment);

// The entries KEY=VALUE of an env_file whose names the environment does not have. Throws ConfigError.
[[nodiscard]] std::vector<std::string> read_env_file(const std::string& path, const Environment& environment);

// Fills what follows from other settings and checks what single values cannot show. Throws ConfigError.
void resolve_config(CommandLine& command_line);

// CPUs that this process may use: the smaller of the affinity mask and the cgroup's quota, rounded up. root: "/" but in tests.
[[nodiscard]] int available_cpus(const std::string& root = "/");

// Where the control socket is when nobody says; "" when there is no place for it.
[[nodiscard]] std::string default_control_socket(const Environment& environment);

}  // namespace prefork

// The configuration file is Python, so a short-lived interpreter evaluates it (python/prefork/config.py) and hands plain
// data back: fields ended by zero bytes, records of NAME LINE TYPE TEXT COUNT ITEM..., then one record "end" or "error".
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "master/config_sources.hpp"
#include "shm/fd.hpp"
#include "shm/own_executable.hpp"

namespace prefork {
namespace {

namespace fs = std::filesystem;
using Kind = SettingValue::Kind;

constexpr std::array kDefaultFiles = {"prefork.conf.py", "gunicorn.conf.py"};

struct HelperOutput {
  std::string text;
  int status = 0;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

class SpawnSettings {
 public:
  explicit SpawnSettings(int output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::string read_all(int fd) {
  std::string text;
  char chunk[16384];
  while (true) {
    const ssize_t count = read(fd, chunk, sizeof chunk);
    if (count > 0)
      text.append(chunk, static_cast<std::size_t>(count));
    else if (count == 0 || errno != EINTR)
      return text;
  }
}

HelperOutput run_helper(std::vector<std::string> arguments, const Environment& environment, const std::string& shown,
                        const std::stop_token& stop = {}) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw ConfigError(shown + ": cannot be read: " + std::strerror(errno), 1);
  const shm::UniqueFd reading(ends[0]);
  shm::UniqueFd writing(ends[1]);
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) variables.push_back(std::string(name).append(1, '=').append(value));
  const SpawnSettings settings(writing.get());
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, arguments[0].c_str(), &settings.actions_, &settings.attributes_,
                                 pointers(arguments).data(), pointers(variables).data());
  writing.reset();
  if (error != 0) {
    throw ConfigError(shown + ": cannot run " + arguments[0] + ": " + std::strerror(error) +
                          "; give the application's interpreter with --python",
                      1);
  }
  HelperOutput output;
  {
    const std::stop_callback end(stop, [pid] { ::kill(pid, SIGKILL); });
    output.text = read_all(reading.get());
  }
  // ECHILD: as process 1, the supervisor may have reaped it. The end record tells whether it did its work.
  while (waitpid(pid, &output.status, 0) < 0 && errno == EINTR) {
  }
  return output;
}

class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text) {}
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  std::string next() {
    const auto end = rest_.find('\0');
    std::string field(rest_.substr(0, end));
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return field;
  }

 private:
  std::string_view rest_;
};

Kind kind_named(const std::string& name) {
  static const std::map<std::string, Kind> kKinds = {
      {"none", Kind::None},   {"bool", Kind::Bool}, {"int", Kind::Int},
      {"float", Kind::Float}, {"text", Kind::Text}, {"list", Kind::List},
      {"mixed", Kind::Mixed}, {"map", Kind::Map},   {"callable", Kind::Callable}};
  const auto found = kKinds.find(name);
  return found == kKinds.end() ? Kind::Other : found->second;
}

// A function may be a mistyped hook, a value a mistyped setting of the other kinds.
std::string nearest_setting(const std::string& name, Kind kind) {
  std::vector<std::string> names;
  for (const SettingSection& section : setting_sections())
    for (const Setting& setting : section.settings)
      if ((setting.shape == Shape::Callable) == (kind == Kind::Callable)) names.emplace_back(setting.name);
  return nearest_name(name, names);
}

// Where a text is a function's name, which is looked for.
std::string hook_names() {
  std::string names;
  for (const Setting& hook : hook_settings()) names.append(names.empty() ? "" : ",").append(hook.name);
  return names;
}

// A file written for gunicorn may use names that only prefork knows: env = os.environ, from shop import app.
bool may_be_a_variable(const ConfigFile& file, const Setting& setting, const std::string& name) {
  const bool known_to_gunicorn = setting.compat != Compat::Own && name == setting.name;
  return !known_to_gunicorn && fs::path(file.shown).filename() != kDefaultFiles.front();
}

// A name that is no setting, with the setting that it is like.
struct Unknown {
  std::string name, origin, nearest;
  bool plain;
};

void take_record(ConfigFile& file, std::vector<Unknown>& unknown, const std::string& name, Fields& fields) {
  const std::string line = fields.next();
  SettingValue value;
  value.kind = kind_named(fields.next());
  value.text = fields.next();
  const int count = std::atoi(fields.next().c_str());
  for (int at = 0; at < count; ++at) value.items.push_back(fields.next());
  const std::string origin = file.shown + (line == "0" ? "" : ":" + line);
  if (const Setting* setting = find_setting(name)) {
    const bool variable = may_be_a_variable(file, *setting, name);
    file.assignments.push_back({setting, std::move(value), origin, variable ? name : ""});
    return;
  }
  unknown.push_back(
      {name, origin, nearest_setting(name, value.kind), value.kind != Kind::Callable && value.kind != Kind::Other});
}

// A file has variables of its own; only what looks like a mistyped setting is worth a warning, and timeout_str is none where timeout
// is set too.
void tell_unknown(ConfigFile& file, const std::vector<Unknown>& unknown) {
  const auto is_set = [&file](const std::string& name) {
    return std::any_of(file.assignments.begin(), file.assignments.end(),
                       [&name](const Assignment& assignment) { return assignment.setting->name == name; });
  };
  for (const Unknown& one : unknown) {
    if (!one.nearest.empty() && !is_set(one.nearest))
      file.notices.push_back(
          {Notice::Level::Warning,
           one.origin + ": " + one.name + " is no setting and is ignored; did you mean " + one.nearest + "?"});
    else if (one.plain)
      file.notices.push_back({Notice::Level::Debug, one.origin + ": " + one.name + " is no setting"});
  }
}

[[noreturn]] void refuse(const ConfigFile& file, Fields& fields) {
  const std::string line = fields.next();
  const std::string reason = fields.next();
  throw ConfigError(file.shown + (line == "0" ? "" : ":" + line) + ": " + reason, 1, fields.next());
}

void take_output(ConfigFile& file, const HelperOutput& output, const std::string& python) {
  Fields fields(output.text);
  std::vector<Unknown> unknown;
  while (!fields.empty()) {
    const std::string name = fields.next();
    if (name == "<end>") return tell_unknown(file, unknown);
    if (name == "<error>") refuse(file, fields);
    take_record(file, unknown, name, fields);
  }
  std::string how = "did not finish";
  if (WIFEXITED(output.status)) how = "ended with status " + std::to_string(WEXITSTATUS(output.status));
  if (WIFSIGNALED(output.status)) how = std::string("was ended by ") + strsignal(WTERMSIG(output.status));
  throw ConfigError(file.shown + ": " + python + " " + how + " while it read the file", 1);
}

ConfigFile located(const std::string& location, const std::string& directory) {
  ConfigFile file;
  if (location.empty()) {
    for (const char* name : kDefaultFiles) {
      const fs::path path = fs::path(directory) / name;
      if (!fs::exists(path)) continue;
      if (file.kind.empty())
        file = {"file", path.string(), name, {}, {}};
      else
        file.notices.push_back(
            {Notice::Level::Info, std::string(name) + " is not read, because there is a " + file.shown});
    }
    return file;
  }
  if (location == "python:")
    throw ConfigError("'python:' given for the configuration file; allowed: PATH, file:PATH or python:MODULE", 1);
  if (location.starts_with("python:")) return {"module", location.substr(7), location, {}, {}};
  file.kind = "file";
  file.shown = location.starts_with("file:") ? location.substr(5) : location;
  file.path = (fs::path(directory) / file.shown).lexically_normal().string();
  if (file.shown.empty() || fs::is_directory(file.path))
    throw ConfigError("'" + location + "' given for the configuration file; allowed: PATH, file:PATH or python:MODULE",
                      1);
  if (!fs::exists(file.path)) throw ConfigError(file.shown + ": there is no such configuration file", 1);
  return file;
}

bool is_executable(const fs::path& path) { return access(path.c_str(), X_OK) == 0 && !fs::is_directory(path); }

fs::path own_directory() { return fs::path(shm::own_executable()).parent_path(); }

}  // namespace

ConfigFile read_config_file(const std::string& location, const std::string& directory, const std::string& python,
                            const Environment& environment, const std::stop_token& stop) {
  ConfigFile file = located(location, directory);
  if (file.kind.empty()) return file;
  const std::string package = python_package_directory(environment);
  if (package.empty())
    throw ConfigError(file.shown +
                          ": cannot be read, the Python package of prefork is missing; set PREFORK_PYTHON_DIR to the "
                          "directory that holds it",
                      1);
  const HelperOutput output =
      run_helper({python, package + "/prefork/config.py", file.kind, file.path, directory, hook_names()}, environment,
                 file.shown, stop);
  take_output(file, output, python);
  return file;
}

std::string find_python(const std::string& given, const std::string& directory, const Environment& environment) {
  if (given.find('/') != std::string::npos) return (fs::path(directory) / given).lexically_normal().string();
  if (const auto venv = environment.find("VIRTUAL_ENV");
      given.empty() && venv != environment.end() && !venv->second.empty()) {
    const fs::path python = fs::path(venv->second) / "bin" / "python";
    if (is_executable(python)) return python.string();
  }
  if (given.empty()) {
    // Installed as a wheel: ENVIRONMENT/lib/python3.11/site-packages/prefork/bin/prefork.
    const fs::path own = own_directory();
    const fs::path python = own / "../../../../.." / "bin" / "python3";
    if (own.parent_path().parent_path().filename() == "site-packages" && is_executable(python))
      return python.lexically_normal().string();
#ifdef PREFORK_PYTHON_EXECUTABLE
    if (is_executable(PREFORK_PYTHON_EXECUTABLE)) return PREFORK_PYTHON_EXECUTABLE;
#endif
  }
  std::string name = given.empty() ? "python3" : given;
  if (const auto path = environment.find("PATH"); path != environment.end())
    for (const std::string& folder : split_words(path->second, ':'))
      if (is_executable(fs::path(folder) / name)) return (fs::path(folder) / name).string();
  return name;
}

std::string real_interpreter(const std::string& python, const Environment& environment) {
  std::ifstream file(python, std::ios::binary);
  char mark[2] = {};
  if (!file.read(mark, sizeof mark) || mark[0] != '#' || mark[1] != '!') return python;
  const HelperOutput output =
      run_helper({python, "-c", "import sys; sys.stdout.write(sys.executable)"}, environment, "the setting python");
  return output.text.starts_with('/') ? output.text : python;
}

std::string python_package_directory(const Environment& environment) {
  std::vector<fs::path> candidates;
  if (const auto given = environment.find("PREFORK_PYTHON_DIR"); given != environment.end())
    candidates.emplace_back(given->second);
  // build/release/prefork beside python/prefork; site-packages/prefork/bin/prefork; PREFIX/bin/prefork with PREFIX/lib/prefork/python.
  const fs::path own = own_directory();
  for (const char* from : {"../../python", "../..", "../python", "../lib/prefork/python", "../../../python"})
    candidates.push_back(own / from);
  for (const fs::path& candidate : candidates)
    if (fs::exists(candidate / "prefork" / "config.py")) return fs::weakly_canonical(candidate).string();
  return {};
}

}  // namespace prefork

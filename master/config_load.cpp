#include "master/config_load.hpp"

#include <algorithm>
#include <filesystem>

#include "master/config_sources.hpp"
#include "master/http/characters.hpp"

namespace prefork {
namespace {

using Kind = SettingValue::Kind;

bool asks_for_nothing(const Setting& setting, const SettingValue& value) {
  if (value.kind == Kind::None) return true;
  if (value.kind == Kind::Callable) return false;
  std::string text = value.text;
  if (value.kind == Kind::List) {
    for (const std::string& item : value.items) text += (text.empty() ? "" : ",") + item;
  }
  text = http::lowered(text);
  const auto inert = split_words(setting.inert, '|');
  return text.empty() || std::any_of(inert.begin(), inert.end(),
                                     [&text](const std::string& word) { return http::lowered(word) == text; });
}

std::string place(const Assignment& assignment) { return place_of(assignment.origin, assignment.setting->name); }

class Loader {
 public:
  Loader(std::vector<std::string> arguments, Environment environment, std::string directory, std::stop_token stop)
      : stop_(std::move(stop)) {
    line_.arguments = std::move(arguments);
    line_.environment = std::move(environment);
    line_.launch_directory = std::move(directory);
  }

  CommandLine load() {
    ParsedArguments typed = parse_arguments(line_.arguments, "");
    if (answers_at_once(typed)) return std::move(line_);
    ParsedArguments preset = parse_preset();
    if (answers_at_once(preset)) return std::move(line_);
    const std::vector<Assignment> variables = prefork_variables(line_.environment, line_.notices);
    apply(platform_variables(line_.environment));
    read_file(typed, preset, variables);
    apply(variables);
    apply(preset.assignments);
    apply(typed.assignments);
    for (const ParsedArguments* parsed : {&preset, &typed})
      line_.notices.insert(line_.notices.end(), parsed->notices.begin(), parsed->notices.end());
    resolve_config(line_);
    if (line_.config.check_config) line_.action = CommandLine::Action::CheckConfig;
    if (!line_.config.print_config.empty()) line_.action = CommandLine::Action::PrintConfig;
    return std::move(line_);
  }

 private:
  bool answers_at_once(const ParsedArguments& parsed) {
    if (!parsed.help && !parsed.version && !parsed.settings_reference) return false;
    line_.action = parsed.help      ? CommandLine::Action::Help
                   : parsed.version ? CommandLine::Action::Version
                                    : CommandLine::Action::SettingsReference;
    return true;
  }

  ParsedArguments parse_preset() {
    const auto found = line_.environment.find("GUNICORN_CMD_ARGS");
    if (found == line_.environment.end()) return {};
    const auto words = split_shell_words(found->second);
    if (!words) throw ConfigError("GUNICORN_CMD_ARGS: a quote is not closed in '" + found->second + "'", 1);
    ParsedArguments parsed = parse_arguments(*words, "GUNICORN_CMD_ARGS");
    // gunicorn takes no application from there.
    std::erase_if(parsed.assignments,
                  [](const Assignment& assignment) { return assignment.origin.ends_with(": APP"); });
    return parsed;
  }

  void read_file(const ParsedArguments& typed, const ParsedArguments& preset,
                 const std::vector<Assignment>& variables) {
    const auto last_text = [&](std::string_view setting) {
      if (auto text = typed.text_of(setting)) return *text;
      if (auto text = preset.text_of(setting)) return *text;
      for (const Assignment& assignment : variables)
        if (assignment.setting->name == setting) return assignment.value.text;
      return std::string();
    };
    const std::string python = find_python(last_text("python"), line_.launch_directory, line_.environment);
    const ConfigFile file =
        read_config_file(last_text("config"), line_.launch_directory, python, line_.environment, stop_);
    line_.config.launch_directory = line_.launch_directory;
    line_.config.config_kind = file.kind;
    line_.config.config_path = file.path;
    line_.notices.insert(line_.notices.end(), file.notices.begin(), file.notices.end());
    apply(file.assignments);
  }

  void apply(const std::vector<Assignment>& assignments) {
    for (const Assignment& assignment : assignments) apply(assignment);
  }

  void apply(const Assignment& assignment) {
    const Setting& setting = *assignment.setting;
    if (setting.fate != Fate::Works) {
      tell_fate(assignment);
    } else if (setting.shape == Shape::Callable) {
      add_hook(assignment);
    } else {
      if (const auto problem = assign_setting(line_.config, setting, assignment.value))
        return pass_over(assignment, *problem);
      line_.origins[setting.name] = assignment.origin;
    }
  }

  // A value that is no setting's is an error, unless the file can have had a variable of its own in mind.
  void pass_over(const Assignment& assignment, const std::string& problem) {
    if (assignment.variable.empty())
      throw ConfigError(place(assignment) + ": " + problem, exit_code_of(assignment.origin));
    const Kind kind = assignment.value.kind;
    const bool plain = kind != Kind::Callable && kind != Kind::Other;
    line_.notices.push_back(
        {plain ? Notice::Level::Warning : Notice::Level::Debug,
         assignment.origin + ": " + assignment.variable + " is no setting and is ignored: " + problem});
  }

  void tell_fate(const Assignment& assignment) {
    const Setting& setting = *assignment.setting;
    if (asks_for_nothing(setting, assignment.value)) return;
    std::string text = place(assignment) + ": ";
    if (setting.fate == Fate::Refused) throw ConfigError(text + setting.advice, exit_code_of(assignment.origin));
    const auto level = setting.fate == Fate::Warned ? Notice::Level::Warning : Notice::Level::Info;
    line_.notices.push_back({level, text + "has no effect: " + setting.advice});
  }

  void add_hook(const Assignment& assignment) {
    const Kind kind = assignment.value.kind;
    if (kind == Kind::None) return;
    // One that is given by name was looked for where the file was read.
    if (kind != Kind::Callable) {
      throw ConfigError(place(assignment) + ": " + python_literal(assignment.value) +
                            " given; allowed: a function, or its name as 'module.function'" +
                            (assignment.origin.starts_with("PREFORK_") ? ", in the configuration file" : ""),
                        exit_code_of(assignment.origin));
    }
    check_signature(assignment);
    line_.config.hooks.emplace_back(assignment.setting->name);
    line_.origins[assignment.setting->name] = assignment.origin;
  }

  // The items of a function's value are the numbers of arguments that it can be called with.
  static void check_signature(const Assignment& assignment) {
    const Setting& setting = *assignment.setting;
    for (const std::string& count : assignment.value.items)
      if (std::stoi(count) >= setting.min && std::stoi(count) <= setting.max) return;
    const std::string_view help(setting.help);
    throw ConfigError(
        place(assignment) + ": " + assignment.value.text +
            " given, which takes other arguments; allowed: " + std::string(help.substr(0, help.find(')') + 1)),
        exit_code_of(assignment.origin));
  }

  CommandLine line_;
  std::stop_token stop_;
};

bool names_control_command(const std::string& word) { return word == "reload" || word == "stop" || word == "status"; }

// By the name that the shell knows it by: where that is a link which a deploy changes (current -> releases/7), a reload and an upgrade
// find the new release there. "" when the directory was removed since, as a deploy may do: absolute paths still work there.
std::string launch_directory(const Environment& environment) {
  std::error_code gone;
  const auto shell = environment.find("PWD");
  if (shell != environment.end() && shell->second.starts_with('/') &&
      std::filesystem::equivalent(shell->second, ".", gone))
    return shell->second;
  return std::filesystem::current_path(gone).string();
}

}  // namespace

int exit_code_of(std::string_view origin) {
  return origin.starts_with('-') || origin == "APP" || origin.starts_with("GUNICORN_CMD_ARGS: ") ? 2 : 1;
}

std::string place_of(std::string_view origin, std::string_view setting) {
  const bool names_it = exit_code_of(origin) == 2 || origin.starts_with("PREFORK_");
  std::string text(origin);
  if (!names_it) (text += text.empty() ? "" : ": ") += setting;
  return text;
}

CommandLine load_config(int argc, const char* const* argv, Environment environment) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (!arguments.empty() && names_control_command(arguments.front())) {
    CommandLine line;
    line.action = CommandLine::Action::Control;
    line.control = parse_control_command(arguments, environment);
    return line;
  }
  std::string directory = launch_directory(environment);
  return Loader(std::move(arguments), std::move(environment), std::move(directory), {}).load();
}

CommandLine reload_config(const CommandLine& current, const std::stop_token& stop) {
  CommandLine fresh = Loader(current.arguments, current.environment, current.launch_directory, stop).load();
  fresh.action = current.action;
  for (const SettingSection& section : setting_sections()) {
    for (const Setting& setting : section.settings) {
      if (setting.on_reload == OnReload::Applies) continue;
      const SettingValue before = read_setting(current.config, setting);
      const SettingValue after = read_setting(fresh.config, setting);
      if (before == after) continue;
      fresh.notices.push_back({Notice::Level::Warning, std::string(setting.name) + " changed from " +
                                                           python_literal(before) + " to " + python_literal(after) +
                                                           ", which takes a restart or an upgrade (SIGUSR2); " +
                                                           python_literal(before) + " is kept"});
      keep_setting(fresh.config, current.config, setting);
    }
  }
  fresh.config.uid = current.config.uid;
  fresh.config.gid = current.config.gid;
  return fresh;
}

}  // namespace prefork

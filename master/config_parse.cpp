// The command line: every row of the table becomes an option of CLI11, which splits the words; what they mean is ours.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <unordered_map>

#include <CLI/CLI.hpp>

#include "master/config_sources.hpp"

namespace prefork {
namespace {

struct Target {
  const Setting* setting = nullptr;
  const ForeignFlag* foreign = nullptr;
  bool ParsedArguments::*special = nullptr;
};

// "--reload" also gets its "--no-reload", as CLI11 writes it.
std::string with_negations(const std::vector<std::string>& flags) {
  std::string names;
  for (const std::string& flag : flags) {
    if (!names.empty()) names += ',';
    names += flag;
    if (flag.starts_with("--") && !flag.starts_with("--no-")) names += ",!--no-" + flag.substr(2);
  }
  return names;
}

class ArgumentParser {
 public:
  explicit ArgumentParser(std::string_view source) : origin_prefix_(source.empty() ? "" : std::string(source) + ": ") {
    app_.set_help_flag();
    app_.allow_extras();
    app_.allow_config_extras(false);
    for (const SettingSection& section : setting_sections())
      for (const Setting& setting : section.settings) add(setting);
    for (const ForeignFlag& foreign : foreign_flags()) {
      if (foreign.takes_value)
        add_option(foreign.flags, {.foreign = &foreign});
      else
        add_flag(with_negations(split_words(foreign.flags, ',')), {.foreign = &foreign});
    }
    add_flag("-h,--help", {.special = &ParsedArguments::help});
    add_flag("-v,--version", {.special = &ParsedArguments::version});
    add_flag("--print-settings-reference", {.special = &ParsedArguments::settings_reference});
    positional_ = app_.add_option("APP")->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }

  ParsedArguments parse(const std::vector<std::string>& arguments) {
    std::vector<std::string> words = joined(arguments);
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    try {
      app_.parse(reversed);
    } catch (const CLI::ParseError& error) {
      refuse_incomplete(words, error.what());
    }
    refuse_unknown(app_.remaining());
    std::unordered_map<const CLI::Option*, std::size_t> seen;
    std::unordered_map<const CLI::Option*, std::vector<std::string>> used = used_flags(words);
    for (const CLI::Option* option : app_.parse_order()) {
      const std::size_t at = seen[option]++;
      if (at >= option->results().size()) continue;
      const auto& names = used[option];
      take(option, at < names.size() ? names[at] : option->get_name(), option->results()[at]);
    }
    finish_foreign();
    return std::move(parsed_);
  }

 private:
  void add(const Setting& setting) {
    std::vector<std::string> flags = split_words(setting.flags, ',');
    for (std::string& flag : split_words(setting.also, ',')) {
      renamed_[flag] = setting.name;
      flags.push_back(std::move(flag));
    }
    if (flags.empty()) return;
    if (is_switch(setting)) {
      add_flag(with_negations(flags), {.setting = &setting});
      return;
    }
    std::string names;
    for (const std::string& flag : flags) names += (names.empty() ? "" : ",") + flag;
    add_option(names, {.setting = &setting});
  }

  void add_option(const std::string& names, const Target& target) {
    remember(app_.add_option(names)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll), names, target);
  }

  void add_flag(const std::string& names, const Target& target) {
    remember(app_.add_flag(names)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll), names, target);
  }

  void remember(const CLI::Option* option, const std::string& names, const Target& target) {
    targets_[option] = target;
    for (std::string name : split_words(names, ',')) {
      if (name.starts_with('!')) name.erase(0, 1);
      flags_[name] = option;
      flag_names_.push_back(name);
    }
  }

  [[nodiscard]] const Target* target_of(const std::string& flag) const {
    const auto found = flags_.find(flag);
    return found == flags_.end() ? nullptr : &targets_.at(found->second);
  }

  // Where a value may be left out, the next word is the value only when it is an allowed one; CLI11 would take any.
  [[nodiscard]] std::vector<std::string> joined(const std::vector<std::string>& words) const {
    std::vector<std::string> result;
    for (std::size_t at = 0; at < words.size(); ++at) {
      const std::string& word = words[at];
      result.push_back(word);
      if (word == "--") {
        result.insert(result.end(), words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end());
        break;
      }
      const Target* target = target_of(word);
      if (target == nullptr || target->setting == nullptr || !word.starts_with("--")) continue;
      const bool optional = target->setting->bare != nullptr;
      if (!optional && !is_switch(*target->setting)) continue;
      const auto choices = split_words(optional ? target->setting->choices : "true|false", '|');
      const bool follows = at + 1 < words.size() && !words[at + 1].empty() &&
                           std::find(choices.begin(), choices.end(), words[at + 1]) != choices.end();
      if (follows)
        result.back() += "=" + words[++at];
      else if (optional)
        result.back() += std::string("=") + target->setting->bare;
    }
    return result;
  }

  // The flags of each option as they were written, for messages: -w and --workers are one option.
  [[nodiscard]] std::unordered_map<const CLI::Option*, std::vector<std::string>> used_flags(
      const std::vector<std::string>& words) const {
    std::unordered_map<const CLI::Option*, std::vector<std::string>> used;
    for (const std::string& word : words) {
      if (word == "--") break;
      std::string name = word.substr(0, word.find('='));
      if (word.size() > 2 && word[0] == '-' && word[1] != '-') name = word.substr(0, 2);
      if (const auto found = flags_.find(name); found != flags_.end()) used[found->second].push_back(name);
    }
    return used;
  }

  void take(const CLI::Option* option, const std::string& flag, const std::string& text) {
    if (option == positional_) {
      assign(*find_setting("wsgi_app"), text, "APP");
      return;
    }
    const Target& target = targets_.at(option);
    if (target.special != nullptr) {
      parsed_.*target.special = true;
    } else if (target.foreign != nullptr) {
      const std::size_t before = foreign_.assignments.size();
      note(flag + " of " + target.foreign->server + ": " + target.foreign->translate(text, foreign_));
      if (!foreign_.refusal.empty()) throw ConfigError(origin_prefix_ + flag + ": " + foreign_.refusal, 2);
      for (std::size_t at = before; at < foreign_.assignments.size(); ++at)
        assign(*find_setting(foreign_.assignments[at].first), foreign_.assignments[at].second, flag);
    } else {
      if (const auto renamed = renamed_.find(flag); renamed != renamed_.end())
        note(flag + " is the setting " + renamed->second + " here");
      assign(*target.setting, text, flag);
    }
  }

  void assign(const Setting& setting, const std::string& text, const std::string& flag) {
    const std::string origin = origin_prefix_ + flag;
    if (!is_list(setting) || setting.shape == Shape::CommaList) {
      parsed_.assignments.push_back({&setting, SettingValue::from_text(text), origin});
      return;
    }
    // Each use of the flag is one entry of the list.
    for (Assignment& earlier : parsed_.assignments) {
      if (earlier.setting != &setting) continue;
      earlier.value.items.push_back(text);
      return;
    }
    parsed_.assignments.push_back({&setting, SettingValue::from_list({text}), origin});
  }

  void note(const std::string& text) { parsed_.notices.push_back({Notice::Level::Debug, origin_prefix_ + text}); }

  // --host and --port are halves of one address.
  void finish_foreign() {
    if (!foreign_.host && !foreign_.port) return;
    std::string host = foreign_.host.value_or("127.0.0.1");
    if (host.find(':') != std::string::npos && !host.starts_with('[')) host = "[" + host + "]";
    assign(*find_setting("bind"), host + ":" + foreign_.port.value_or("8000"), foreign_.port ? "--port" : "--host");
  }

  // CLI11 fails to parse only when the last word is an option without its value, or a switch got a strange one.
  [[noreturn]] void refuse_incomplete(const std::vector<std::string>& words, const char* reason) const {
    const Target* target = words.empty() ? nullptr : target_of(words.back());
    if (target == nullptr) throw ConfigError(origin_prefix_ + reason, 2);
    std::string text = origin_prefix_ + words.back() + ": no value given";
    if (target->setting != nullptr) text += "; allowed: " + allowed_values(*target->setting);
    throw ConfigError(text, 2);
  }

  void refuse_unknown(const std::vector<std::string>& remaining) const {
    for (const std::string& word : remaining) {
      if (word.size() < 2 || word[0] != '-' || word == "--") continue;
      const std::string flag = word.substr(0, word.find('='));
      std::string text = std::string(origin_prefix_).append(flag).append(" is no option");
      const std::string nearest = nearest_name(flag, flag_names_);
      if (nearest.empty())
        text += "; see prefork --help";
      else
        text.append("; did you mean ").append(nearest).append("?");
      throw ConfigError(text, 2);
    }
    for (const std::string& word : remaining)
      if (word != "--")
        throw ConfigError(origin_prefix_ + "'" + word + "' given after the application " +
                              positional_->results().front() + "; allowed: one application",
                          2);
  }

  std::string origin_prefix_;
  CLI::App app_;
  CLI::Option* positional_ = nullptr;
  std::unordered_map<const CLI::Option*, Target> targets_;
  std::unordered_map<std::string, const CLI::Option*> flags_;
  std::unordered_map<std::string, std::string> renamed_;
  std::vector<std::string> flag_names_;
  ForeignFlagResult foreign_;
  ParsedArguments parsed_;
};

}  // namespace

ParsedArguments parse_arguments(const std::vector<std::string>& arguments, std::string_view source) {
  return ArgumentParser(source).parse(arguments);
}

std::optional<std::string> ParsedArguments::text_of(std::string_view name) const {
  std::optional<std::string> text;
  for (const Assignment& assignment : assignments)
    if (assignment.setting->name == name) text = assignment.value.text;
  return text;
}

ControlCommand parse_control_command(const std::vector<std::string>& arguments, const Environment& environment) {
  const std::string& verb = arguments.front();
  ControlCommand command;
  command.verb = verb == "reload" ? ControlCommand::Verb::Reload
                 : verb == "stop" ? ControlCommand::Verb::Stop
                                  : ControlCommand::Verb::Status;
  command.default_socket = default_control_socket(environment);
  double seconds = 120;
  CLI::App app("Speaks to a running server. TARGET is its control socket, its pid file or its process id.",
               "prefork " + verb);
  app.add_option("TARGET", command.target,
                 "control socket, pid file or process id; default: " + command.default_socket);
  if (command.verb != ControlCommand::Verb::Status) {
    app.add_flag("--wait", command.wait, "come back when it is done; exit with 1 and the reason when it failed");
    app.add_option("--timeout", seconds, "seconds to wait")->check(CLI::NonNegativeNumber);
  }
  app.add_flag("--json", command.json, "answer in JSON");
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend() - 1));
  } catch (const CLI::CallForHelp&) {
    throw ConfigError(app.help(), 0);
  } catch (const CLI::ParseError& error) {
    throw ConfigError(verb + ": " + error.what(), 2);
  }
  command.timeout = std::chrono::milliseconds(static_cast<long long>(seconds * 1000));
  return command;
}

}  // namespace prefork

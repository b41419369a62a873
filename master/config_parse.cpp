// The command line: every row of the table becomes an option. Words are split by the rules of Python's argparse, because
// that is what gunicorn's users have in their unit files: unambiguous beginnings of long flags (--worker-con 5), -w4,
// -w=4, -DRw4, --flag=VALUE, options behind the application, "--". A general parser was tried: it takes the next word for
// the value of `--workers=` and "=4" for that of `-w=4`.
#include <algorithm>
#include <optional>
#include <unordered_map>

#include <CLI/CLI.hpp>

#include "master/config_sources.hpp"
#include "master/http/characters.hpp"

namespace prefork {
namespace {

struct Target {
  const Setting* setting = nullptr;
  const ForeignFlag* foreign = nullptr;
  bool ParsedArguments::*special = nullptr;
  bool operator==(const Target&) const = default;
};

struct Flag {
  std::string name;
  Target target;
  bool negates = false;    // --no-reload
  bool gunicorns = false;  // beginnings of gunicorn's flags mean what they mean there, whatever else begins so
  [[nodiscard]] bool same_as(const Flag& other) const { return target == other.target && negates == other.negates; }
};

bool is_long(std::string_view word) { return word.starts_with("--"); }

// "-1" and "-.5" are values.
bool is_number(std::string_view word) {
  std::string digits(word.substr(1));
  if (const auto point = digits.find('.'); point != std::string::npos && point + 1 < digits.size())
    digits.erase(point, 1);
  return !digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos;
}

bool has(std::string_view choices, const std::string& word) {
  const auto all = split_words(choices, '|');
  return !word.empty() && std::find(all.begin(), all.end(), word) != all.end();
}

class ArgumentParser {
 public:
  explicit ArgumentParser(std::string_view source) : origin_prefix_(source.empty() ? "" : std::string(source) + ": ") {
    for (const SettingSection& section : setting_sections())
      for (const Setting& setting : section.settings) add(setting);
    for (const ForeignFlag& foreign : foreign_flags())
      for (const std::string& name : split_words(foreign.flags, ','))
        add(name, {.foreign = &foreign}, !foreign.takes_value, false);
    for (const char* name : {"-h", "--help"}) add(name, {.special = &ParsedArguments::help}, false, true);
    for (const char* name : {"-v", "--version"}) add(name, {.special = &ParsedArguments::version}, false, true);
    add("--print-settings-reference", {.special = &ParsedArguments::settings_reference}, false, false);
  }

  ParsedArguments parse(const std::vector<std::string>& words) {
    words_ = &words;
    for (at_ = 0; at_ < words.size(); ++at_) {
      const std::string& word = words[at_];
      if (word == "--") {
        positionals_.insert(positionals_.end(), words.begin() + static_cast<std::ptrdiff_t>(at_) + 1, words.end());
        break;
      }
      if (!is_option(word))
        positionals_.push_back(word);
      else if (is_long(word))
        take_long(word);
      else
        take_short(word);
    }
    finish_foreign();
    take_positionals();
    return std::move(parsed_);
  }

 private:
  void add(const Setting& setting) {
    // gunicorn knows a switch that is on at first only by its --no- form.
    const auto* field = std::get_if<bool Config::*>(&setting.field);
    const bool on = field != nullptr && Config{}.*(*field);
    for (const std::string& name : split_words(setting.flags, ','))
      add(name, {.setting = &setting}, is_switch(setting), setting.compat != Compat::Own, on);
    for (const std::string& name : split_words(setting.also, ',')) {
      renamed_[name] = setting.name;
      add(name, {.setting = &setting}, is_switch(setting), false);
    }
  }

  // "--reload" also gets its "--no-reload".
  void add(const std::string& name, const Target& target, bool negatable, bool gunicorns, bool on = false) {
    const auto keep = [this](Flag flag) {
      places_.emplace(flag.name, flags_.size());
      flags_.push_back(std::move(flag));
    };
    keep({name, target, false, gunicorns && !on});
    if (negatable && is_long(name) && !name.starts_with("--no-"))
      keep({"--no-" + name.substr(2), target, true, gunicorns && on});
  }

  [[nodiscard]] const Flag* exactly(const std::string& name) const {
    const auto found = places_.find(name);
    return found == places_.end() ? nullptr : &flags_[found->second];
  }

  [[nodiscard]] std::vector<const Flag*> beginning_with(const std::string& start, bool gunicorns) const {
    std::vector<const Flag*> found;
    for (const Flag& flag : flags_)
      if (is_long(flag.name) && flag.name.starts_with(start) && (flag.gunicorns || !gunicorns)) found.push_back(&flag);
    return found;
  }

  // The flag that a long name stands for; nullptr when there is none.
  [[nodiscard]] const Flag* meant_by(const std::string& name) const {
    if (const Flag* flag = exactly(name)) return flag;
    auto found = beginning_with(name, true);
    if (found.empty()) found = beginning_with(name, false);
    if (found.empty()) return nullptr;
    if (std::all_of(found.begin(), found.end(), [&](const Flag* flag) { return flag->same_as(*found.front()); }))
      return found.front();
    std::string text = origin_prefix_ + "ambiguous option: " + name + " could match ";
    for (const Flag* flag : found) text += (flag == found.front() ? "" : ", ") + flag->name;
    throw ConfigError(text, 2);
  }

  // What has a blank in it is a value unless it begins with a flag: --access-logformat '-- %(h)s'.
  [[nodiscard]] bool is_option(const std::string& word) const {
    if (word.size() < 2 || word[0] != '-' || is_number(word)) return false;
    if (word.find(' ') == std::string::npos) return true;
    return is_long(word) ? !beginning_with(word.substr(0, word.find('=')), false).empty()
                         : exactly(word.substr(0, 2)) != nullptr;
  }

  void take_long(const std::string& word) {
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const Flag* flag = meant_by(name);
    if (flag == nullptr) return note_unknown(name);
    std::optional<std::string> value;
    if (equals != std::string::npos) value = word.substr(equals + 1);
    take(*flag, std::move(value));
  }

  // Switches may be run together, and the last may have its value behind it.
  void take_short(const std::string& word) {
    for (std::size_t at = 1; at < word.size(); ++at) {
      const Flag* flag = exactly({'-', word[at]});
      if (flag == nullptr) return note_unknown(at == 1 ? word.substr(0, word.find('=')) : word);
      std::string rest = word.substr(at + 1);
      if (takes_no_value(*flag) && !(at == 1 && rest.starts_with('='))) {
        take(*flag, std::nullopt);
        continue;
      }
      if (at == 1 && rest.starts_with('='))
        take(*flag, rest.substr(1));
      else
        take(*flag, rest.empty() ? std::nullopt : std::optional(rest));
      return;
    }
  }

  static bool takes_no_value(const Flag& flag) {
    const Target& target = flag.target;
    return target.special != nullptr || (target.foreign != nullptr && !target.foreign->takes_value) ||
           (target.setting != nullptr && is_switch(*target.setting));
  }

  // The words (a|b) that are taken for the value of a flag that may do without one; empty for any other flag.
  static std::string optional_values(const Target& target) {
    if (target.foreign != nullptr) return target.foreign->choices;
    if (target.setting == nullptr || target.setting->bare == nullptr) return {};
    std::string words = target.setting->choices;
    for (const std::string& synonym : split_words(target.setting->synonyms, '|'))
      words.append("|").append(synonym, 0, synonym.find('='));
    return words;
  }

  void take(const Flag& flag, std::optional<std::string> value) {
    const Setting* setting = flag.target.setting;
    const std::string choices = optional_values(flag.target);
    const bool optional = !choices.empty();
    const bool switches = takes_no_value(flag);
    const bool takes_bool = switches && setting != nullptr && !flag.negates;
    if (switches && value && !takes_bool)
      throw ConfigError(origin_prefix_ + flag.name + ": '" + *value + "' given; it takes no value", 2);
    if (!value && is_long(flag.name) && (optional || takes_bool)) {
      // The next word is the value only when it cannot be anything else.
      if (at_ + 1 < words_->size() && has(optional ? choices : "true|false", http::lowered((*words_)[at_ + 1])))
        value = (*words_)[++at_];
    }
    if (!value && optional) value = setting != nullptr ? setting->bare : "";
    if (!value && switches) value = flag.negates ? "false" : "true";
    if (!value) value = next_word(flag);
    take(flag.target, flag.name, *value);
  }

  [[nodiscard]] std::string next_word(const Flag& flag) {
    if (at_ + 1 < words_->size() && (*words_)[at_ + 1] != "--" && !is_option((*words_)[at_ + 1]))
      return (*words_)[++at_];
    std::string text = origin_prefix_ + flag.name + ": no value given";
    if (flag.target.setting != nullptr) text += "; allowed: " + allowed_values(*flag.target.setting);
    throw ConfigError(text, 2);
  }

  void take(const Target& target, const std::string& flag, const std::string& text) {
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

  // --host and --port are halves of one address. A socket or a descriptor goes before them, as with uvicorn.
  void finish_foreign() {
    if (foreign_.place || (!foreign_.host && !foreign_.port)) return;
    std::string host = foreign_.host.value_or("127.0.0.1");
    if (host.find(':') != std::string::npos && !host.starts_with('[')) host = "[" + host + "]";
    assign(*find_setting("bind"), host + ":" + foreign_.port.value_or("8000"), foreign_.port ? "--port" : "--host");
  }

  void note_unknown(const std::string& flag) {
    if (!unknown_.empty()) return;
    std::vector<std::string> names;
    for (const Flag& known : flags_)
      if (is_long(known.name)) names.push_back(known.name);
    const std::string nearest = is_long(flag) ? nearest_name(flag, names) : std::string();
    unknown_ = flag + " is no option" + (nearest.empty() ? "; see prefork --help" : "; did you mean " + nearest + "?");
  }

  // Last, so that --help is answered whatever stands beside it.
  void take_positionals() {
    if (parsed_.help || parsed_.version) return;
    if (!unknown_.empty()) throw ConfigError(origin_prefix_ + unknown_, 2);
    if (positionals_.size() > 1) {
      throw ConfigError(origin_prefix_ + "'" + positionals_[1] + "' given after the application " + positionals_[0] +
                            "; allowed: one application",
                        2);
    }
    if (positionals_.empty()) return;
    if (positionals_[0].empty())
      throw ConfigError(origin_prefix_ + "APP: '' given; allowed: MODULE, MODULE:NAME or MODULE:FACTORY()", 2);
    assign(*find_setting("wsgi_app"), positionals_[0], "APP");
  }

  std::string origin_prefix_;
  std::vector<Flag> flags_;
  std::unordered_map<std::string, std::size_t> places_;  // in flags_
  std::unordered_map<std::string, std::string> renamed_;

  const std::vector<std::string>* words_ = nullptr;
  std::size_t at_ = 0;
  std::vector<std::string> positionals_;
  std::string unknown_;  // the first that is no option
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

// Environment variables: those that platforms set for every server, and PREFORK_* for each setting.
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "master/config_sources.hpp"
#include "master/http/characters.hpp"

namespace prefork {
namespace {

const std::string* find_variable(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? nullptr : &found->second;
}

std::string variable_name(std::string_view setting) {
  std::string name = "PREFORK_";
  for (const char c : setting) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

bool is_flag(const std::string& name) {
  const auto has = [&name](std::string_view flags) {
    const auto all = split_words(flags, ',');
    return std::find(all.begin(), all.end(), name) != all.end();
  };
  for (const SettingSection& section : setting_sections())
    for (const Setting& setting : section.settings)
      if (has(setting.flags) || has(setting.also)) return true;
  return std::any_of(foreign_flags().begin(), foreign_flags().end(),
                     [&has](const ForeignFlag& foreign) { return has(foreign.flags); });
}

// A list in one variable: commas between its entries, or line ends where entries may hold commas.
SettingValue value_of(const Setting& setting, const std::string& text) {
  if (!is_list(setting) || setting.shape == Shape::CommaList) return SettingValue::from_text(text);
  const bool by_lines = std::string_view(setting.name) == "raw_env" || std::string_view(setting.name) == "header";
  std::vector<std::string> entries = split_words(text, by_lines ? '\n' : ',');
  std::erase(entries, "");
  return SettingValue::from_list(std::move(entries));
}

// UVICORN_PORT is --port to uvicorn, and GRANIAN_PORT to granian.
void tell_foreign(const Environment& environment, std::vector<Notice>& notices) {
  for (const std::string_view prefix : {"GRANIAN_", "UVICORN_"}) {
    for (auto entry = environment.lower_bound(std::string(prefix));
         entry != environment.end() && entry->first.starts_with(prefix); ++entry) {
      std::string flag = "--" + http::lowered(entry->first.substr(prefix.size()));
      std::replace(flag.begin(), flag.end(), '_', '-');
      if (is_flag(flag))
        notices.push_back({Notice::Level::Warning, entry->first + " is not read; give " + flag +
                                                       " on the command line or in GUNICORN_CMD_ARGS"});
    }
  }
}

}  // namespace

Environment current_environment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

std::vector<Assignment> platform_variables(const Environment& environment) {
  std::vector<Assignment> assignments;
  const auto take = [&](const char* variable, const char* setting, std::string text) {
    assignments.push_back({find_setting(setting), SettingValue::from_text(std::move(text)), variable});
  };
  if (const auto* port = find_variable(environment, "PORT"); port != nullptr && !port->empty()) {
    if (port->find_first_not_of("0123456789") != std::string::npos || port->size() > 5)
      throw ConfigError("PORT: '" + *port + "' given; allowed: a port number from 0 to 65535", 1);
    take("PORT", "bind", "0.0.0.0:" + *port);
  }
  if (const auto* workers = find_variable(environment, "WEB_CONCURRENCY")) {
    if (workers->empty())
      throw ConfigError("WEB_CONCURRENCY: '' given; allowed: " + allowed_values(*find_setting("workers")) +
                            ", or remove the variable",
                        1);
    take("WEB_CONCURRENCY", "workers", *workers);
  }
  if (const auto* proxies = find_variable(environment, "FORWARDED_ALLOW_IPS"))
    take("FORWARDED_ALLOW_IPS", "forwarded_allow_ips", *proxies);
  if (const auto* sendfile = find_variable(environment, "SENDFILE")) {
    // gunicorn's rule: these four words are yes, anything else is no.
    const std::string word = http::lowered(*sendfile);
    take("SENDFILE", "sendfile", word == "y" || word == "1" || word == "yes" || word == "true" ? "true" : "false");
  }
  if (const auto* script = find_variable(environment, "SCRIPT_NAME")) take("SCRIPT_NAME", "root_path", *script);
  return assignments;
}

std::vector<Assignment> prefork_variables(const Environment& environment, std::vector<Notice>& notices) {
  std::vector<Assignment> assignments;
  std::vector<std::string> names;
  for (const SettingSection& section : setting_sections()) {
    for (const Setting& setting : section.settings) {
      std::vector<std::string> spellings = split_words(setting.other_names, ',');
      spellings.emplace_back(setting.name);
      for (const std::string& spelling : spellings) {
        names.push_back(variable_name(spelling));
        if (const auto* text = find_variable(environment, names.back()))
          assignments.push_back({&setting, value_of(setting, *text), names.back()});
      }
    }
  }
  for (auto entry = environment.lower_bound("PREFORK_");
       entry != environment.end() && entry->first.starts_with("PREFORK_"); ++entry) {
    if (std::find(names.begin(), names.end(), entry->first) != names.end()) continue;
    const std::string nearest = nearest_name(entry->first, names);
    // The common prefix makes short names look alike: within it, one edit is a typing error, three are another word.
    if (nearest.empty() || nearest_name(entry->first.substr(8), std::vector{nearest.substr(8)}).empty()) continue;
    notices.push_back(
        {Notice::Level::Warning, entry->first + " is no setting and is ignored; did you mean " + nearest + "?"});
  }
  tell_foreign(environment, notices);
  return assignments;
}

std::string default_control_socket(const Environment& environment) {
  const auto* runtime = find_variable(environment, "XDG_RUNTIME_DIR");
  if (runtime != nullptr && !runtime->empty() && access(runtime->c_str(), W_OK | X_OK) == 0)
    return *runtime + "/prefork.ctl";
  const auto* home = find_variable(environment, "HOME");
  return home != nullptr && home->starts_with('/') ? *home + "/.prefork/prefork.ctl" : std::string();
}

}  // namespace prefork

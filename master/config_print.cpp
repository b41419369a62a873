// --print-config, and docs/settings.md.
#include <algorithm>
#include <cstdio>

#include "master/config_load.hpp"
#include "master/config_table.hpp"
#include "master/config_value.hpp"
#include "master/serve/json_text.hpp"
#include "version.hpp"

namespace prefork {
namespace {

using Kind = SettingValue::Kind;

bool has_field(const Setting& setting) { return !std::holds_alternative<std::monostate>(setting.field); }

// What belongs to one call, and so not into the file that somebody may make of the output.
bool is_about_this_run(const Setting& setting) {
  const std::string_view name(setting.name);
  return name == "config" || name == "check_config" || name == "print_config";
}

std::string literal(const Config& config, const Setting& setting) {
  const SettingValue value = read_setting(config, setting);
  if (setting.shape != Shape::Mode) return python_literal(value);
  char text[24];
  std::snprintf(text, sizeof text, "0o%o", static_cast<unsigned>(std::atoi(value.text.c_str())));
  return text;
}

std::string origin_of(const CommandLine& line, const Setting& setting) {
  const auto found = line.origins.find(setting.name);
  return found == line.origins.end() ? "default" : found->second;
}

std::string escaped_cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, 1, '\\');
  return text;
}

std::string code(const std::string& text) {
  if (text.empty()) return {};
  std::string result = "`";
  result += escaped_cell(text);
  return result += '`';
}

std::string default_text(const Setting& setting) {
  if (setting.default_note[0] != '\0') return escaped_cell(setting.default_note);
  return has_field(setting) ? code(literal(Config{}, setting)) : "";
}

std::string names(const Setting& setting) {
  std::string text = code(setting.name);
  for (const std::string& other : split_words(setting.other_names, ',')) {
    text += ", ";
    text += code(other);
  }
  return text;
}

std::string flags(const Setting& setting) {
  std::string text;
  for (const char* group : {setting.flags, setting.also})
    for (const std::string& flag : split_words(group, ',')) {
      if (!text.empty()) text += ", ";
      text += code(flag);
    }
  return text;
}

void add_working(std::string& text, const SettingSection& section) {
  text += "| setting | flags | default | meaning | allowed | SIGHUP |\n|---|---|---|---|---|---|\n";
  for (const Setting& setting : section.settings) {
    text += "| " + names(setting) + " | " + flags(setting) + " | " + default_text(setting) + " | " +
            escaped_cell(setting.help) + " | " + escaped_cell(allowed_values(setting)) + " | " +
            (setting.on_reload == OnReload::Applies ? "applies" : "keeps") + " |\n";
  }
}

void add_refused(std::string& text, const SettingSection& section) {
  text += "| setting | flags | what happens | what to do |\n|---|---|---|---|\n";
  for (const Setting& setting : section.settings) {
    std::string fate = setting.fate == Fate::Refused  ? "refused"
                       : setting.fate == Fate::Warned ? "warning"
                                                      : "no effect";
    const auto inert = split_words(setting.inert, '|');
    if (!inert.empty()) {
      fate += ", except";
      for (std::size_t at = 0; at < inert.size(); ++at) {
        fate += at == 0 ? " " : ", ";
        fate += code(inert[at]);
      }
    }
    text +=
        "| " + names(setting) + " | " + flags(setting) + " | " + fate + " | " + escaped_cell(setting.advice) + " |\n";
  }
}

}  // namespace

std::string print_config_text(const CommandLine& line) {
  std::string text;
  for (const SettingSection& section : setting_sections()) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (const Setting& setting : section.settings)
      if (has_field(setting))
        rows.emplace_back((is_about_this_run(setting) ? "# " : "") + std::string(setting.name) + " = " +
                              literal(line.config, setting),
                          origin_of(line, setting));
    if (rows.empty()) continue;
    text += "# " + std::string(section.title) + "\n";
    for (const auto& [row, origin] : rows)
      text.append(row).append(row.size() < 48 ? 48 - row.size() : 0, ' ').append("  # ").append(origin).append("\n");
    text += "\n";
  }
  text += "# hooks:";
  for (const std::string& name : line.config.hooks) text += " " + name;
  return text + (line.config.hooks.empty() ? " none\n" : "\n");
}

std::string print_config_json(const CommandLine& line) {
  std::string text = "{\n  \"version\": " + serve::json_string(PREFORK_VERSION) + ",\n  \"settings\": {";
  const char* separator = "\n";
  for (const SettingSection& section : setting_sections()) {
    for (const Setting& setting : section.settings) {
      if (!has_field(setting)) continue;
      text += separator + std::string("    ") + serve::json_string(setting.name) +
              ": {\"value\": " + json_text(read_setting(line.config, setting)) +
              ", \"origin\": " + serve::json_string(origin_of(line, setting)) + "}";
      separator = ",\n";
    }
  }
  text += "\n  },\n  \"hooks\": " + json_text(SettingValue::from_list(line.config.hooks));
  text += ",\n  \"config_file\": " +
          (line.config.config_path.empty() ? "null" : serve::json_string(line.config.config_path)) +
          ",\n  \"notices\": [";
  separator = "\n";
  static constexpr const char* kLevels[] = {"debug", "info", "warning"};
  for (const Notice& notice : line.notices) {
    text += separator + std::string("    {\"level\": ") + serve::json_string(kLevels[static_cast<int>(notice.level)]) +
            ", \"text\": " + serve::json_string(notice.text) + "}";
    separator = ",\n";
  }
  return text + (line.notices.empty() ? "]\n}\n" : "\n  ]\n}\n");
}

std::string settings_reference() {
  std::string text =
      "# Settings\n\n"
      "Made by `prefork --print-settings-reference`; a test compares.\n\n"
      "Where a value comes from, the later one wins:\n\n"
      "1. the default;\n"
      "2. `PORT`, `WEB_CONCURRENCY`, `FORWARDED_ALLOW_IPS`, `SENDFILE` and `SCRIPT_NAME`, which platforms set;\n"
      "3. the configuration file: `-c FILE`, else `./prefork.conf.py`, else `./gunicorn.conf.py`;\n"
      "4. an environment variable `PREFORK_` and the setting's name in capitals, such as `PREFORK_QUEUE_SIZE`; lists "
      "with commas between\n"
      "   their entries, `raw_env` and `header` with one entry a line;\n"
      "5. `GUNICORN_CMD_ARGS`, split as a shell does;\n"
      "6. the command line.\n\n"
      "`prefork --print-config APP` shows every value and where it comes from; `--print-config=json` does so for "
      "programs. Times are in\n"
      "seconds, with fractions or a unit: `0.5`, `200ms`, `2m`. Sizes are in bytes and take `K`, `M` and `G`. Every "
      "switch `--x` has its\n"
      "`--no-x`. The last column says whether SIGHUP applies a changed value or keeps the old one until a restart.\n\n"
      "In a file that was written for gunicorn a name that only prefork has, as `env`, `app` or `interface`, may be a "
      "variable of the file's\n"
      "own: it is a setting when its value can be one, and otherwise ignored with a warning. In `prefork.conf.py` it "
      "is refused.\n\n"
      "A wrong command line ends with exit status 2, a wrong variable or configuration file with 1, both with one line "
      "that names the\n"
      "place, what was given and what is allowed.\n";
  for (const SettingSection& section : setting_sections()) {
    text += "\n## " + std::string(section.title) + "\n\n";
    const bool works = std::any_of(section.settings.begin(), section.settings.end(),
                                   [](const Setting& setting) { return setting.fate == Fate::Works; });
    works ? add_working(text, section) : add_refused(text, section);
  }
  return text;
}

}  // namespace prefork

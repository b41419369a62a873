// --help: the table in groups, wrapped to 100 columns.
#include "master/config_load.hpp"
#include "master/config_table.hpp"
#include "master/config_value.hpp"

namespace prefork {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kColumn = 34;

struct Style {
  const char* title = "";
  const char* flag = "";
  const char* end = "";
};

std::string wrapped(const std::string& text, std::size_t indent, std::size_t column) {
  std::string result;
  for (const std::string& word : split_words(text, ' ')) {
    if (word.empty()) continue;
    if (column + 1 + word.size() > kWidth) {
      result += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
  }
  return result + "\n";
}

// A switch that is on by default is shown by the flag that turns it off.
std::string shown_flags(const Setting& setting) {
  std::string text = setting.flags;
  if (const auto* field = std::get_if<bool Config::*>(&setting.field); field != nullptr && Config{}.*(*field))
    text.replace(0, 2, "--no-");
  if (setting.meta[0] != '\0')
    text += setting.bare != nullptr ? "[=" + std::string(setting.meta) + "]" : " " + std::string(setting.meta);
  return text;
}

std::string explained(const Setting& setting) {
  std::string text = setting.help;
  const std::string choices = setting.choices;
  if (!choices.empty() && choices.size() < 40) text += " Allowed: " + allowed_values(setting) + ".";
  if (setting.default_note[0] != '\0') return text + " [" + setting.default_note + "]";
  if (is_switch(setting)) return text;
  const SettingValue value = read_setting(Config{}, setting);
  const bool empty =
      value.kind == SettingValue::Kind::None || (value.kind == SettingValue::Kind::List && value.items.empty());
  if (empty) return text;
  std::string shown = value.text;
  for (const std::string& item : value.items) shown += (shown.empty() ? "" : ",") + item;
  return text + " [" + shown + "]";
}

void add_line(std::string& text, const std::string& left, const std::string& right, const Style& style) {
  text += "  " + std::string(style.flag) + left + style.end;
  std::size_t column = 2 + left.size();
  if (column + 2 > kColumn) {
    text += "\n";
    column = 0;
  }
  text += std::string(kColumn - column, ' ') + wrapped(right, kColumn, kColumn);
}

}  // namespace

std::string help_text(bool colour) {
  const Style style = colour ? Style{"\x1b[1m", "\x1b[36m", "\x1b[0m"} : Style{};
  const auto title = [&](const std::string& text) { return "\n" + std::string(style.title) + text + style.end + "\n"; };
  std::string text =
      "Usage: prefork [OPTIONS] [APP]\n       prefork reload|stop|status [TARGET]\n\nServes a Python application: "
      "WSGI, ASGI or native.\n";
  text += title("Arguments");
  add_line(text, "APP", find_setting("wsgi_app")->help, style);
  for (const SettingSection& section : setting_sections()) {
    std::string lines;
    for (const Setting& setting : section.settings)
      if (setting.flags[0] != '\0' && setting.fate == Fate::Works)
        add_line(lines, shown_flags(setting), explained(setting), style);
    if (!lines.empty()) text += title(section.title) + lines;
  }
  text += title("Other");
  add_line(text, "--app NAME", "The same as APP; --app echo serves an application written in C++, for measuring.",
           style);
  add_line(text, "-h, --help", "Show this and exit.", style);
  add_line(text, "-v, --version", "Show the version and exit.", style);
  text += "\n" + wrapped(
                     "Times are in seconds, with fractions or a unit (0.5, 200ms, 2m); sizes take K, M and G. Every "
                     "option is also a variable of the "
                     "configuration file and an environment variable (--queue-size: queue_size, PREFORK_QUEUE_SIZE); "
                     "docs/settings.md has them all. "
                     "The flags of gunicorn are all known, and the frequent ones of uvicorn and granian.",
                     0, 0);
  return text;
}

}  // namespace prefork

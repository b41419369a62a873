#include "master/config_value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "master/http/characters.hpp"

namespace prefork {
namespace {

using Kind = SettingValue::Kind;

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

std::optional<bool> parse_bool(const std::string& text) {
  const std::string word = http::lowered(trimmed(text));
  for (const char* yes : {"true", "1", "yes", "y", "on"})
    if (word == yes) return true;
  for (const char* no : {"false", "0", "no", "n", "off"})
    if (word == no) return false;
  return std::nullopt;
}

// Decimal, 0x, 0o and 0b as Python writes them; for modes also 0022 as a shell does.
std::optional<long long> parse_integer(std::string text, bool leading_zero_is_octal) {
  text = http::lowered(trimmed(text));
  std::erase(text, '_');
  const bool negative = text.starts_with('-');
  std::string_view digits(text);
  if (negative || text.starts_with('+')) digits.remove_prefix(1);
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    const char mark = digits[1];
    if (mark == 'x' || mark == 'o' || mark == 'b') {
      base = mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
      digits.remove_prefix(2);
    } else if (leading_zero_is_octal) {
      base = 8;
      digits.remove_prefix(1);
    }
  }
  long long value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (digits.empty() || digits.front() == '-' || error != std::errc{} || end != digits.data() + digits.size())
    return std::nullopt;
  return negative ? -value : value;
}

std::optional<double> parse_decimal(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

// Microseconds of "1.5", "200ms", "2m"; a bare number counts `unit` microseconds each.
std::optional<std::int64_t> parse_duration(const std::string& given, double unit) {
  const std::string word = http::lowered(trimmed(given));
  std::string_view text(word);
  static constexpr struct {
    std::string_view suffix;
    double microseconds;
  } kUnits[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 6e7}, {"h", 3.6e9}};
  for (const auto& [suffix, microseconds] : kUnits) {
    if (!text.ends_with(suffix)) continue;
    text.remove_suffix(suffix.size());
    unit = microseconds;
    break;
  }
  const auto number = parse_decimal(text);
  if (!number || *number < 0 || *number * unit > 9e15) return std::nullopt;
  return static_cast<std::int64_t>(std::llround(*number * unit));
}

// Bytes of "65536", "64K", "64KiB", "1.5m".
std::optional<std::uint64_t> parse_size(const std::string& given) {
  const std::string word = http::lowered(trimmed(given));
  std::string_view text(word);
  if (text.ends_with("ib"))
    text.remove_suffix(2);
  else if (text.ends_with("b"))
    text.remove_suffix(1);
  double unit = 1;
  static constexpr std::string_view kPrefixes = "kmgt";
  if (const auto power = text.empty() ? std::string_view::npos : kPrefixes.find(text.back());
      power != std::string_view::npos) {
    unit = std::pow(1024.0, static_cast<double>(power + 1));
    text.remove_suffix(1);
  }
  const auto number = parse_decimal(text);
  if (!number || *number < 0 || *number * unit > 9e15) return std::nullopt;
  return static_cast<std::uint64_t>(*number * unit);
}

std::string seconds_text(std::int64_t microseconds) {
  if (microseconds % 1'000'000 == 0) return std::to_string(microseconds / 1'000'000);
  char text[48];
  std::snprintf(text, sizeof text, "%.6f", static_cast<double>(microseconds) / 1e6);
  std::string result(text);
  while (result.back() == '0') result.pop_back();
  return result;
}

// Stores a value in a field of each type; false when the value does not fit.
class Assigner {
 public:
  Assigner(Config& config, const Setting& setting, const SettingValue& value)
      : config_(config), setting_(setting), value_(value) {}

  // What was wrong: the value, or the one entry of a list.
  [[nodiscard]] const SettingValue& wrong() const { return wrong_ ? *wrong_ : value_; }

  bool operator()(std::monostate) { return true; }

  bool operator()(bool Config::*field) {
    // gunicorn takes None for False.
    const auto parsed = value_.kind == Kind::None ? std::optional(false)
                        : is_scalar()             ? parse_bool(value_.text)
                                                  : std::nullopt;
    if (parsed) config_.*field = *parsed;
    return parsed.has_value();
  }

  bool operator()(int Config::*field) {
    if (setting_.shape == Shape::Workers && value_.kind == Kind::Text &&
        http::lowered(trimmed(value_.text)) == "auto") {
      config_.*field = 0;  // resolved once everything is read
      return true;
    }
    std::optional<long long> number;
    if (value_.kind == Kind::Bool) number = value_.text == "true";  // as in Python, where True is 1
    if (value_.kind == Kind::Int || value_.kind == Kind::Text)
      number = parse_integer(value_.text, setting_.shape == Shape::Mode);
    if (!number || *number < setting_.min ||
        *number > std::min<long long>(setting_.max, std::numeric_limits<int>::max()))
      return false;
    config_.*field = static_cast<int>(*number);
    return true;
  }

  bool operator()(std::uint64_t Config::*field) {
    const auto size = is_number_or_text() ? parse_size(value_.text) : std::nullopt;
    if (!size || *size < static_cast<std::uint64_t>(setting_.min) || *size > static_cast<std::uint64_t>(setting_.max))
      return false;
    config_.*field = *size;
    return true;
  }

  bool operator()(std::chrono::milliseconds Config::*field) {
    const auto microseconds = is_number_or_text() ? parse_duration(value_.text, 1e6) : std::nullopt;
    if (!microseconds) return false;
    // A positive time never rounds to 0, which would mean "off".
    config_.*field = std::chrono::milliseconds((*microseconds + 999) / 1000);
    return (config_.*field).count() >= setting_.min * 1000;
  }

  bool operator()(std::chrono::microseconds Config::*field) {
    const auto microseconds = is_number_or_text() ? parse_duration(value_.text, 1) : std::nullopt;
    if (microseconds) config_.*field = std::chrono::microseconds(*microseconds);
    return microseconds.has_value();
  }

  bool operator()(std::string Config::*field) {
    if (setting_.shape == Shape::Json) return assign_json(config_.*field);
    if (value_.kind == Kind::None) {
      config_.*field = Config{}.*field;
      return true;
    }
    const bool named_class = setting_.shape == Shape::Class && value_.kind == Kind::Callable;
    if (!named_class && (!is_scalar() || value_.kind == Kind::Float)) return false;
    std::string text = trimmed(value_.text);
    if (setting_.choices[0] != '\0' && !choose(text)) return false;
    // True or False is a mistake except where the choices have an on and an off, and a number where it names nobody.
    if (value_.kind == Kind::Bool && setting_.choices[0] == '\0') return false;
    if (value_.kind == Kind::Int && setting_.choices[0] == '\0' && setting_.shape != Shape::Owner) return false;
    if (setting_.check != nullptr && !text.empty() && !setting_.check(text)) return false;
    config_.*field = text;
    return true;
  }

  bool operator()(std::vector<std::string> Config::*field) {
    std::vector<std::string> entries;
    if (value_.kind == Kind::Text && (setting_.shape == Shape::CommaList || setting_.shape == Shape::Repeated))
      entries = split_words(value_.text, ',');
    else if (value_.kind == Kind::Text && !value_.text.empty())
      entries = {value_.text};
    else if (value_.kind == Kind::List)
      entries = value_.items;
    else if (value_.kind != Kind::None && value_.kind != Kind::Text)
      return false;
    for (std::string& entry : entries) {
      entry = trimmed(entry);
      if (setting_.check == nullptr || setting_.check(entry)) continue;
      wrong_ = SettingValue::from_text(entry);
      return false;
    }
    config_.*field = std::move(entries);
    return true;
  }

  bool operator()(std::map<std::string, std::string> Config::*field) {
    if (value_.kind != Kind::Map) return false;
    (config_.*field).clear();
    for (std::size_t at = 0; at + 1 < value_.items.size(); at += 2)
      (config_.*field)[value_.items[at]] = value_.items[at + 1];
    return true;
  }

 private:
  [[nodiscard]] bool is_number_or_text() const {
    return value_.kind == Kind::Int || value_.kind == Kind::Float || value_.kind == Kind::Text;
  }
  [[nodiscard]] bool is_scalar() const { return is_number_or_text() || value_.kind == Kind::Bool; }

  bool assign_json(std::string& field) {
    if (value_.kind == Kind::None)
      field.clear();
    else if (value_.kind == Kind::Map || value_.kind == Kind::Text)
      field = value_.text;
    else
      return false;
    if (field == "{}") field.clear();
    return field.empty() || field.starts_with('{') || field == "@file";
  }

  bool choose(std::string& text) {
    text = http::lowered(text);
    for (const std::string& synonym : split_words(setting_.synonyms, '|')) {
      const auto equals = synonym.find('=');
      if (text == synonym.substr(0, equals)) text = synonym.substr(equals + 1);
    }
    const auto choices = split_words(setting_.choices, '|');
    return std::find(choices.begin(), choices.end(), text) != choices.end();
  }

  Config& config_;
  const Setting& setting_;
  const SettingValue& value_;
  std::optional<SettingValue> wrong_;
};

std::string shown(const SettingValue& value) {
  switch (value.kind) {
    case Kind::Callable: return "the function or class " + value.text;
    case Kind::Other: return "an object of type " + value.text;
    default: return python_literal(value);
  }
}

std::string range_text(const std::string& what, const Setting& setting) {
  std::string text = what + " from " + std::to_string(setting.min);
  if (setting.max != INT64_MAX) text += " to " + std::to_string(setting.max);
  return text;
}

bool is_huge(const std::string& number) {
  return number.size() > 9 && number.find_first_not_of("0123456789 _+") == std::string::npos;
}

std::string joined_with_or(std::vector<std::string> words) {
  std::erase(words, "");  // nothing at all may be chosen, which goes without saying
  std::string text;
  for (std::size_t at = 0; at < words.size(); ++at)
    text += (at == 0 ? "" : at + 1 == words.size() ? " or " : ", ") + words[at];
  return text;
}

}  // namespace

std::optional<std::string> assign_setting(Config& config, const Setting& setting, const SettingValue& value) {
  Assigner assigner(config, setting, value);
  if (std::visit(assigner, setting.field)) return std::nullopt;
  std::string text = shown(assigner.wrong()) + " given; allowed: " + allowed_values(setting);
  // A limit of the computer's is worth a word only where it is met.
  if (std::holds_alternative<int Config::*>(setting.field) && setting.max == INT64_MAX && is_huge(value.text))
    text += " to " + std::to_string(std::numeric_limits<int>::max());
  return text;
}

std::string allowed_values(const Setting& setting) {
  struct Describe {
    const Setting& setting;
    std::string operator()(std::monostate) const {
      return setting.shape == Shape::Callable ? "a function" : "any value";
    }
    std::string operator()(bool Config::*) const { return "true or false"; }
    std::string operator()(int Config::*) const {
      if (setting.shape == Shape::Workers) return range_text("a whole number", setting) + ", or auto";
      if (setting.shape == Shape::Mode) return "a mode such as 0o22, 0022 or 18";
      return range_text("a whole number", setting);
    }
    std::string operator()(std::uint64_t Config::*) const {
      std::string text = "a number of bytes, with K, M or G if wanted";
      if (setting.min > 0 || setting.max != INT64_MAX) text += ", from " + std::to_string(setting.min);
      if (setting.max != INT64_MAX) text += " to " + std::to_string(setting.max);
      return text;
    }
    std::string operator()(std::chrono::milliseconds Config::*) const {
      const std::string least = setting.min > 0 ? " from " + std::to_string(setting.min) : std::string();
      return "seconds" + least + ", such as 30, 0.5, 200ms or 2m";
    }
    std::string operator()(std::chrono::microseconds Config::*) const { return "microseconds, such as 20 or 50us"; }
    std::string operator()(std::string Config::*) const {
      if (setting.choices[0] != '\0') return joined_with_or(split_words(setting.choices, '|'));
      if (setting.shape == Shape::Json) return "a dict";
      return setting.allowed[0] != '\0' ? setting.allowed : "a text";
    }
    std::string operator()(std::vector<std::string> Config::*) const {
      return setting.allowed[0] != '\0' ? setting.allowed : "a text or a list of texts";
    }
    std::string operator()(std::map<std::string, std::string> Config::*) const { return "a dict of texts"; }
  };
  return std::visit(Describe{setting}, setting.field);
}

void keep_setting(Config& to, const Config& from, const Setting& setting) {
  std::visit(
      [&](auto field) {
        if constexpr (!std::is_same_v<decltype(field), std::monostate>) to.*field = from.*field;
      },
      setting.field);
}

SettingValue read_setting(const Config& config, const Setting& setting) {
  struct Reader {
    const Config& config;
    SettingValue operator()(std::monostate) const { return {}; }
    SettingValue operator()(bool Config::*field) const { return {Kind::Bool, config.*field ? "true" : "false", {}}; }
    SettingValue operator()(int Config::*field) const { return {Kind::Int, std::to_string(config.*field), {}}; }
    SettingValue operator()(std::uint64_t Config::*field) const {
      return {Kind::Int, std::to_string(config.*field), {}};
    }
    SettingValue operator()(std::chrono::milliseconds Config::*field) const {
      const auto count = (config.*field).count();
      return {count % 1000 == 0 ? Kind::Int : Kind::Float, seconds_text(count * 1000), {}};
    }
    SettingValue operator()(std::chrono::microseconds Config::*field) const {
      return {Kind::Int, std::to_string((config.*field).count()), {}};
    }
    SettingValue operator()(std::string Config::*field) const {
      return (config.*field).empty() ? SettingValue{} : SettingValue{Kind::Text, config.*field, {}};
    }
    SettingValue operator()(std::vector<std::string> Config::*field) const { return {Kind::List, {}, config.*field}; }
    SettingValue operator()(std::map<std::string, std::string> Config::*field) const {
      SettingValue value{Kind::Map, {}, {}};
      for (const auto& [key, text] : config.*field) {
        value.items.push_back(key);
        value.items.push_back(text);
      }
      return value;
    }
  };
  return std::visit(Reader{config}, setting.field);
}

}  // namespace prefork

// One value of a setting on its way into Config: as it came from the command line, the environment or the configuration
// file, and back again for printing. Knows kinds and limits, not where a value came from. Stateless; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "master/config.hpp"
#include "master/config_table.hpp"

namespace prefork {

struct SettingValue {
  enum class Kind { None, Bool, Int, Float, Text, List, Mixed, Map, Callable, Other };

  Kind kind = Kind::None;
  // None: ""; Bool: true, false; List and Map: unused; Mixed: a list of more than texts, as Python prints it; Callable and
  // Other: what it is.
  std::string text;
  std::vector<std::string> items;  // List: the entries; Map: key, value, key, value ...

  [[nodiscard]] static SettingValue from_text(std::string text) { return {Kind::Text, std::move(text), {}}; }
  [[nodiscard]] static SettingValue from_list(std::vector<std::string> items) {
    return {Kind::List, {}, std::move(items)};
  }
  bool operator==(const SettingValue&) const = default;
};

// Stores the value in its field. Returns what is wrong with it: "'abc' given; allowed: a whole number from 1".
[[nodiscard]] std::optional<std::string> assign_setting(Config& config, const Setting& setting,
                                                        const SettingValue& value);

// The value that the field has now. None for settings without a field.
[[nodiscard]] SettingValue read_setting(const Config& config, const Setting& setting);

// Copies one field.
void keep_setting(Config& to, const Config& from, const Setting& setting);

// What may be written for it: "a whole number from 1", "drop, refuse or dangerous".
[[nodiscard]] std::string allowed_values(const Setting& setting);

// As a Python literal, so that a printed configuration can be pasted into a configuration file; and as JSON.
[[nodiscard]] std::string python_literal(const SettingValue& value);
[[nodiscard]] std::string json_text(const SettingValue& value);

}  // namespace prefork

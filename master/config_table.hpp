// The table of all settings: the only place that knows a setting's name, flags, kind, limits, help text and fate. Parsing,
// validation, --help, --print-config and docs/settings.md are all made from it. A setting has one row in one of the
// config_table_*.cpp files; the rows are constant, so any thread may read them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "master/config.hpp"

namespace prefork {

// Where the value lives. monostate: the setting is known but there is nothing to store (see Fate).
using SettingField =
    std::variant<std::monostate, bool Config::*, int Config::*, std::uint64_t Config::*,
                 std::chrono::milliseconds Config::*, std::chrono::microseconds Config::*, std::string Config::*,
                 std::vector<std::string> Config::*, std::map<std::string, std::string> Config::*>;

// What the field's type does not tell.
enum class Shape : std::uint8_t {
  Plain,
  CommaList,  // a list that may be written as one text with commas
  Repeated,   // a list of which a flag gives one entry, and the configuration file all, also as one text with commas
  Workers,    // a count, or "auto"
  Mode,       // an int written in octal, as 0022 or 0o22, or in hexadecimal
  Flag,       // without a field: a switch
  Callable,   // without a field: a hook function in the configuration file
  Class,      // a text that may be given as the class that it names
  Owner,      // a text that may be given as a number: a user or a group
  Json,       // a dict that is kept as JSON text
};

// What a reload by SIGHUP does with a changed value.
enum class OnReload : std::uint8_t { Applies, Keeps };

// How far gunicorn's users need it; Own: gunicorn has no such setting.
enum class Compat : std::uint8_t { Own, Must, Should, Skip };

enum class Fate : std::uint8_t {
  Works,
  Ignored,  // harmless here: said once at info level
  Warned,   // cannot apply, the server starts: said at warning level
  Refused,  // cannot apply, and starting without it would betray what was asked for
};

struct Setting {
  const char* name;
  const char* flags = "";        // "-w, --workers"; a switch has its --no- form too
  const char* also = "";         // flags of uvicorn and granian that mean the same
  const char* other_names = "";  // in the configuration file and the environment
  SettingField field = {};
  Shape shape = Shape::Plain;
  const char* meta = "";                      // placeholder in the help
  const char* bare = nullptr;                 // the value may be left out on the command line and is then this
  const char* choices = "";                   // "a|b|c"
  const char* synonyms = "";                  // "trace=debug|warn=warning"
  long long min = 0;                          // of a hook: the fewest arguments that it may take
  long long max = INT64_MAX;                  // of a hook: those that it is called with
  bool (*check)(std::string_view) = nullptr;  // of a text, and of each entry of a list
  const char* allowed = "";                   // what check() accepts, for messages
  const char* default_note = "";              // when the default depends on the environment
  OnReload on_reload = OnReload::Applies;
  Compat compat = Compat::Own;
  Fate fate = Fate::Works;
  const char* inert = "";   // Fate other than Works: values (a|b) that ask for nothing and pass silently
  const char* advice = "";  // Fate other than Works: what to do instead
  const char* help = "";
};

struct SettingSection {
  const char* title;
  std::span<const Setting> settings;
};

[[nodiscard]] std::span<const SettingSection> setting_sections();

// By name or other name; nullptr when there is none.
[[nodiscard]] const Setting* find_setting(std::string_view name);

// The name in `names` that a mistyped one most likely means; "" when none is near.
[[nodiscard]] std::string nearest_name(std::string_view mistyped, std::span<const std::string> names);

// The words of a "a|b|c" or "a, b, c" field of the table.
[[nodiscard]] std::vector<std::string> split_words(std::string_view text, char separator);

[[nodiscard]] inline bool is_switch(const Setting& setting) {
  return setting.shape == Shape::Flag || std::holds_alternative<bool Config::*>(setting.field);
}
[[nodiscard]] inline bool is_list(const Setting& setting) {
  return std::holds_alternative<std::vector<std::string> Config::*>(setting.field);
}

// The sections, one file each.
[[nodiscard]] std::span<const Setting> application_settings();
[[nodiscard]] std::span<const Setting> worker_settings();
[[nodiscard]] std::span<const Setting> http_settings();
[[nodiscard]] std::span<const Setting> proxy_settings();
[[nodiscard]] std::span<const Setting> asgi_settings();
[[nodiscard]] std::span<const Setting> logging_settings();
[[nodiscard]] std::span<const Setting> metrics_settings();
[[nodiscard]] std::span<const Setting> process_settings();
[[nodiscard]] std::span<const Setting> development_settings();
[[nodiscard]] std::span<const Setting> hook_settings();
[[nodiscard]] std::span<const Setting> tls_settings();
[[nodiscard]] std::span<const Setting> gunicorn_only_settings();

}  // namespace prefork

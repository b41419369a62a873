#include "master/config_table.hpp"

#include <algorithm>

namespace prefork {
namespace {

// Edits between two names, counting a pair of swapped letters as one.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t changed = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::span<const SettingSection> setting_sections() {
  static const SettingSection kSections[] = {
      {"Application and address", application_settings()},
      {"Workers and queue", worker_settings()},
      {"HTTP", http_settings()},
      {"Behind a proxy", proxy_settings()},
      {"ASGI and WebSocket", asgi_settings()},
      {"Logging", logging_settings()},
      {"Health and metrics", metrics_settings()},
      {"Process", process_settings()},
      {"Development", development_settings()},
      {"Hooks (configuration file only)", hook_settings()},
      {"TLS", tls_settings()},
      {"Settings of gunicorn that do not apply", gunicorn_only_settings()},
  };
  return kSections;
}

const Setting* find_setting(std::string_view name) {
  for (const SettingSection& section : setting_sections()) {
    for (const Setting& setting : section.settings) {
      if (name == setting.name) return &setting;
      const auto others = split_words(setting.other_names, ',');
      if (std::find(others.begin(), others.end(), name) != others.end()) return &setting;
    }
  }
  return nullptr;
}

std::string nearest_name(std::string_view mistyped, std::span<const std::string> names) {
  std::string nearest;
  std::size_t least =
      std::max<std::size_t>(mistyped.size() / 4, 1) + 1;  // more mistakes than one in four letters make another word
  for (const std::string& name : names) {
    const std::size_t distance = edit_distance(mistyped, name);
    if (distance >= least) continue;
    least = distance;
    nearest = name;
  }
  return nearest;
}

std::vector<std::string> split_words(std::string_view text, char separator) {
  std::vector<std::string> words;
  if (text.empty()) return words;
  while (true) {
    const auto end = text.find(separator);
    auto word = text.substr(0, end);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    // "a,,b" has no empty entry, but the choices "|echo" have: nothing at all may be chosen.
    if (!word.empty() || separator != ',') words.emplace_back(word);
    if (end == std::string_view::npos) return words;
    text.remove_prefix(end + 1);
  }
}

}  // namespace prefork

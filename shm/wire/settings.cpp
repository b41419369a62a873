#include "shm/wire/settings.hpp"

#include <cstdlib>

namespace prefork::wire {

std::string_view Settings::get(std::string_view name, std::string_view otherwise) const {
  const auto found = pairs_.find(name);
  return found == pairs_.end() ? otherwise : std::string_view{found->second};
}

long Settings::number(std::string_view name, long otherwise) const {
  const auto found = pairs_.find(name);
  return found == pairs_.end() || found->second.empty() ? otherwise : std::strtol(found->second.c_str(), nullptr, 10);
}

double Settings::real(std::string_view name, double otherwise) const {
  const auto found = pairs_.find(name);
  return found == pairs_.end() || found->second.empty() ? otherwise : std::strtod(found->second.c_str(), nullptr);
}

std::string Settings::encode() const {
  std::string text;
  for (const auto& [name, value] : pairs_) text.append(name).append(1, '=').append(value).append(1, '\0');
  return text;
}

Settings Settings::decode(std::string_view text) {
  Settings settings;
  while (!text.empty()) {
    const auto pair = text.substr(0, text.find('\0'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos)
      settings.set(std::string(pair.substr(0, equals)), std::string(pair.substr(equals + 1)));
  }
  return settings;
}

}  // namespace prefork::wire

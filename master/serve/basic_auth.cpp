// The decoding is lenient as Python's b64decode is without validate: foreign characters are skipped, padding ends the data.
#include <array>
#include <cstdint>

#include "master/http/characters.hpp"
#include "master/http/utf8.hpp"
#include "master/serve/access_format.hpp"

namespace prefork::serve {
namespace {

constexpr auto kValues = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  std::int8_t value = 0;
  for (const unsigned char c : std::string_view{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"})
    values[c] = value++;
  return values;
}();

// False when the number of characters makes no whole bytes.
bool decode_base64(std::string_view text, std::string& out) {
  unsigned position = 0;  // in a group of four
  unsigned pads = 0;
  unsigned held = 0;
  for (const unsigned char c : text) {
    if (c == '=') {
      if (position >= 2 && position + ++pads >= 4) return true;
      continue;
    }
    if (kValues[c] < 0) continue;
    pads = 0;
    held = held << 6 | static_cast<unsigned>(kValues[c]);
    if (position != 0) out += static_cast<char>(held >> (6 - 2 * position) & 0xff);
    position = (position + 1) % 4;
  }
  return position == 0;
}

}  // namespace

std::string basic_auth_user(std::string_view authorization) {
  const auto space = authorization.find(' ');
  if (space == std::string_view::npos || !http::same_name(authorization.substr(0, 5), "basic")) return {};
  std::string credentials;
  if (!decode_base64(authorization.substr(space + 1), credentials)) return {};
  std::string user = credentials.substr(0, credentials.find(':'));
  return http::is_utf8(user) ? user : std::string{};
}

}  // namespace prefork::serve

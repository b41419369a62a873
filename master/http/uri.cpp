#include "master/http/uri.hpp"

#include <array>

#include "master/http/characters.hpp"

namespace prefork::http {
namespace {

// RFC 3986 3.2.2: unreserved, sub-delims and escapes. An underscore is allowed although no DNS host name has one.
constexpr auto kRegName = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view{"-._~!$&'()*+,;=%"}) table[static_cast<unsigned char>(c)] = true;
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = table[static_cast<std::size_t>(c - 32)] = true;
  return table;
}();

bool valid_port(std::string_view digits) {
  std::uint32_t port = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + static_cast<std::uint32_t>(c - '0');
    if (port > 65535) return false;
  }
  return true;
}

// The inside of the brackets: an IPv6 address as far as its alphabet goes, or a future address (RFC 3986 3.2.2).
bool valid_bracketed(std::string_view inside) {
  if (inside.size() < 2) return false;
  if ((inside.front() | 0x20) == 'v') {
    for (const char c : inside) {
      if (!kRegName[static_cast<unsigned char>(c)] && c != ':') return false;
    }
    return inside.find('.') != std::string_view::npos && inside.find('%') == std::string_view::npos;
  }
  std::size_t colons = 0;
  for (const char c : inside) {
    if (c == ':')
      ++colons;
    else if (c != '.' && hex_digit(c) < 0)
      return false;
  }
  return colons >= 2 && colons <= 8;
}

bool valid_reg_name(std::string_view name) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (!kRegName[static_cast<unsigned char>(name[i])]) return false;
    if (name[i] == '%' && (i + 2 >= name.size() || hex_digit(name[i + 1]) < 0 || hex_digit(name[i + 2]) < 0))
      return false;
  }
  return !name.empty();
}

}  // namespace

std::size_t percent_decode(std::string_view path, char* out) {
  char* at = out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && i + 2 < path.size()) {
      const int high = hex_digit(path[i + 1]);
      const int low = hex_digit(path[i + 2]);
      if (high >= 0 && low >= 0) {
        *at++ = static_cast<char>(high << 4 | low);
        i += 2;
        continue;
      }
    }
    *at++ = path[i];
  }
  return static_cast<std::size_t>(at - out);
}

bool valid_authority(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || !valid_bracketed(text.substr(1, end - 1))) return false;
    const std::string_view rest = text.substr(end + 1);
    return rest.empty() || (rest.front() == ':' && valid_port(rest.substr(1)));
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return valid_reg_name(text);
  return valid_reg_name(text.substr(0, colon)) && valid_port(text.substr(colon + 1));
}

std::optional<AbsoluteTarget> split_absolute(std::string_view target) {
  const std::size_t colon = target.find(':');
  if (colon == std::string_view::npos || target.substr(colon, 3) != "://") return {};
  const std::string_view scheme = target.substr(0, colon);
  if (!same_letters(scheme, "http") && !same_letters(scheme, "https")) return {};
  const std::string_view rest = target.substr(colon + 3);
  const std::size_t end = rest.find_first_of("/?");
  const std::string_view authority = rest.substr(0, end);
  if (!valid_authority(authority)) return {};
  return AbsoluteTarget{authority, end == std::string_view::npos ? std::string_view{} : rest.substr(end)};
}

}  // namespace prefork::http

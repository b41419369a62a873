// The parts of a request target (RFC 9112 3.2) and of an authority. Pure functions on text.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace prefork::http {

// Decodes %XX once into `out`, which has room for path.size() bytes; returns the bytes written. An escape that is none ("%zz",
// "%4") stays as it is. %00 becomes a NUL byte: it is data of the path (PEP 3333 and ASGI pass bytes), and it never cuts it,
// because lengths travel beside the bytes.
std::size_t percent_decode(std::string_view path, char* out);

// host[:port] as Host and absolute targets have it (RFC 9110 7.2, RFC 3986 3.2): a registered name, an IPv4 address or a
// bracketed IPv6 address, then digits up to 65535 or nothing behind the colon. No user information. An empty host is refused.
bool valid_authority(std::string_view text);

// scheme://authority[/path][?query], http and https only in any case. Views into `target`; path and query with their first byte.
struct AbsoluteTarget {
  std::string_view authority;
  std::string_view path_and_query;
};
std::optional<AbsoluteTarget> split_absolute(std::string_view target);

}  // namespace prefork::http

#include "master/bind_address.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "master/http/characters.hpp"

namespace prefork {
namespace {

std::optional<unsigned> parse_number(std::string_view digits, unsigned highest) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size() || value > highest) return std::nullopt;
  return value;
}

bool is_host_name(std::string_view host) {
  return std::all_of(host.begin(), host.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == '_'; });
}

std::optional<BindAddress> parse_unix(std::string_view path) {
  if (path.starts_with("//")) path.remove_prefix(2);  // unix:///run/x and unix:/run/x are the same file
  // The kernel's sun_path holds 108 bytes, one of them the terminator or the leading zero of an abstract name.
  if (path.empty() || path == "@" || path.size() > 107) return std::nullopt;
  BindAddress address;
  const bool abstract = path.front() == '@';
  address.kind = abstract ? BindAddress::Kind::AbstractUnix : BindAddress::Kind::Unix;
  address.path = path.substr(abstract ? 1 : 0);
  return address;
}

std::optional<BindAddress> parse_descriptor(std::string_view digits) {
  const auto number = parse_number(digits, 1u << 20);
  if (!number) return std::nullopt;
  BindAddress address;
  address.kind = BindAddress::Kind::Descriptor;
  address.fd = static_cast<int>(*number);
  return address;
}

std::optional<BindAddress> parse_tcp(std::string_view text, std::uint16_t default_port) {
  BindAddress address;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || close == 1) return std::nullopt;
    const auto host = text.substr(1, close - 1);
    if (host.find_first_not_of("0123456789abcdefABCDEF:.%") != std::string_view::npos &&
        host.find('%') == std::string_view::npos)
      return std::nullopt;
    address.host = http::lowered(host);
    port = text.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) return std::nullopt;
  } else {
    const auto colon = text.find(':');
    const auto host = text.substr(0, colon);
    if (!is_host_name(host) || (host.empty() && colon == std::string_view::npos)) return std::nullopt;
    address.host = http::lowered(host);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (port.empty()) {
    address.port = default_port;
    return address;
  }
  const auto number = parse_number(port.substr(1), 65535);
  if (!number) return std::nullopt;
  address.port = static_cast<std::uint16_t>(*number);
  return address;
}

}  // namespace

std::optional<BindAddress> parse_bind_address(std::string_view text, std::uint16_t default_port) {
  if (text.starts_with("unix:")) return parse_unix(text.substr(5));
  if (text.starts_with("fd://")) return parse_descriptor(text.substr(5));
  if (text.starts_with("tcp://")) text.remove_prefix(6);
  return parse_tcp(text, default_port);
}

std::string BindAddress::text() const {
  switch (kind) {
    case Kind::Unix: return "unix:" + path;
    case Kind::AbstractUnix: return "unix:@" + path;
    case Kind::Descriptor: return "fd://" + std::to_string(fd);
    case Kind::Tcp: break;
  }
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace prefork

#include "master/config_check.hpp"

#include <arpa/inet.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "master/bind_address.hpp"

namespace prefork::check {
namespace {

// One that a process can be given: a larger one would be cut to another, or to the one that leaves things as they are.
bool is_id(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && text.front() != '-';
}

// The host bits of a network must be zero: 192.168.1.1/24 is a mistake for either the address or the network.
bool host_bits_are_zero(const unsigned char* bytes, unsigned byte_count, unsigned prefix) {
  for (unsigned bit = prefix; bit < byte_count * 8; ++bit)
    if (bytes[bit / 8] & (0x80u >> (bit % 8))) return false;
  return true;
}

bool is_token(std::string_view text) {
  static constexpr std::string_view kOther = "!#$%&'*+-.^_`|~";  // RFC 9110 section 5.6.2
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOther.find(c) != std::string_view::npos;
  });
}

}  // namespace

bool bind_address(std::string_view text) { return parse_bind_address(text).has_value(); }

bool network(std::string_view text) {
  if (text == "*") return true;
  const auto slash = text.find('/');
  const std::string address(text.substr(0, slash));
  const int family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const unsigned byte_count = family == AF_INET ? 4 : 16;
  unsigned char bytes[16];
  if (inet_pton(family, address.c_str(), bytes) != 1) return false;
  if (slash == std::string_view::npos) return true;
  const auto digits = text.substr(slash + 1);
  unsigned prefix = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  if (error != std::errc{} || end != digits.data() + digits.size() || prefix > byte_count * 8) return false;
  return host_bits_are_zero(bytes, byte_count, prefix);
}

bool variable(std::string_view text) {
  const auto equals = text.find('=');
  return equals != std::string_view::npos && equals > 0 && text.find('\0') == std::string_view::npos;
}

bool header_field(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || !is_token(text.substr(0, colon))) return false;
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

bool header_name(std::string_view text) { return is_token(text); }

bool url_path(std::string_view text) {
  return text.starts_with('/') &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

bool syslog_address(std::string_view text) {
  for (const std::string_view scheme : {"udp://", "tcp://"}) {
    if (!text.starts_with(scheme)) continue;
    const auto parsed = parse_bind_address(text.substr(scheme.size()), 514);
    return parsed && parsed->kind == BindAddress::Kind::Tcp && !parsed->host.empty();
  }
  if (!text.starts_with("unix://")) return false;
  text.remove_prefix(7);
  const auto mark = text.find('#');
  const auto kind = mark == std::string_view::npos ? "#dgram" : text.substr(mark);
  return mark != 0 && !text.empty() && (kind == "#dgram" || kind == "#stream");
}

bool statsd_address(std::string_view text) {
  const auto parsed = parse_bind_address(text, 8125);
  return parsed && parsed->kind != BindAddress::Kind::Descriptor &&
         !(parsed->kind == BindAddress::Kind::Tcp && parsed->host.empty());
}

bool sticky_rule(std::string_view text) {
  if (text.empty() || text == "ip") return true;
  for (const std::string_view source : {"cookie:", "header:"}) {
    if (text.starts_with(source)) return header_name(text.substr(source.size()));
  }
  return false;
}

bool known_user(std::string_view text) { return is_id(text) || getpwnam(std::string(text).c_str()) != nullptr; }

bool known_group(std::string_view text) { return is_id(text) || getgrnam(std::string(text).c_str()) != nullptr; }

}  // namespace prefork::check

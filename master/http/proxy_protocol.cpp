#include "master/http/proxy_protocol.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace prefork::http {
namespace {

constexpr std::string_view kV2Signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::string_view kV1Start = "PROXY ";

bool begins(std::string_view whole, std::string_view part) {
  return whole.substr(0, part.size()) == part.substr(0, whole.size());
}

// The spec forbids leading zeros, signs and spaces.
bool read_port(std::string_view text, std::uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && (text.size() == 1 || text.front() != '0');
}

bool is_address(int family, std::string_view text) {
  char copy[INET6_ADDRSTRLEN];
  unsigned char bytes[16];
  if (text.size() >= sizeof copy || text.find('\0') != std::string_view::npos) return false;
  copy[text.copy(copy, text.size())] = '\0';
  return inet_pton(family, copy, bytes) == 1;
}

std::uint16_t big_endian(const char* at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(at[0]) << 8 | static_cast<unsigned char>(at[1]));
}

}  // namespace

std::optional<ProxyMode> parse_proxy_mode(std::string_view text) {
  if (text == "off") return ProxyMode::Off;
  if (text == "v1") return ProxyMode::V1;
  if (text == "v2") return ProxyMode::V2;
  if (text == "auto") return ProxyMode::Auto;
  return {};
}

ProxyProtocol::Status ProxyProtocol::feed(std::span<const char>& in) {
  while (true) {
    const State before = state_;
    Status status = Status::NeedMore;
    switch (state_) {
      case State::Start: status = detect(in); break;
      case State::Line: return feed_line(in);
      case State::Head: status = feed_head(in); break;
      case State::Addresses: status = feed_addresses(in); break;
      case State::Values: return feed_values(in);
    }
    if (status != Status::NeedMore || state_ == before) return status;
  }
}

ProxyProtocol::Status ProxyProtocol::malformed(const char* reason) {
  reason_ = reason;
  return Status::Malformed;
}

// Holds bytes until there are `count` of them; true when there are.
bool ProxyProtocol::hold_up_to(std::size_t count, std::span<const char>& in) {
  const std::size_t taken = std::min(count - held_count_, in.size());
  std::copy_n(in.begin(), taken, held_.begin() + held_count_);
  held_count_ = static_cast<std::uint8_t>(held_count_ + taken);
  in = in.subspan(taken);
  return held_count_ == count;
}

// Looks at what is held and what comes together, and takes only what may still be a header.
ProxyProtocol::Status ProxyProtocol::detect(std::span<const char>& in) {
  char seen[kSignature];
  const std::size_t fresh = std::min(kSignature - held_count_, in.size());
  std::copy_n(held_.begin(), held_count_, seen);
  std::copy_n(in.begin(), fresh, seen + held_count_);
  const std::string_view start{seen, held_count_ + fresh};

  const bool v1 = (mode_ == ProxyMode::V1 || mode_ == ProxyMode::Auto) && begins(start, kV1Start);
  const bool v2 = (mode_ == ProxyMode::V2 || mode_ == ProxyMode::Auto) && begins(start, kV2Signature);
  if (!v1 && !v2) return Status::NotProxy;
  const std::size_t needed = v1 ? kV1Start.size() : kSignature;
  if (start.size() < needed) {
    hold_up_to(needed, in);
    return Status::NeedMore;
  }
  if (!trusted_) return Status::Forbidden;
  state_ = v1 ? State::Line : State::Head;
  return Status::NeedMore;
}

ProxyProtocol::Status ProxyProtocol::feed_line(std::span<const char>& in) {
  while (!in.empty()) {
    if (held_count_ == kV1Longest) return malformed("PROXY line too long");
    const char c = in.front();
    held_[held_count_++] = c;
    in = in.subspan(1);
    if (c != '\n') continue;
    std::string_view line{held_.data(), held_count_};
    if (!line.ends_with("\r\n")) return malformed("PROXY line without CRLF");
    line.remove_suffix(2);
    return read_line(line);
  }
  return held_count_ == kV1Longest ? malformed("PROXY line too long") : Status::NeedMore;
}

// PROXY TCP4 192.0.2.1 198.51.100.1 56324 443
ProxyProtocol::Status ProxyProtocol::read_line(std::string_view line) {
  line.remove_prefix(kV1Start.size());
  std::array<std::string_view, 5> words;
  std::size_t count = 0;
  for (std::string_view rest = line; count < words.size();) {
    const auto space = rest.find(' ');
    words[count++] = rest.substr(0, space);
    if (space == std::string_view::npos) break;
    rest.remove_prefix(space + 1);
    if (count == words.size()) return malformed("PROXY line with too many words");
    words[count] = rest;
  }
  // What follows UNKNOWN must be ignored (2.1).
  if (words[0] == "UNKNOWN") return Status::Done;
  const int family = words[0] == "TCP4" ? AF_INET : words[0] == "TCP6" ? AF_INET6 : 0;
  if (family == 0) return malformed("PROXY line with an unknown protocol");
  if (count != words.size()) return malformed("PROXY line with too few words");
  if (!is_address(family, words[1]) || !is_address(family, words[2])) return malformed("PROXY line with a bad address");
  if (!read_port(words[3], client_port_) || !read_port(words[4], server_port_))
    return malformed("PROXY line with a bad port");
  client_.assign(words[1]);
  server_.assign(words[2]);
  has_address_ = true;
  return Status::Done;
}

// signature 12 | version and command | family and transport | length of the rest, 2 bytes
ProxyProtocol::Status ProxyProtocol::feed_head(std::span<const char>& in) {
  if (!hold_up_to(kV2Head, in)) return Status::NeedMore;
  const auto version = static_cast<unsigned char>(held_[12]);
  const auto family = static_cast<unsigned char>(held_[13]);
  remaining_ = big_endian(held_.data() + 14);
  if (version >> 4 != 2) return malformed("PROXY header of an unknown version");
  const unsigned command = version & 15;
  if (command > 1) return malformed("PROXY header with an unknown command");
  if (family >> 4 > 3 || (family & 15) > 2) return malformed("PROXY header with an unknown family");
  if (command == 0 || family == 0) {  // LOCAL, UNSPEC: the rest is skipped without a look (2.2)
    state_ = State::Values;
    value_left_ = remaining_;
    return Status::NeedMore;
  }
  if ((family & 15) != 1) return malformed("PROXY header for something other than a stream");
  static constexpr std::uint32_t kLengths[4] = {0, 12, 36, 216};
  const std::uint32_t length = kLengths[family >> 4];
  if (length == 0) return malformed("PROXY header with an unknown family");
  if (remaining_ < length) return malformed("PROXY header too short for its addresses");
  if (family >> 4 == 3) {  // paths of a unix socket on another machine: nothing that could be used
    state_ = State::Values;
    value_left_ = length;
    return Status::NeedMore;
  }
  family_ = static_cast<std::uint8_t>(length);
  state_ = State::Addresses;
  return Status::NeedMore;
}

ProxyProtocol::Status ProxyProtocol::feed_addresses(std::span<const char>& in) {
  if (!hold_up_to(kV2Head + family_, in)) return Status::NeedMore;
  const bool v4 = family_ == 12;
  read_addresses(v4 ? AF_INET : AF_INET6, v4 ? 4 : 16);
  remaining_ -= family_;
  state_ = State::Values;
  return Status::NeedMore;
}

void ProxyProtocol::read_addresses(int family, std::size_t address_length) {
  const char* at = held_.data() + kV2Head;
  char text[INET6_ADDRSTRLEN];
  client_.assign(inet_ntop(family, at, text, sizeof text));
  server_.assign(inet_ntop(family, at + address_length, text, sizeof text));
  client_port_ = big_endian(at + 2 * address_length);
  server_port_ = big_endian(at + 2 * address_length + 2);
  has_address_ = true;
}

// type 1 | length 2 | that many bytes, again and again until the header's length is used up
ProxyProtocol::Status ProxyProtocol::feed_values(std::span<const char>& in) {
  while (remaining_ != 0) {
    if (in.empty()) return Status::NeedMore;
    if (value_left_ != 0) {
      const auto skipped = static_cast<std::uint32_t>(std::min<std::size_t>(value_left_, in.size()));
      in = in.subspan(skipped);
      value_left_ -= skipped;
      remaining_ -= skipped;
      continue;
    }
    const auto byte = static_cast<unsigned char>(in.front());
    in = in.subspan(1);
    --remaining_;
    if (value_head_++ == 0) continue;
    if (value_head_ == 2) {
      held_[0] = static_cast<char>(byte);
      continue;
    }
    value_left_ = static_cast<std::uint32_t>(static_cast<unsigned char>(held_[0]) << 8 | byte);
    value_head_ = 0;
    if (value_left_ > remaining_) return malformed("PROXY value longer than its header");
  }
  return value_head_ == 0 ? Status::Done : malformed("PROXY value cut short");
}

}  // namespace prefork::http

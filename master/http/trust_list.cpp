#include "master/http/trust_list.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

namespace prefork::http {
namespace {

constexpr unsigned kMappedBits = 96;  // of ::ffff:0:0/96

// Both addresses agree in their first `bits` bits.
bool same_network(const IpAddress& a, const IpAddress& b, unsigned bits) {
  const unsigned whole = bits / 8;
  if (std::memcmp(a.bytes.data(), b.bytes.data(), whole) != 0) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || (a.bytes[whole] ^ b.bytes[whole]) >> (8 - rest) == 0;
}

bool has_host_bits(const IpAddress& address, unsigned bits) {
  IpAddress base = address;
  for (unsigned at = bits; at < 128; ++at) base.bytes[at / 8] &= static_cast<std::uint8_t>(~(0x80u >> at % 8));
  return base != address;
}

}  // namespace

bool IpAddress::is_v4() const {
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(bytes.data(), kMapped, sizeof kMapped) == 0;
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  text = text.substr(0, text.find('%'));
  char copy[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof copy || text.find('\0') != std::string_view::npos) return {};
  copy[text.copy(copy, text.size())] = '\0';
  IpAddress address;
  if (text.find(':') != std::string_view::npos) {
    if (inet_pton(AF_INET6, copy, address.bytes.data()) != 1) return {};
    return address;
  }
  address.bytes[10] = address.bytes[11] = 0xff;
  if (inet_pton(AF_INET, copy, address.bytes.data() + 12) != 1) return {};
  return address;
}

TrustList::TrustList(const std::vector<std::string>& entries) {
  for (const std::string& entry : entries) {
    if (entry == "*") {
      everybody_ = true;
    } else {
      networks_.push_back(parse(entry));
    }
  }
}

TrustList::Network TrustList::parse(const std::string& entry) {
  const auto slash = entry.find('/');
  const std::string_view text{entry};
  const auto address = parse_ip(text.substr(0, slash));
  if (!address) throw std::invalid_argument("'" + entry + "' is neither an address, a network (10.0.0.0/8) nor *");
  if (slash == std::string::npos) return {*address, 128};
  // A mapped address counts its bits in the form it was written in.
  const bool v4 = text.find(':') == std::string_view::npos;
  const std::string_view length = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
  if (error != std::errc{} || end != length.data() + length.size() || bits > (v4 ? 32u : 128u)) {
    throw std::invalid_argument("'" + entry + "': the network's length is a number from 0 to " + (v4 ? "32" : "128"));
  }
  if (v4) bits += kMappedBits;
  if (has_host_bits(*address, bits)) {
    throw std::invalid_argument("'" + entry + "' has bits of a single address behind the network's " +
                                std::string(length));
  }
  return {*address, bits};
}

bool TrustList::trusts(const IpAddress& address) const {
  return everybody_ || std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
           return same_network(network.base, address, network.bits);
         });
}

bool TrustList::trusts(std::string_view address) const {
  if (everybody_) return true;
  if (networks_.empty()) return false;
  const auto parsed = parse_ip(address);
  return parsed && trusts(*parsed);
}

}  // namespace prefork::http

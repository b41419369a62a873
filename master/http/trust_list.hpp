// Which peers may speak for others: addresses, networks, or everybody. Used for forwarded_allow_ips and proxy_allow_ips.
// Plain data, no system call; constant after construction, so any thread may ask.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace prefork::http {

// An IPv4 address is held as the IPv6 address that maps it, so that one which came through a dual-stack listener
// (::ffff:10.0.0.1) is the same as 10.0.0.1. A zone (fe80::1%eth0) is cut off: it names an interface of this machine only.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};
  bool operator==(const IpAddress&) const = default;
  bool is_v4() const;
};
[[nodiscard]] std::optional<IpAddress> parse_ip(std::string_view text);

// Who is at the other end of a connection. On a unix socket there is no address.
struct Peer {
  std::string_view address;
  std::uint16_t port = 0;
  bool unix_socket = false;
};

class TrustList {
 public:
  TrustList() = default;  // trusts unix sockets only

  // "10.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "*". Throws std::invalid_argument with what is wrong with which entry.
  explicit TrustList(const std::vector<std::string>& entries);

  bool trusts(const IpAddress& address) const;
  bool trusts(std::string_view address) const;
  // A peer without an address came through a file that the operator protects: trusted, as with gunicorn.
  bool trusts(const Peer& peer) const { return peer.unix_socket || trusts(peer.address); }
  bool everybody() const { return everybody_; }

 private:
  struct Network {
    IpAddress base;
    unsigned bits = 128;
  };
  static Network parse(const std::string& entry);

  std::vector<Network> networks_;
  bool everybody_ = false;
};

}  // namespace prefork::http

// The PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt), read from the first bytes of a connection.
// Incremental: bytes come in any pieces; type-length values are checked for their lengths and skipped without being kept.
// As with gunicorn the header is optional: a connection that starts otherwise is served as it is (NotProxy).
// One per connection, before its parser; used on the loop thread only. The owner limits how long the header may take.
//
//   NeedMore… --> Done       `in` starts with the client's first byte; address() and so on say who it is
//             --> NotProxy   first give the parser replay(), then `in`: both together are what came
//             --> Forbidden  a header from a peer that is not in proxy_allow_ips: answer 403, close
//             --> Malformed  answer 400, close; reason() says what is wrong
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace prefork::http {

enum class ProxyMode : std::uint8_t { Off, V1, V2, Auto };

// "off", "v1", "v2", "auto".
[[nodiscard]] std::optional<ProxyMode> parse_proxy_mode(std::string_view text);

class ProxyProtocol {
 public:
  enum class Status : std::uint8_t { NeedMore, Done, NotProxy, Forbidden, Malformed };

  ProxyProtocol(ProxyMode mode, bool trusted_peer) : mode_(mode), trusted_(trusted_peer) {}

  // Takes from the front of `in`. Not called again after anything but NeedMore.
  [[nodiscard]] Status feed(std::span<const char>& in);

  // After Done. Without an address (LOCAL, UNKNOWN, a unix socket's) the connection's own peer counts: a health check, say.
  bool has_address() const { return has_address_; }
  std::string_view client() const { return client_.view(); }
  std::uint16_t client_port() const { return client_port_; }
  std::string_view server() const { return server_.view(); }
  std::uint16_t server_port() const { return server_port_; }

  // After NotProxy: the bytes that were taken in earlier calls because they might have begun a header.
  std::string_view replay() const { return {held_.data(), held_count_}; }
  const char* reason() const { return reason_; }

 private:
  static constexpr std::size_t kSignature = 12;
  static constexpr std::size_t kV2Head = 16;
  static constexpr std::size_t kV1Longest = 107;  // with CRLF

  enum class State : std::uint8_t { Start, Line, Head, Addresses, Values };
  struct Text {
    std::array<char, 46> bytes{};
    std::uint8_t length = 0;
    std::string_view view() const { return {bytes.data(), length}; }
    void assign(std::string_view text) { length = static_cast<std::uint8_t>(text.copy(bytes.data(), bytes.size())); }
  };

  Status detect(std::span<const char>& in);
  Status feed_line(std::span<const char>& in);
  Status feed_head(std::span<const char>& in);
  Status feed_addresses(std::span<const char>& in);
  Status feed_values(std::span<const char>& in);
  Status read_line(std::string_view line);
  Status malformed(const char* reason);
  bool hold_up_to(std::size_t count, std::span<const char>& in);
  void read_addresses(int family, std::size_t address_length);

  ProxyMode mode_;
  bool trusted_;
  State state_ = State::Start;
  bool has_address_ = false;
  std::array<char, kV1Longest> held_{};
  std::uint8_t held_count_ = 0;
  std::uint8_t family_ = 0;       // 0: nothing to read, else the number of address bytes
  std::uint32_t remaining_ = 0;   // of a version 2 header, behind what is held
  std::uint32_t value_left_ = 0;  // of the current value
  std::uint8_t value_head_ = 0;   // bytes seen of the current value's type and length
  std::uint16_t client_port_ = 0;
  std::uint16_t server_port_ = 0;
  Text client_;
  Text server_;
  const char* reason_ = "";
};

}  // namespace prefork::http

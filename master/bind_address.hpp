// Where a listener listens, read from the text that an operator wrote.
// Plain data, no system call: what the text says, not whether the port is free. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace prefork {

struct BindAddress {
  enum class Kind : std::uint8_t { Tcp, Unix, AbstractUnix, Descriptor };

  Kind kind = Kind::Tcp;
  std::string host;        // Tcp: an address or a name, without brackets; "" = every address of every family
  std::uint16_t port = 0;  // Tcp: 0 = any free port
  std::string path;        // Unix: the file; AbstractUnix: the name without the leading '@'
  int fd = -1;             // Descriptor: inherited from whoever started the server
  bool v6_only = false;    // Tcp, host "::": IPv4 clients have another socket

  bool operator==(const BindAddress&) const = default;

  // The text in one fixed form: "127.0.0.1:8000", "[::1]:8000", "unix:/run/app.sock", "unix:@name", "fd://3".
  [[nodiscard]] std::string text() const;
};

// What an address may look like, for messages.
inline constexpr std::string_view kBindAddressForms =
    "HOST, HOST:PORT, :PORT, [IPV6]:PORT, tcp://HOST:PORT, unix:PATH, unix:@NAME or fd://NUMBER, ports up to 65535";

// Empty when the text is none of kBindAddressForms. A missing port is default_port.
[[nodiscard]] std::optional<BindAddress> parse_bind_address(std::string_view text, std::uint16_t default_port = 8000);

}  // namespace prefork

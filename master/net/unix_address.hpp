// The address of a unix socket: a file's, or one of the kernel's own namespace (abstract), which has no file. Pure.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>

namespace prefork::net {

struct UnixAddress {
  sockaddr_un name{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

// Empty when the kernel has no room for it. An abstract name is given without its leading zero byte.
inline std::optional<UnixAddress> unix_address(std::string_view path, bool abstract = false) {
  UnixAddress address;
  if (path.size() >= sizeof address.name.sun_path) return std::nullopt;
  address.name.sun_family = AF_UNIX;
  if (!path.empty()) std::memcpy(address.name.sun_path + (abstract ? 1 : 0), path.data(), path.size());
  // One byte more than the text: the zero in front of an abstract name, or behind a path.
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

}  // namespace prefork::net

#include "master/net/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "master/net/unix_address.hpp"
#include "shm/fault.hpp"

namespace prefork::net {
namespace {

constexpr int kAcceptBatch = 64;
constexpr std::uint64_t kRetryMs = 100;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::system_category(), what);
}

shm::UniqueFd open_socket(int family, const std::string& what) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail(errno, what);
  return shm::UniqueFd(fd);
}

void set_option(int fd, int level, int option, int value = 1) { ::setsockopt(fd, level, option, &value, sizeof value); }

std::string numeric_host(const sockaddr_storage& address, socklen_t length, std::uint16_t& port) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> service{};
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host.data(), host.size(), service.data(),
                    service.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return {};
  }
  port = static_cast<std::uint16_t>(std::atoi(service.data()));
  // A client of IPv4 at a socket of both families.
  constexpr std::string_view kMapped = "::ffff:";
  const std::string_view text(host.data());
  const bool mapped = text.starts_with(kMapped) && text.find('.') != std::string_view::npos;
  return std::string(text.substr(mapped ? kMapped.size() : 0));
}

void describe(BoundSocket& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(socket.fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    fail(errno, "an inherited descriptor is no socket");
  if (address.ss_family == AF_UNIX) {
    const auto* name = reinterpret_cast<const sockaddr_un*>(&address);
    const std::size_t bytes = length - offsetof(sockaddr_un, sun_path);
    const bool abstract = bytes > 0 && name->sun_path[0] == '\0';
    socket.server_name = abstract ? "@" + std::string(name->sun_path + 1, bytes - 1)
                                  : std::string(name->sun_path, ::strnlen(name->sun_path, bytes));
    socket.name = "unix:" + socket.server_name;
    socket.unix_socket = true;
    return;
  }
  socket.server_name = numeric_host(address, length, socket.port);
  const bool v6 = address.ss_family == AF_INET6;
  socket.name = "http://";
  socket.name.append(v6 ? "[" : "")
      .append(socket.server_name)
      .append(v6 ? "]:" : ":")
      .append(std::to_string(socket.port));
}

// A file that nobody listens on any more is taken away; one that somebody answers on is not ours to take.
void clear_stale_socket(const std::string& path, const UnixAddress& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return;
  if (!S_ISSOCK(status.st_mode)) fail(EEXIST, "cannot listen at unix:" + path + ", which is no socket");
  const auto probe = open_socket(AF_UNIX, "probing unix:" + path);
  if (::connect(probe.get(), address.get(), address.length) == 0 || errno == EAGAIN)
    fail(EADDRINUSE, "cannot listen at unix:" + path);
  ::unlink(path.c_str());
}

BoundSocket bind_unix(const BindAddress& where, int backlog, int mask) {
  const bool abstract = where.kind == BindAddress::Kind::AbstractUnix;
  BoundSocket socket;
  const auto address = unix_address(where.path, abstract);
  if (!address) fail(ENAMETOOLONG, "cannot listen at " + where.text());
  if (!abstract) clear_stale_socket(where.path, *address);
  socket.fd = open_socket(AF_UNIX, "cannot listen at " + where.text());
  const auto before = ::umask(static_cast<mode_t>(mask));
  const int bound = ::bind(socket.fd.get(), address->get(), address->length);
  const int error = errno;
  ::umask(before);
  if (bound != 0) fail(error, "cannot listen at " + where.text());
  if (!abstract) socket.unix_path = where.path;
  if (::listen(socket.fd.get(), backlog) != 0) fail(errno, "cannot listen at " + where.text());
  describe(socket);
  return socket;
}

BoundSocket bind_tcp(const BindAddress& where, int backlog, bool reuse_port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(where.port);
  const int error = ::getaddrinfo(where.host.empty() ? nullptr : where.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) throw std::runtime_error("cannot listen at " + where.text() + ": " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  // Every address of every family is one socket: an IPv6 one that takes IPv4 too, where there is IPv6.
  const addrinfo* best = found;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (where.host.empty() && one->ai_family == AF_INET6) best = one;
  }
  int last = EADDRNOTAVAIL;
  for (const addrinfo* one = best; one != nullptr; one = one->ai_next) {
    BoundSocket socket;
    const int fd = ::socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      last = errno;
      continue;
    }
    socket.fd.reset(fd);
    set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (reuse_port) set_option(fd, SOL_SOCKET, SO_REUSEPORT);
    if (one->ai_family == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, where.v6_only ? 1 : 0);
    if (::bind(fd, one->ai_addr, one->ai_addrlen) == 0 && ::listen(fd, backlog) == 0) {
      describe(socket);
      return socket;
    }
    last = errno;
  }
  fail(last, "cannot listen at " + where.text());
}

}  // namespace

BoundSocket bind_socket(const BindAddress& address, int backlog, bool reuse_port, int mask) {
  switch (address.kind) {
    case BindAddress::Kind::Tcp: return bind_tcp(address, backlog, reuse_port);
    case BindAddress::Kind::Descriptor: return adopt_socket(address.fd);
    case BindAddress::Kind::Unix:
    case BindAddress::Kind::AbstractUnix: return bind_unix(address, backlog, mask);
  }
  fail(EINVAL, "unknown kind of address");
}

BoundSocket adopt_socket(int fd) {
  int listening = 0;
  socklen_t length = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || listening == 0) {
    fail(ENOTSOCK, "descriptor " + std::to_string(fd) + " is no listening socket");
  }
  BoundSocket socket;
  socket.fd.reset(fd);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  describe(socket);
  return socket;
}

Listener::Listener(Loop& loop, const BoundSocket& socket, Accepted accepted, Paused paused)
    : loop_(loop),
      socket_(socket),
      accepted_(std::move(accepted)),
      tell_paused_(std::move(paused)),
      retry_(loop, [this] { resume(); }) {
  auto* handle = new uv_poll_t;
  if (const int error = uv_poll_init(loop.uv(), handle, socket.fd.get()); error != 0) {
    delete handle;
    fail(-error, "polling " + socket.name);
  }
  handle->data = this;
  poll_.reset(handle);
  resume();
}

Listener::~Listener() = default;

void Listener::resume() {
  paused_ = false;
  retry_.stop();
  uv_poll_start(poll_.get(), UV_READABLE, [](uv_poll_t* handle, int, int) {
    if (handle->data != nullptr) static_cast<Listener*>(handle->data)->accept_some();
  });
}

// Out of descriptors or memory: the connection stays in the backlog. Polling on would spin.
void Listener::pause(int error) {
  paused_ = true;
  if (tell_paused_ && seldom_.tells(loop_.now_ms())) tell_paused_(error);
  uv_poll_stop(poll_.get());
  retry_.start(kRetryMs);
}

void Listener::accept_pending() {
  while (accept_some()) {
  }
}

bool Listener::accept_some() {
  for (int i = 0; i < kAcceptBatch && !paused_; ++i) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    const int fd =
        ::accept4(socket_.fd.get(), reinterpret_cast<sockaddr*>(&address), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        pause(errno);
        return false;
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return false;
    }
    PREFORK_FAULT_POINT("master.accept");
    Peer peer;
    peer.unix_socket = address.ss_family == AF_UNIX;
    if (!peer.unix_socket) {
      peer.address = numeric_host(address, length, peer.port);
      set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    }
    accepted_(fd, std::move(peer));
  }
  return !paused_;
}

}  // namespace prefork::net

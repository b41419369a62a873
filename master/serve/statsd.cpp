#include "master/serve/statsd.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "master/bind_address.hpp"

namespace prefork::serve {
namespace {

// Fits an Ethernet frame; a local socket takes what Datadog's agent reads at once.
constexpr std::size_t kNetworkDatagram = 1432;
constexpr std::size_t kLocalDatagram = 8192;

shm::UniqueFd connect_udp(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    throw std::system_error(std::make_error_code(std::errc::address_not_available),
                            "statsd_host " + host + ": " + gai_strerror(error));
  }
  shm::UniqueFd fd;
  int why = 0;
  for (const addrinfo* at = found; at != nullptr && !fd; at = at->ai_next) {
    fd.reset(socket(at->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd && connect(fd.get(), at->ai_addr, at->ai_addrlen) == 0) break;
    why = errno;
    fd.reset();
  }
  freeaddrinfo(found);
  if (!fd) throw std::system_error(why, std::generic_category(), "statsd_host " + host);
  return fd;
}

}  // namespace

Statsd::Statsd(const std::string& host, std::string_view prefix, std::string_view tags)
    : longest_(kNetworkDatagram), prefix_(prefix) {
  while (prefix_.ends_with('.')) prefix_.pop_back();
  if (!prefix_.empty()) prefix_ += '.';
  if (!tags.empty()) tags_ = "|#" + std::string(tags);

  const auto address = parse_bind_address(host, 8125);
  if (!address || address->kind == BindAddress::Kind::Descriptor) {
    throw std::invalid_argument("statsd_host '" + host + "' is neither HOST:PORT nor unix://PATH");
  }
  if (address->kind == BindAddress::Kind::Tcp) {
    fd_ = connect_udp(address->host.empty() ? "localhost" : address->host, address->port);
    return;
  }
  unix_path_ =
      (address->kind == BindAddress::Kind::AbstractUnix ? std::string(1, '\0') : std::string{}) + address->path;
  if (unix_path_.size() >= sizeof(sockaddr_un::sun_path))
    throw std::system_error(ENAMETOOLONG, std::generic_category(), "statsd_host " + host);
  longest_ = kLocalDatagram;
  connect_unix();
}

// The agent may come later, or be restarted: then this is tried again at the next datagram.
void Statsd::connect_unix() {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, unix_path_.data(), unix_path_.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + unix_path_.size() +
                                             (unix_path_.starts_with('\0') ? 0 : 1));
  fd_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd_ && connect(fd_.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0) fd_.reset();
}

void Statsd::request(std::uint16_t status, std::uint64_t duration_us) {
  timer_us("gunicorn.request.duration", duration_us);
  ++requests_;
  if (status < statuses_.size()) ++statuses_[status];
}

void Statsd::increment(std::string_view name, std::uint64_t by) {
  auto found = counters_.find(name);
  if (found == counters_.end()) found = counters_.emplace(std::string(name), 0).first;
  found->second += by;
}

// Milliseconds with up to three digits behind the point, at least one: as Python prints the number that gunicorn sends.
void Statsd::timer_us(std::string_view name, std::uint64_t micros) {
  std::string value = std::to_string(micros / 1000) + "." + std::to_string(1000 + micros % 1000).substr(1);
  while (value.ends_with('0') && value[value.size() - 2] != '.') value.pop_back();
  line_.assign(prefix_).append(name).append(":").append(value).append("|ms").append(tags_);
  add_line(line_);
}

void Statsd::put(std::string_view name, std::int64_t value, std::string_view type) {
  line_.assign(prefix_).append(name).append(":").append(std::to_string(value)).append(type).append(tags_);
  add_line(line_);
}

void Statsd::add_line(std::string_view line) {
  if (!batch_.empty() && batch_.size() + 1 + line.size() > longest_) send_batch();
  if (!batch_.empty()) batch_ += '\n';
  batch_ += line;
}

void Statsd::send_batch() {
  if (batch_.empty()) return;
  if (!fd_ && !unix_path_.empty()) connect_unix();
  ssize_t sent = -1;
  if (fd_) {
    sent = send(fd_.get(), batch_.data(), batch_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    // That an earlier datagram found nobody is said once, in place of sending this one.
    if (sent < 0 && errno == ECONNREFUSED && unix_path_.empty())
      sent = send(fd_.get(), batch_.data(), batch_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && !unix_path_.empty()) fd_.reset();
  }
  if (sent < 0) ++dropped_;
  batch_.clear();
}

void Statsd::flush() {
  if (requests_ != 0) put("gunicorn.requests", static_cast<std::int64_t>(requests_), "|c|@1.0");
  requests_ = 0;
  for (std::size_t status = 0; status < statuses_.size(); ++status) {
    if (statuses_[status] == 0) continue;
    put("gunicorn.request.status." + std::to_string(status), static_cast<std::int64_t>(statuses_[status]), "|c|@1.0");
    statuses_[status] = 0;
  }
  for (auto& [name, count] : counters_) {
    if (count == 0) continue;
    put(name, static_cast<std::int64_t>(count), "|c|@1.0");
    count = 0;
  }
  send_batch();
}

}  // namespace prefork::serve

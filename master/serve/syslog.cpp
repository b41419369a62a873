#include "master/serve/syslog.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "master/http/characters.hpp"
#include "master/net/unix_address.hpp"
#include "shm/fd.hpp"

namespace prefork::serve {
namespace {

using shm::UniqueFd;
using Kind = SyslogAddress::Kind;
using Clock = std::chrono::steady_clock;

constexpr auto kReconnect = std::chrono::seconds(1);
constexpr int kConnectMs = 1000;

struct Facility {
  std::string_view name;
  int number;
};
constexpr std::array<Facility, 21> kFacilities{
    {{"auth", 4},    {"authpriv", 10}, {"cron", 9},    {"daemon", 3},   {"ftp", 11},    {"kern", 0},
     {"lpr", 6},     {"mail", 2},      {"news", 7},    {"security", 4}, {"syslog", 5},  {"user", 1},
     {"uucp", 8},    {"local0", 16},   {"local1", 17}, {"local2", 18},  {"local3", 19}, {"local4", 20},
     {"local5", 21}, {"local6", 22},   {"local7", 23}}};

struct Endpoint {
  int type = 0;
  sockaddr_storage address{};
  socklen_t length = 0;
};

[[noreturn]] void bad_address(const std::string& text) {
  throw std::invalid_argument(
      "'" + text +
      "' is no syslog address; udp://HOST:PORT, tcp://HOST:PORT, unix://PATH#dgram and unix://PATH#stream are");
}

void parse_host(std::string_view rest, const std::string& text, SyslogAddress& out) {
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) bad_address(text);
    out.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (!rest.empty() && rest.front() != ':') bad_address(text);
    port = rest;
  } else {
    const auto colon = std::min(rest.find(':'), rest.size());
    if (colon != 0) out.host = rest.substr(0, colon);
    port = rest.substr(colon);
  }
  if (port.empty()) return;
  const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), out.port);
  if (error != std::errc{} || end != port.data() + port.size()) bad_address(text);
}

std::vector<Endpoint> resolve_host(const SyslogAddress& address, int type) {
  addrinfo hints{};
  hints.ai_socktype = type;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) {
    throw std::system_error(std::make_error_code(std::errc::address_not_available),
                            "syslog: " + address.host + ": " + gai_strerror(error));
  }
  std::vector<Endpoint> endpoints;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    Endpoint& endpoint = endpoints.emplace_back();
    endpoint.type = type;
    endpoint.length = at->ai_addrlen;
    std::memcpy(&endpoint.address, at->ai_addr, at->ai_addrlen);
  }
  freeaddrinfo(found);
  return endpoints;
}

Endpoint unix_endpoint(const std::string& path, int type) {
  const auto address = net::unix_address(path);
  if (!address || path.empty()) throw std::system_error(ENAMETOOLONG, std::generic_category(), "syslog: " + path);
  Endpoint endpoint;
  endpoint.type = type;
  endpoint.length = address->length;
  std::memcpy(&endpoint.address, &address->name, sizeof address->name);
  return endpoint;
}

std::vector<Endpoint> resolve(const SyslogAddress& address) {
  switch (address.kind) {
    case Kind::Udp: return resolve_host(address, SOCK_DGRAM);
    case Kind::Tcp: return resolve_host(address, SOCK_STREAM);
    case Kind::UnixDatagram: return {unix_endpoint(address.path, SOCK_DGRAM)};
    case Kind::UnixStream: return {unix_endpoint(address.path, SOCK_STREAM)};
    case Kind::Unix: break;
  }
  return {unix_endpoint(address.path, SOCK_DGRAM), unix_endpoint(address.path, SOCK_STREAM)};
}

// The errno, 0 when connected. Waits a second at most.
int connect_to(const Endpoint& endpoint, UniqueFd& fd) {
  fd.reset(socket(endpoint.address.ss_family, endpoint.type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.length) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting{fd.get(), POLLOUT, 0};
  if (poll(&waiting, 1, kConnectMs) != 1) return ETIMEDOUT;
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

class SyslogDevice final : public LogDevice {
 public:
  SyslogDevice(const SyslogAddress& address, int facility, std::string tag, int pid)
      : endpoints_(resolve(address)),
        facility_(facility),
        start_(std::move(tag) + ": [" + std::to_string(pid) + "] "),
        name_(describe(address)) {}

  int write(LogChunk& chunk) override {
    while (!chunk.rest().empty()) {
      const std::string_view rest = chunk.rest();
      const std::size_t length = chunk.whole ? rest.size() : std::min(rest.find('\n'), rest.size() - 1) + 1;
      const int error = send_message(chunk.severity, rest.substr(0, length));
      // A message that is too long for a datagram will never be sent; the ones behind it can.
      if (error != 0 && error != EMSGSIZE) return error;
      chunk.written += length;
    }
    return 0;
  }
  std::string_view name() const override { return name_; }

 private:
  static std::string describe(const SyslogAddress& address) {
    if (!address.path.empty()) return "unix://" + address.path;
    return (address.kind == Kind::Tcp ? "tcp://" : "udp://") + address.host + ":" + std::to_string(address.port);
  }

  int send_message(Severity severity, std::string_view message) {
    if (!fd_) {
      const int error = connect_any();
      if (error != 0) return error;
    }
    if (unsent_ == 0) build(severity, message);
    while (unsent_ != 0) {
      const ssize_t sent =
          send(fd_.get(), buffer_.data() + buffer_.size() - unsent_, unsent_, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) {
        unsent_ = stream_ ? unsent_ - static_cast<std::size_t>(sent) : 0;
      } else if (errno == ECONNREFUSED && !stream_ && !refused_) {
        refused_ = true;  // the answer to an earlier datagram; this one was not sent
      } else if (errno != EINTR) {
        return failed(errno);
      }
    }
    refused_ = false;
    return 0;
  }

  // A stream in the middle of a message keeps the rest for later; a broken connection sends the message again as a whole.
  int failed(int error) {
    refused_ = false;
    if (error == EAGAIN && stream_) return error;
    unsent_ = 0;
    if (error != EAGAIN && error != EMSGSIZE) fd_.reset();
    return error;
  }

  void build(Severity severity, std::string_view message) {
    if (message.ends_with('\n')) message.remove_suffix(1);
    buffer_ = "<" + std::to_string(facility_ << 3 | static_cast<int>(severity)) + ">" + start_;
    for (const char c : message) {
      if (c == '\n' && stream_) {
        buffer_ += "#012";
      } else {
        buffer_ += c;
      }
    }
    buffer_ += stream_ ? '\n' : '\0';
    unsent_ = buffer_.size();
  }

  int connect_any() {
    if (Clock::now() < next_try_) return last_error_;
    for (const Endpoint& endpoint : endpoints_) {
      last_error_ = connect_to(endpoint, fd_);
      stream_ = endpoint.type == SOCK_STREAM;
      if (last_error_ == 0) return 0;
    }
    fd_.reset();
    next_try_ = Clock::now() + kReconnect;
    return last_error_;
  }

  std::vector<Endpoint> endpoints_;
  int facility_;
  std::string start_;
  std::string name_;
  UniqueFd fd_;
  bool stream_ = false;
  bool refused_ = false;
  std::string buffer_;
  std::size_t unsent_ = 0;
  Clock::time_point next_try_{};
  int last_error_ = 0;
};

}  // namespace

SyslogAddress parse_syslog_address(const std::string& text) {
  SyslogAddress out;
  const std::string_view rest{text};
  if (rest.starts_with("unix://")) {
    const std::string_view path = rest.substr(7);
    const auto hash = path.find('#');
    const std::string_view type = hash == std::string_view::npos ? std::string_view{} : path.substr(hash + 1);
    if (!type.empty() && type != "dgram" && type != "stream") bad_address(text);
    out.kind = type.empty() ? Kind::Unix : type == "dgram" ? Kind::UnixDatagram : Kind::UnixStream;
    out.path = path.substr(0, hash);
    out.host.clear();
    out.port = 0;
    if (out.path.empty()) bad_address(text);
    return out;
  }
  if (!rest.starts_with("udp://") && !rest.starts_with("tcp://")) bad_address(text);
  out.kind = rest.starts_with("tcp://") ? Kind::Tcp : Kind::Udp;
  parse_host(rest.substr(6), text, out);
  return out;
}

int parse_syslog_facility(const std::string& name) {
  std::string known;
  for (const Facility& facility : kFacilities) {
    if (http::same_name(facility.name, name)) return facility.number;
    known += (known.empty() ? "" : ", ") + std::string(facility.name);
  }
  throw std::invalid_argument("'" + name + "' is no syslog facility; these are: " + known);
}

std::string syslog_tag(std::string_view prefix, std::string_view proc_name, std::string_view name) {
  std::string middle(prefix.empty() ? proc_name : prefix);
  if (prefix.empty()) std::replace(middle.begin(), middle.end(), ':', '.');
  return "gunicorn." + middle + "." + std::string(name);
}

std::unique_ptr<LogDevice> open_syslog(const SyslogAddress& address, int facility, std::string tag, int pid) {
  return std::make_unique<SyslogDevice>(address, facility, std::move(tag), pid);
}

}  // namespace prefork::serve

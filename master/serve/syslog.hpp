// Log lines to a syslog server, as gunicorn's SysLogHandler writes them: "<PRI>TAG: [PID] MESSAGE", without a time and a host
// (the server adds its own). A datagram ends with NUL, as Python's; over a stream each message is one line that ends with LF
// (RFC 6587 3.4.2), and line ends inside it become "#012".
// Connects and reconnects by itself, in the LogWriter's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "master/serve/log_device.hpp"

namespace prefork::serve {

struct SyslogAddress {
  enum class Kind : std::uint8_t { Udp, Tcp, UnixDatagram, UnixStream, Unix };  // Unix: datagram, else stream
  Kind kind = Kind::Udp;
  std::string host = "localhost";
  std::uint16_t port = 514;
  std::string path;

  bool operator==(const SyslogAddress&) const = default;
};

// "udp://HOST:PORT", "tcp://HOST:PORT", "unix://PATH", "unix://PATH#dgram", "unix://PATH#stream"; host and port may be missing.
// Throws std::invalid_argument with what is allowed.
SyslogAddress parse_syslog_address(const std::string& text);

// "user", "local0" and so on, in any case. Throws std::invalid_argument with the list.
int parse_syslog_facility(const std::string& name);

// "gunicorn.PREFIX.access": the tag that pipelines written for gunicorn look for. `name` is "access" or "error".
std::string syslog_tag(std::string_view prefix, std::string_view proc_name, std::string_view name);

// A host that is not known throws std::system_error now; a server that does not listen is tried again with later lines.
std::unique_ptr<LogDevice> open_syslog(const SyslogAddress& address, int facility, std::string tag, int pid);

}  // namespace prefork::serve

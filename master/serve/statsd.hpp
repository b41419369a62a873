// Metrics to a statsd server, with gunicorn's names: gunicorn.requests, gunicorn.request.duration, gunicorn.request.status.200,
// gunicorn.workers, gunicorn.backlog, gunicorn.log.error and so on; dogstatsd tags behind each when there are any.
// Counters are added up between flushes and sent as one number; durations are sent one by one, many in a datagram. Nothing waits:
// what the socket does not take is dropped and counted.
// One per loop, used on its thread only; flush() once a second and before the end.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "shm/fd.hpp"

namespace prefork::serve {

class Statsd {
 public:
  // `host` is HOST:PORT (8125 when the port is missing) or unix://PATH. A host that is not known throws std::system_error, an
  // address that is none std::invalid_argument; a server that does not listen is no error.
  Statsd(const std::string& host, std::string_view prefix, std::string_view tags);

  void request(std::uint16_t status, std::uint64_t duration_us);
  // Names come without the prefix: "gunicorn.workers".
  void gauge(std::string_view name, std::int64_t value) { put(name, value, "|g"); }
  void histogram(std::string_view name, std::int64_t value) { put(name, value, "|h"); }
  void timer_us(std::string_view name, std::uint64_t micros);
  void increment(std::string_view name, std::uint64_t by = 1);

  void flush();
  std::uint64_t dropped() const { return dropped_; }  // datagrams

 private:
  void put(std::string_view name, std::int64_t value, std::string_view type);
  void add_line(std::string_view line);
  void send_batch();
  void connect_unix();

  shm::UniqueFd fd_;
  std::string unix_path_;
  std::size_t longest_;  // bytes of a datagram
  std::string prefix_;
  std::string tags_;  // "|#a:b" or empty
  std::string batch_;
  std::string line_;
  std::uint64_t requests_ = 0;
  std::array<std::uint64_t, 1000> statuses_{};
  std::map<std::string, std::uint64_t, std::less<>> counters_;
  std::uint64_t dropped_ = 0;
};

}  // namespace prefork::serve

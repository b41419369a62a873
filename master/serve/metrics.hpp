// The numbers of the server, kept by the master so that they live on through deaths and reloads of workers, and their form for
// Prometheus (text exposition format 0.0.4).
// Each loop owns one Metrics and is its only writer; whoever answers a scrape adds all of them up. Gauges are asked for at the scrape.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "master/serve/histogram.hpp"

namespace prefork::serve {

enum class RestartCause : std::uint8_t {
  Crash,
  Timeout,
  MaxRequests,
  MaxLifetime,
  Memory,
  Reload,
  BadRecord,
  Wish,
  BootFailure,
  kCount
};
std::string_view to_string(RestartCause cause);

// Why a request was answered by the master instead of a worker.
enum class Shed : std::uint8_t {
  QueueFull,
  QueueTimeout,
  Concurrency,
  RequestTimeout,
  NoWorker,
  WorkerDied,
  WorkerEnded,  // or the server, in good order, before the reply was over
  BadReply,
  BadRequest,
  kCount
};
std::string_view to_string(Shed shed);

class Metrics {
 public:
  // A finished exchange. The times of a request that never reached a worker are not counted: `by_worker` is false.
  struct Request {
    std::uint16_t status = 0;
    bool by_worker = true;
    std::uint64_t total_us = 0;
    std::uint64_t queue_us = 0;
    std::uint64_t service_us = 0;
    std::uint64_t request_bytes = 0;  // of bodies
    std::uint64_t response_bytes = 0;
  };
  void request(const Request& request);
  void shed(Shed why) { sheds_[static_cast<std::size_t>(why)].add(); }
  void client_gone() { clients_gone_.add(); }
  void connection_opened() { connections_.add(); }
  void websocket_opened() { websockets_.add(); }
  void worker_started() { workers_started_.add(); }
  void worker_restarted(RestartCause cause) { restarts_[static_cast<std::size_t>(cause)].add(); }
  void reloaded(bool well) { (well ? reloads_ : failed_reloads_).add(); }

  std::uint64_t requests() const;

 private:
  friend class Exposition;
  static constexpr std::size_t kStatuses = 500;  // 100 to 599

  std::array<Counter, kStatuses + 1> statuses_;       // the last: none of these
  Histogram total_time_, queue_time_, service_time_;  // microseconds
  Histogram request_size_, response_size_;            // bytes
  std::array<Counter, static_cast<std::size_t>(Shed::kCount)> sheds_;
  std::array<Counter, static_cast<std::size_t>(RestartCause::kCount)> restarts_;
  Counter clients_gone_, connections_, websockets_, workers_started_, reloads_, failed_reloads_;
};

// What is so at the moment of the scrape.
struct Gauges {
  std::array<std::uint64_t, 5> workers_by_phase{};  // in the order of shm::Phase
  std::uint64_t workers_wanted = 0;
  std::uint64_t in_flight = 0;    // requests with a worker
  std::uint64_t queue_depth = 0;  // requests that wait for one
  std::uint64_t connections = 0;
  std::uint64_t websockets = 0;
  std::uint64_t spooled_bytes = 0;
  std::uint64_t requeued = 0;  // since the start
  std::uint64_t access_lines_dropped = 0;
  std::uint64_t error_lines_dropped = 0;
  std::int64_t started_unix_us = 0;
  bool draining = false;
};

inline constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";
void write_prometheus(std::span<const Metrics* const> loops, const Gauges& gauges, std::string_view version,
                      std::string& out);

}  // namespace prefork::serve

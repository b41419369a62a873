#include "master/serve/metrics.hpp"

#include <cmath>

namespace prefork::serve {

std::uint64_t Histogram::count() const {
  std::uint64_t all = 0;
  for (const Counter& counter : counts_) all += counter.value();
  return all;
}

std::uint64_t Histogram::at_most(std::uint64_t bound) const {
  std::uint64_t all = 0;
  for (std::size_t at = 0; at < kBounds && kUpper[at] <= bound; ++at) all += counts_[at].value();
  return all;
}

std::uint64_t Histogram::quantile(double fraction) const {
  const std::uint64_t all = count();
  if (all == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(all)));
  std::uint64_t seen = 0;
  for (std::size_t at = 0; at < kBounds; ++at) {
    seen += counts_[at].value();
    if (seen >= rank && seen != 0) return kUpper[at];
  }
  return kUpper[kBounds - 1];
}

std::string_view to_string(RestartCause cause) {
  switch (cause) {
    case RestartCause::Crash: return "crash";
    case RestartCause::Timeout: return "timeout";
    case RestartCause::MaxRequests: return "max_requests";
    case RestartCause::MaxLifetime: return "max_lifetime";
    case RestartCause::Memory: return "memory";
    case RestartCause::Reload: return "reload";
    case RestartCause::BadRecord: return "bad_record";
    case RestartCause::Wish: return "wish";
    case RestartCause::BootFailure: return "boot_failure";
    case RestartCause::kCount: break;
  }
  return "unknown";
}

std::string_view to_string(Shed shed) {
  switch (shed) {
    case Shed::QueueFull: return "queue_full";
    case Shed::QueueTimeout: return "queue_timeout";
    case Shed::Concurrency: return "concurrency";
    case Shed::RequestTimeout: return "request_timeout";
    case Shed::NoWorker: return "no_worker";
    case Shed::WorkerDied: return "worker_died";
    case Shed::WorkerEnded: return "worker_ended";
    case Shed::BadReply: return "bad_reply";
    case Shed::BadRequest: return "bad_request";
    case Shed::kCount: break;
  }
  return "unknown";
}

void Metrics::request(const Request& request) {
  const std::size_t status = static_cast<std::size_t>(request.status) - 100;
  statuses_[status < kStatuses ? status : kStatuses].add();
  total_time_.observe(request.total_us);
  if (request.by_worker) {
    queue_time_.observe(request.queue_us);
    service_time_.observe(request.service_us);
  }
  request_size_.observe(request.request_bytes);
  response_size_.observe(request.response_bytes);
}

std::uint64_t Metrics::requests() const {
  std::uint64_t all = 0;
  for (const Counter& counter : statuses_) all += counter.value();
  return all;
}

}  // namespace prefork::serve

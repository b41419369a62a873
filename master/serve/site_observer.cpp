#include "master/serve/site_observer.hpp"

#include <charconv>
#include <cstdio>
#include <ctime>
#include <system_error>

#include "master/dispatch/reasons.hpp"
#include "master/dispatch/worker_link.hpp"
#include "master/serve/exchange_entry.hpp"
#include "version.hpp"

namespace prefork::serve {
namespace {

// A flood of bad requests must not become a flood of lines.
constexpr unsigned kFailuresASecond = 20;

std::uint64_t unix_us() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

Shed shed_of(std::uint16_t status, std::string_view why) {
  switch (status) {
    case 500: return Shed::BadReply;
    case 502: return Shed::WorkerDied;
    case 503: break;
    case 504: return Shed::RequestTimeout;
    default: return Shed::BadRequest;
  }
  if (why == dispatch::kQueueFull) return Shed::QueueFull;
  if (why == dispatch::kTooMany) return Shed::Concurrency;
  if (why == dispatch::kQueueTimeout) return Shed::QueueTimeout;
  return why == dispatch::kNoWorker ? Shed::NoWorker : Shed::WorkerEnded;
}

std::string_view path_of(const http::Exchange& exchange) {
  return exchange.request.text(exchange.request.head.raw_path);
}

}  // namespace

SiteObserver::SiteObserver(const Config& config, Logs& logs, Metrics& metrics, const http::Site& site)
    : logs_(logs),
      site_(site),
      clients_(config),
      health_(config.health_bind.empty() ? config.health_path : Config::Strings{}),
      admin_health_(config.health_path.empty() ? Config::Strings{"/livez", "/readyz"} : config.health_path),
      metrics_(metrics),
      metrics_path_(config.metrics_bind.empty() ? config.metrics_path : ""),
      admin_metrics_path_(config.metrics_path.empty() ? "/metrics" : config.metrics_path),
      id_name_(config.request_id_header),
      queue_limit_(static_cast<std::size_t>(config.queue_size)),
      workers_wanted_(static_cast<std::size_t>(config.workers)),
      started_unix_us_(static_cast<std::int64_t>(unix_us())),
      answers_(health_.enabled() || !metrics_path_.empty()),
      numbers_(!config.metrics_path.empty() || !config.metrics_bind.empty()),
      timing_(config.server_timing),
      id_in_reply_(config.request_id_response && !config.request_id_header.empty()),
      backlog_metric_(config.enable_backlog_metric) {
  open_statsd(config);
  if (logs_.access() == nullptr) return;
  const AccessFormat& format = logs_.access()->format();
  reply_names_.assign(format.reply_names().begin(), format.reply_names().end());
  for (const FieldName& name : format.environ_names())
    reply_names_.push_back({wire::Name::Unknown, environ_carrier(name.text)});
}

// A name that nobody knows yet (a container that starts later) must not keep the server from serving; a reload tries again.
void SiteObserver::open_statsd(const Config& config) {
  if (config.statsd_host.empty()) return;
  try {
    statsd_ = std::make_unique<Statsd>(config.statsd_host, config.statsd_prefix, config.dogstatsd_tags);
  } catch (const std::system_error& error) {
    logs_.error().warning("No numbers go to statsd until a reload: ", std::string_view{error.what()});
  }
}

// ------------------------------------------------------------------------------------------------- answers without a worker

HealthState SiteObserver::health_state() const {
  HealthState state;
  for (const auto* link : site_.dispatcher.links())
    state.ready_workers += link->state() == dispatch::WorkerLink::State::Ready ? 1 : 0;
  state.queue_depth = site_.dispatcher.queued();
  state.queue_limit = queue_limit_;
  state.draining = site_.draining;
  return state;
}

Gauges SiteObserver::gauges() const {
  Gauges now;
  for (auto* link : site_.dispatcher.links()) {
    const auto phase = static_cast<std::size_t>(link->end().phase.phase());
    ++now.workers_by_phase[std::min(phase, now.workers_by_phase.size() - 1)];
  }
  now.workers_wanted = workers_wanted_;
  now.in_flight = site_.dispatcher.in_flight();
  now.queue_depth = site_.dispatcher.queued();
  now.connections = site_.connections();
  now.websockets = site_.websockets();
  now.spooled_bytes = site_.request_spools.used + site_.reply_spools.used;
  now.requeued = site_.dispatcher.requeued();
  now.access_lines_dropped = logs_.access_dropped();
  now.error_lines_dropped = logs_.error_dropped();
  now.started_unix_us = started_unix_us_;
  now.draining = site_.draining;
  return now;
}

http::Observer::Answer SiteObserver::health_answer(const Health& health, std::string_view path) const {
  const auto reply = health.answer(path, health_state());
  return reply ? Answer{reply->status, std::string(kHealthType), std::string(reply->body)} : Answer{};
}

http::Observer::Answer SiteObserver::metrics_answer() const {
  Answer answer{200, std::string(kPrometheusType), {}};
  const Metrics* mine = &metrics_;
  write_prometheus({&mine, 1}, gauges(), PREFORK_VERSION, answer.body);
  return answer;
}

http::Observer::Answer SiteObserver::answer(const http::Exchange& exchange) {
  const auto method = static_cast<wire::Method>(exchange.request.head.method);
  if (method != wire::Method::GET && method != wire::Method::HEAD) return {};
  const std::string_view path = path_of(exchange);
  if (!metrics_path_.empty() && path == metrics_path_) return metrics_answer();
  return health_answer(health_, path);
}

http::Observer::Answer SiteObserver::answer_admin(std::string_view path, bool metrics, bool health) const {
  if (metrics && path == admin_metrics_path_) return metrics_answer();
  return health ? health_answer(admin_health_, path) : Answer{};
}

// ------------------------------------------------------------------------------------------------------------------- replies

void SiteObserver::reply_fields(const http::Exchange& exchange, std::string& lines) {
  if (id_in_reply_) {
    lines.append(id_name_).append(": ").append(exchange.request.text(exchange.request.head.request_id)).append("\r\n");
  }
  if (!timing_) return;
  const Times times = times_of(exchange, site_.loop.now_ns());
  std::array<char, 160> text;
  const int length =
      std::snprintf(text.data(), text.size(), "Server-Timing: queue;dur=%.3f, app;dur=%.3f\r\nX-Queue-Time: %.6f\r\n",
                    static_cast<double>(times.queue_us) / 1e3, static_cast<double>(times.service_us) / 1e3,
                    static_cast<double>(times.queue_us) / 1e6);
  lines.append(text.data(), static_cast<std::size_t>(length));
}

void SiteObserver::on_reply_head(http::Exchange& exchange, const wire::ReplyView& head) {
  if (!reply_names_.empty()) keep_reply_fields(head, reply_names_, exchange.reply_notes);
}

void SiteObserver::on_done(const http::Exchange& exchange, const net::Peer& peer) {
  if (numbers_) count(exchange);
  if (statsd_) statsd_->request(exchange.status, times_of(exchange, site_.loop.now_ns()).total_us);
  if (logs_.access() != nullptr) write_access(exchange, peer);
}

void SiteObserver::count(const http::Exchange& exchange) {
  const Times times = times_of(exchange, site_.loop.now_ns());
  Metrics::Request request;
  request.status = exchange.status;
  request.by_worker = exchange.worker_pid != 0;
  request.total_us = times.total_us;
  request.queue_us = times.queue_us;
  request.service_us = times.service_us;
  const auto& head = exchange.request.head;
  request.request_bytes = head.content_length != wire::kUnknownLength ? head.content_length : head.body.length;
  request.response_bytes = exchange.body_bytes_sent;
  metrics_.request(request);
  if (exchange.status == 499) metrics_.client_gone();
  if (exchange.status == 101) metrics_.websocket_opened();
}

void SiteObserver::write_access(const http::Exchange& exchange, const net::Peer& peer) {
  EntryParts parts;
  AccessEntry& entry = fill_entry(exchange, peer, site_.loop.now_ns(), parts);
  entry.unix_us = unix_us();
  if (!reply_names_.empty()) {
    read_reply_fields(reply_names_, exchange.reply_notes, parts.reply_fields);
    take_environ_fields(logs_.access()->format().environ_names(), parts);
    entry.reply_fields = http::FieldList(parts.reply_fields);
    entry.environ_fields = http::FieldList(parts.environ_fields);
  }
  logs_.access()->write(entry);
}

// -------------------------------------------------------------------------------------------------------------------- failures

void SiteObserver::on_error(const http::Exchange* exchange, const net::Peer* peer, std::uint16_t status,
                            const std::string& what) {
  if (numbers_ && status != 0) metrics_.shed(shed_of(status, what));
  if (failures_said_ == kFailuresASecond) {
    ++failures_unsaid_;
    return;
  }
  ++failures_said_;
  std::string line;
  const std::string_view who =
      peer == nullptr || peer->address.empty() ? std::string_view{"a unix socket"} : std::string_view{peer->address};
  if ((status >= 400 && status < 500) || status == 501 || status == 505) {
    // A client's mistake is no fault of the server.
    logs_.error().info("Invalid request from ip=", who, ": ", what, " (", status, ")");
    return;
  }
  line = "Error handling request";
  if (exchange != nullptr && exchange->request.finished()) {
    const auto& request = exchange->request;
    line.append(1, ' ')
        .append(printable(request.text(request.head.method_name)))
        .append(1, ' ')
        .append(printable(request.text(request.head.target)));
    if (request.head.request_id.length != 0)
      line.append(" (request id ").append(request.text(request.head.request_id)).append(1, ')');
  }
  line.append(": ").append(what);
  if (status == 503) {
    logs_.error().warning(line);
  } else {
    logs_.error().error(line);
  }
}

// ------------------------------------------------------------------------------------------------------------------------ time

void SiteObserver::tick() {
  if (failures_unsaid_ != 0)
    logs_.error().warning("… and ", failures_unsaid_, " more requests that failed in the last second");
  failures_said_ = failures_unsaid_ = 0;
  logs_.tick();
  if (statsd_) send_gauges();
}

void SiteObserver::send_gauges() {
  static constexpr std::array<std::pair<Level, std::string_view>, 3> kCounted{
      {{Level::Critical, "gunicorn.log.critical"},
       {Level::Error, "gunicorn.log.error"},
       {Level::Warning, "gunicorn.log.warning"}}};
  statsd_->gauge("gunicorn.workers", static_cast<std::int64_t>(site_.dispatcher.links().size()));
  if (backlog_metric_) statsd_->histogram("gunicorn.backlog", static_cast<std::int64_t>(site_.dispatcher.queued()));
  for (const auto& [level, name] : kCounted) {
    std::uint64_t& sent = levels_sent_[static_cast<std::size_t>(level)];
    const std::uint64_t now = logs_.error().count(level);
    if (now != sent) statsd_->increment(name, now - sent);
    sent = now;
  }
  std::uint64_t exceptions = 0;
  for (dispatch::WorkerLink* link : site_.dispatcher.links()) exceptions += link->new_failures();
  if (exceptions != 0) statsd_->increment("gunicorn.log.exception", exceptions);
  statsd_->flush();
}

}  // namespace prefork::serve

// The text exposition format: https://prometheus.io/docs/instrumenting/exposition_formats/
#include <algorithm>
#include <array>
#include <charconv>

#include "master/serve/metrics.hpp"
#include "shm/phase.hpp"

namespace prefork::serve {
namespace {

// Bounds of what is shown, all of them bounds of Histogram: microseconds and bytes.
constexpr std::array<std::uint64_t, 20> kTimes{
    100,     250,     500,       1000,      2500,      5000,       10'000,     25'000,     50'000,      100'000,
    250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 25'000'000, 50'000'000, 100'000'000, 250'000'000};
constexpr std::array<std::uint64_t, 9> kSizes{100,        1000,        10'000,        100'000,       1'000'000,
                                              10'000'000, 100'000'000, 1'000'000'000, 10'000'000'000};

}  // namespace

// A friend of Metrics: adds up the loops and writes one family after the other.
class Exposition {
 public:
  Exposition(std::span<const Metrics* const> loops, std::string& out) : loops_(loops), out_(out) {}

  void requests() {
    family("prefork_requests_total", "counter", "Requests that were answered, by status.");
    for (std::size_t at = 0; at <= Metrics::kStatuses; ++at) {
      const std::uint64_t count = sum([&](const Metrics& loop) { return loop.statuses_[at].value(); });
      if (count == 0) continue;
      const std::string code = at == Metrics::kStatuses ? "other" : std::to_string(at + 100);
      const std::string kind = at == Metrics::kStatuses ? "other" : std::string(1, code[0]) + "xx";
      std::string name = "prefork_requests_total{class=\"";
      name.append(kind).append("\",code=\"").append(code).append("\"}");
      line(name, count);
    }
  }

  void histograms() {
    times("prefork_request_duration_seconds", "Time from a request's first byte to the last byte of its reply.",
          &Metrics::total_time_);
    times("prefork_request_queue_seconds", "Time that requests waited for a worker.", &Metrics::queue_time_);
    times("prefork_request_service_seconds", "Time that workers took.", &Metrics::service_time_);
    sizes("prefork_request_body_bytes", "Bytes of request bodies.", &Metrics::request_size_);
    sizes("prefork_response_body_bytes", "Bytes of response bodies.", &Metrics::response_size_);
  }

  void causes() {
    family("prefork_worker_restarts_total", "counter", "Workers that were replaced, by cause.");
    for (std::size_t at = 0; at < static_cast<std::size_t>(RestartCause::kCount); ++at) {
      line(labelled("prefork_worker_restarts_total", "cause", to_string(static_cast<RestartCause>(at))),
           sum([&](const Metrics& loop) { return loop.restarts_[at].value(); }));
    }
    family("prefork_requests_shed_total", "counter",
           "Requests that the master answered because no worker did, by reason.");
    for (std::size_t at = 0; at < static_cast<std::size_t>(Shed::kCount); ++at) {
      line(labelled("prefork_requests_shed_total", "reason", to_string(static_cast<Shed>(at))),
           sum([&](const Metrics& loop) { return loop.sheds_[at].value(); }));
    }
  }

  void counters() {
    counter("prefork_clients_gone_total", "Clients that left before their reply was complete.",
            &Metrics::clients_gone_);
    counter("prefork_connections_total", "Connections that were accepted.", &Metrics::connections_);
    counter("prefork_websockets_total", "WebSocket connections that were opened.", &Metrics::websockets_);
    counter("prefork_workers_started_total", "Worker processes that were started.", &Metrics::workers_started_);
    counter("prefork_reloads_total", "Reloads that went well.", &Metrics::reloads_);
    counter("prefork_reloads_failed_total", "Reloads that left the old workers in place.", &Metrics::failed_reloads_);
  }

  void gauges(const Gauges& now) {
    family("prefork_workers", "gauge", "Workers by phase.");
    for (std::size_t at = 0; at < now.workers_by_phase.size(); ++at) {
      line(labelled("prefork_workers", "phase", shm::to_string(static_cast<shm::Phase>(at))), now.workers_by_phase[at]);
    }
    gauge("prefork_workers_wanted", "Workers that there should be.", now.workers_wanted);
    gauge("prefork_requests_in_flight", "Requests with a worker.", now.in_flight);
    gauge("prefork_queue_depth", "Requests that wait for a worker.", now.queue_depth);
    gauge("prefork_connections", "Open connections.", now.connections);
    gauge("prefork_websockets", "Open WebSocket connections.", now.websockets);
    gauge("prefork_spooled_bytes", "Bytes of bodies in temporary files.", now.spooled_bytes);
    gauge("prefork_draining", "1 while the server stops.", now.draining ? 1 : 0);
    family("prefork_requests_requeued_total", "counter", "Requests taken back from a worker and given to another.");
    line("prefork_requests_requeued_total", now.requeued);
    family("prefork_log_lines_dropped_total", "counter", "Log lines that their destination did not take.");
    line(labelled("prefork_log_lines_dropped_total", "log", "access"), now.access_lines_dropped);
    line(labelled("prefork_log_lines_dropped_total", "log", "error"), now.error_lines_dropped);
  }

  void about(const Gauges& now, std::string_view version) {
    family("prefork_start_time_seconds", "gauge", "When the server was started, seconds since 1970.");
    out_ += "prefork_start_time_seconds ";
    scaled(static_cast<std::uint64_t>(now.started_unix_us));
    out_ += '\n';
    family("prefork_info", "gauge", "The server's version.");
    line(labelled("prefork_info", "version", version), 1);
  }

 private:
  template <class Read>
  std::uint64_t sum(Read read) const {
    std::uint64_t all = 0;
    for (const Metrics* loop : loops_) all += read(*loop);
    return all;
  }
  static std::string labelled(std::string_view name, std::string_view label, std::string_view value) {
    return std::string(name) + "{" + std::string(label) + "=\"" + std::string(value) + "\"}";
  }
  void family(std::string_view name, std::string_view type, std::string_view help) {
    out_.append("# HELP ")
        .append(name)
        .append(" ")
        .append(help)
        .append("\n# TYPE ")
        .append(name)
        .append(" ")
        .append(type)
        .append("\n");
  }
  void number(std::uint64_t value) {
    char digits[24];
    out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
  void line(std::string_view series, std::uint64_t value) {
    out_ += series;
    out_ += ' ';
    number(value);
    out_ += '\n';
  }
  // Micro-units as a decimal number without needless zeros: 2500 is 0.0025.
  void scaled(std::uint64_t micros) {
    number(micros / 1'000'000);
    std::uint64_t rest = micros % 1'000'000;
    if (rest == 0) return;
    char digits[8];
    std::to_chars(digits, digits + sizeof digits, 1'000'000 + rest);
    std::size_t length = 7;
    while (digits[length - 1] == '0') --length;
    out_ += '.';
    out_.append(digits + 1, length - 1);
  }
  void counter(std::string_view name, std::string_view help, Counter Metrics::*which) {
    family(name, "counter", help);
    line(name, sum([&](const Metrics& loop) { return (loop.*which).value(); }));
  }
  void gauge(std::string_view name, std::string_view help, std::uint64_t value) {
    family(name, "gauge", help);
    line(name, value);
  }
  void times(std::string_view name, std::string_view help, Histogram Metrics::*which) {
    histogram(name, help, which, kTimes, true);
  }
  void sizes(std::string_view name, std::string_view help, Histogram Metrics::*which) {
    histogram(name, help, which, kSizes, false);
  }

  void histogram(std::string_view name, std::string_view help, Histogram Metrics::*which,
                 std::span<const std::uint64_t> bounds, bool seconds) {
    family(name, "histogram", help);
    std::uint64_t most = 0;
    for (const std::uint64_t bound : bounds) {
      out_.append(name).append("_bucket{le=\"");
      if (seconds) {
        scaled(bound);
      } else {
        number(bound);
      }
      most = sum([&](const Metrics& loop) { return (loop.*which).at_most(bound); });
      line("\"}", most);
    }
    // Another loop may have counted since: a bucket must not be smaller than one before it.
    const std::uint64_t all = std::max(most, sum([&](const Metrics& loop) { return (loop.*which).count(); }));
    out_ += name;
    line("_bucket{le=\"+Inf\"}", all);
    out_.append(name).append("_sum ");
    const std::uint64_t total = sum([&](const Metrics& loop) { return (loop.*which).sum(); });
    if (seconds) {
      scaled(total);
    } else {
      number(total);
    }
    out_ += '\n';
    out_ += name;
    line("_count", all);
  }

  std::span<const Metrics* const> loops_;
  std::string& out_;
};

void write_prometheus(std::span<const Metrics* const> loops, const Gauges& gauges, std::string_view version,
                      std::string& out) {
  Exposition exposition(loops, out);
  exposition.about(gauges, version);
  exposition.requests();
  exposition.histograms();
  exposition.gauges(gauges);
  exposition.counters();
  exposition.causes();
}

}  // namespace prefork::serve

// What the server knows and says of each request: the client behind proxies, the request id, health and metrics answers, the access
// log, numbers, timing fields, failures. Implements http::Observer for one loop.
// What is not configured costs one look at a flag.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "master/config.hpp"
#include "master/dispatch/dispatcher.hpp"
#include "master/http/site.hpp"
#include "master/logs.hpp"
#include "master/serve/client_facts.hpp"
#include "master/serve/health.hpp"
#include "master/serve/metrics.hpp"
#include "master/serve/statsd.hpp"

namespace prefork::serve {

class SiteObserver final : public http::Observer {
 public:
  // `site` is asked for its connections and whether it drains. Throws what is wrong with a setting.
  SiteObserver(const Config& config, Logs& logs, Metrics& metrics, const http::Site& site);

  // Once a second.
  void tick();

  void set_workers_wanted(std::size_t workers) { workers_wanted_ = workers; }
  // On an address of its own: with the configured paths, else /metrics, /livez and /readyz. An empty answer for any other path.
  Answer answer_admin(std::string_view path, bool metrics, bool health) const;

  bool trusts(const net::Peer& peer) override { return clients_.trusts(peer); }
  http::Refusal on_head(http::Exchange& exchange, const net::Peer& peer) override {
    return clients_.apply(exchange, peer);
  }
  bool answers() const override { return answers_; }
  Answer answer(const http::Exchange& exchange) override;
  void reply_fields(const http::Exchange& exchange, std::string& lines) override;
  bool wants_reply_fields() const override { return timing_ || id_in_reply_; }
  void on_reply_head(http::Exchange& exchange, const wire::ReplyView& head) override;
  void on_done(const http::Exchange& exchange, const net::Peer& peer) override;
  void on_error(const http::Exchange* exchange, const net::Peer* peer, std::uint16_t status,
                const std::string& what) override;

 private:
  void open_statsd(const Config& config);
  Answer health_answer(const Health& health, std::string_view path) const;
  Answer metrics_answer() const;
  HealthState health_state() const;
  Gauges gauges() const;
  void count(const http::Exchange& exchange);
  void write_access(const http::Exchange& exchange, const net::Peer& peer);
  void send_gauges();

  Logs& logs_;
  const http::Site& site_;
  ClientFacts clients_;
  Health health_;  // on the main addresses
  Health admin_health_;
  Metrics& metrics_;
  std::unique_ptr<Statsd> statsd_;
  std::string metrics_path_;  // on the main addresses
  std::string admin_metrics_path_;
  std::string id_name_;
  std::size_t queue_limit_;
  std::size_t workers_wanted_;
  std::int64_t started_unix_us_;
  bool answers_ = false;
  bool numbers_ = false;  // somebody reads the metrics
  bool timing_ = false;
  bool id_in_reply_ = false;
  std::vector<FieldName> reply_names_;  // fields of replies that the access log wants
  bool backlog_metric_ = false;
  unsigned failures_said_ = 0;  // this second
  unsigned failures_unsaid_ = 0;
  std::array<std::uint64_t, kLevels> levels_sent_{};
};

}  // namespace prefork::serve

#include "master/serve/metrics.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

namespace prefork::serve {
namespace {

// Reads an exposition and checks its form: each family has HELP and TYPE before its series, and no series comes twice.
std::map<std::string, std::string> series(const std::string& text) {
  std::map<std::string, std::string> out;
  std::string family;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("# HELP ", 0) == 0) {
      family = line.substr(7, line.find(' ', 7) - 7);
    } else if (line.rfind("# TYPE ", 0) == 0) {
      EXPECT_EQ(line.substr(7, family.size() + 1), family + " ");
    } else {
      EXPECT_EQ(line.rfind(family, 0), 0u) << line;
      const auto space = line.rfind(' ');
      EXPECT_TRUE(out.emplace(line.substr(0, space), line.substr(space + 1)).second) << line;
    }
  }
  return out;
}

std::map<std::string, std::string> scrape(std::initializer_list<const Metrics*> loops, const Gauges& gauges = {}) {
  std::string text;
  write_prometheus({loops.begin(), loops.size()}, gauges, "1.2.3", text);
  EXPECT_TRUE(text.ends_with('\n'));
  return series(text);
}

Metrics::Request request(std::uint16_t status, std::uint64_t total_us = 0, std::uint64_t queue_us = 0,
                         std::uint64_t service_us = 0) {
  Metrics::Request out;
  out.status = status;
  out.total_us = total_us;
  out.queue_us = queue_us;
  out.service_us = service_us;
  return out;
}

TEST(Histogram, BoundsAreInclusiveAndComplete) {
  for (std::size_t at = 0; at < Histogram::kBounds; ++at) {
    const std::uint64_t bound = Histogram::kUpper[at];
    EXPECT_EQ(Histogram::bucket(bound), at) << bound;
    EXPECT_EQ(Histogram::bucket(bound + 1), at + 1) << bound;
    EXPECT_TRUE(at == 0 || bound > Histogram::kUpper[at - 1]);
  }
  EXPECT_EQ(Histogram::bucket(0), 0u);
  EXPECT_EQ(Histogram::bucket(UINT64_MAX), Histogram::kBounds);
}

TEST(Histogram, CountsSumsAndQuantiles) {
  Histogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0u);
  for (std::uint64_t value = 1; value <= 1000; ++value) histogram.observe(value);
  EXPECT_EQ(histogram.count(), 1000u);
  EXPECT_EQ(histogram.sum(), 500'500u);
  EXPECT_EQ(histogram.at_most(100), 100u);
  EXPECT_EQ(histogram.quantile(0.5), 500u);
  EXPECT_EQ(histogram.quantile(0.99), 1000u);
  EXPECT_EQ(histogram.quantile(0), 1u);
  EXPECT_EQ(histogram.quantile(1), 1000u);
}

TEST(Histogram, WhatIsAboveEveryBoundIsCounted) {
  Histogram histogram;
  histogram.observe(UINT64_MAX / 2);
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_EQ(histogram.at_most(Histogram::kUpper.back()), 0u);
  EXPECT_EQ(histogram.quantile(0.5), Histogram::kUpper.back());
}

TEST(Metrics, RequestsByStatus) {
  Metrics metrics;
  for (const std::uint16_t status : {200, 200, 404, 503, 0, 700}) metrics.request(request(status));
  const auto seen = scrape({&metrics});
  EXPECT_EQ(seen.at("prefork_requests_total{class=\"2xx\",code=\"200\"}"), "2");
  EXPECT_EQ(seen.at("prefork_requests_total{class=\"4xx\",code=\"404\"}"), "1");
  EXPECT_EQ(seen.at("prefork_requests_total{class=\"5xx\",code=\"503\"}"), "1");
  EXPECT_EQ(seen.at("prefork_requests_total{class=\"other\",code=\"other\"}"), "2");
  EXPECT_EQ(seen.count("prefork_requests_total{class=\"3xx\",code=\"301\"}"), 0u);
  EXPECT_EQ(metrics.requests(), 6u);
}

TEST(Metrics, TimesAreCumulativeSeconds) {
  Metrics metrics;
  metrics.request(request(200, 1500, 100, 1400));
  metrics.request(request(200, 2'000'000, 101, 1'999'000));
  const auto seen = scrape({&metrics});
  EXPECT_EQ(seen.at("prefork_request_duration_seconds_bucket{le=\"0.001\"}"), "0");
  EXPECT_EQ(seen.at("prefork_request_duration_seconds_bucket{le=\"0.0025\"}"), "1");
  EXPECT_EQ(seen.at("prefork_request_duration_seconds_bucket{le=\"2.5\"}"), "2");
  EXPECT_EQ(seen.at("prefork_request_duration_seconds_bucket{le=\"+Inf\"}"), "2");
  EXPECT_EQ(seen.at("prefork_request_duration_seconds_count"), "2");
  EXPECT_EQ(seen.at("prefork_request_duration_seconds_sum"), "2.0015");
  EXPECT_EQ(seen.at("prefork_request_queue_seconds_bucket{le=\"0.0001\"}"), "1");
  EXPECT_EQ(seen.at("prefork_request_queue_seconds_sum"), "0.000201");
}

TEST(Metrics, EveryBucketShownIsABucketKept) {
  Metrics metrics;
  for (const std::uint64_t bound : Histogram::kUpper) metrics.request(request(200, bound, bound, bound));
  std::uint64_t before = 0;
  for (const auto& bound :
       {"0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1",
        "0.25",   "0.5",     "1",      "2.5",   "5",      "10",    "25",   "50",    "100",  "250"}) {
    const auto seen = scrape({&metrics});
    const std::uint64_t count =
        std::stoull(seen.at("prefork_request_service_seconds_bucket{le=\"" + std::string(bound) + "\"}"));
    std::uint64_t expected = 0;
    for (const std::uint64_t upper : Histogram::kUpper)
      expected += static_cast<double>(upper) <= std::strtod(bound, nullptr) * 1e6 + 0.5 ? 1 : 0;
    EXPECT_EQ(count, expected) << bound;
    EXPECT_GT(count, before);
    before = count;
  }
}

TEST(Metrics, WithoutAWorkerThereIsNoServiceTime) {
  Metrics metrics;
  Metrics::Request refused = request(400, 50);
  refused.by_worker = false;
  metrics.request(refused);
  const auto seen = scrape({&metrics});
  EXPECT_EQ(seen.at("prefork_request_duration_seconds_count"), "1");
  EXPECT_EQ(seen.at("prefork_request_service_seconds_count"), "0");
  EXPECT_EQ(seen.at("prefork_request_queue_seconds_count"), "0");
}

TEST(Metrics, LoopsAreAddedUp) {
  Metrics one, other;
  one.request(request(200, 1000));
  other.request(request(200, 2000));
  one.connection_opened();
  other.connection_opened();
  other.worker_restarted(RestartCause::Crash);
  other.shed(Shed::QueueFull);
  const auto seen = scrape({&one, &other});
  EXPECT_EQ(seen.at("prefork_requests_total{class=\"2xx\",code=\"200\"}"), "2");
  EXPECT_EQ(seen.at("prefork_request_duration_seconds_sum"), "0.003");
  EXPECT_EQ(seen.at("prefork_connections_total"), "2");
  EXPECT_EQ(seen.at("prefork_worker_restarts_total{cause=\"crash\"}"), "1");
  EXPECT_EQ(seen.at("prefork_worker_restarts_total{cause=\"max_requests\"}"), "0");
  EXPECT_EQ(seen.at("prefork_requests_shed_total{reason=\"queue_full\"}"), "1");
}

TEST(Metrics, GaugesAreOfTheMoment) {
  Gauges now;
  now.workers_by_phase = {1, 2, 3, 4, 5};
  now.workers_wanted = 8;
  now.in_flight = 6;
  now.queue_depth = 7;
  now.connections = 100;
  now.access_lines_dropped = 9;
  now.started_unix_us = 1'782'907'200'250'000;
  Metrics metrics;
  const auto seen = scrape({&metrics}, now);
  EXPECT_EQ(seen.at("prefork_workers{phase=\"starting\"}"), "1");
  EXPECT_EQ(seen.at("prefork_workers{phase=\"busy\"}"), "3");
  EXPECT_EQ(seen.at("prefork_workers_wanted"), "8");
  EXPECT_EQ(seen.at("prefork_requests_in_flight"), "6");
  EXPECT_EQ(seen.at("prefork_queue_depth"), "7");
  EXPECT_EQ(seen.at("prefork_connections"), "100");
  EXPECT_EQ(seen.at("prefork_log_lines_dropped_total{log=\"access\"}"), "9");
  EXPECT_EQ(seen.at("prefork_start_time_seconds"), "1782907200.25");
  EXPECT_EQ(seen.at("prefork_info{version=\"1.2.3\"}"), "1");
}

TEST(Metrics, CausesAndReasonsHaveNames) {
  for (std::size_t at = 0; at < static_cast<std::size_t>(RestartCause::kCount); ++at)
    EXPECT_NE(to_string(static_cast<RestartCause>(at)), "unknown");
  for (std::size_t at = 0; at < static_cast<std::size_t>(Shed::kCount); ++at)
    EXPECT_NE(to_string(static_cast<Shed>(at)), "unknown");
}

}  // namespace
}  // namespace prefork::serve

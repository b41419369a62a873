#include "report.hpp"

#include <cstdarg>
#include <cstdio>

namespace prefork::load {
namespace {

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...) {
  char buffer[512];
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(buffer, sizeof buffer, pattern, arguments);
  va_end(arguments);
  return buffer;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += format("\\u%04x", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

Histogram all_latencies(const Tally& tally) {
  Histogram all;
  for (const auto& target : tally.targets) all.add(target.latency);
  return all;
}

std::string latency_object(const Histogram& latency) {
  return format("{\"p50\": %lu, \"p90\": %lu, \"p99\": %lu, \"p999\": %lu, \"max\": %lu, \"mean\": %.1f}",
                latency.quantile(0.5), latency.quantile(0.9), latency.quantile(0.99), latency.quantile(0.999),
                latency.max(), latency.mean());
}

std::string number_map(const std::map<int, std::uint64_t>& numbers) {
  std::string out = "{";
  for (const auto& [key, value] : numbers) out += format("%s\"%d\": %lu", out.size() > 1 ? ", " : "", key, value);
  return out + "}";
}

std::string failure_map(const Tally& tally) {
  std::string out = "{";
  for (std::size_t i = 0; i < tally.failures.size(); ++i) {
    if (tally.failures[i] == 0) continue;
    out += format("%s\"%s\": %lu", out.size() > 1 ? ", " : "", name_of(static_cast<Failure>(i)), tally.failures[i]);
  }
  return out + "}";
}

std::string target_list(const Mix& mix, const Tally& tally) {
  std::string out = "[";
  for (std::size_t i = 0; i < mix.size(); ++i) {
    const auto& target = tally.targets[i];
    out +=
        format("%s{\"method\": \"%s\", \"target\": ", i > 0 ? ", " : "", mix[i].method.c_str()) + quoted(mix[i].target);
    out += format(", \"ok\": %lu, \"failed\": %lu, \"latency_us\": ", target.ok, target.failed) +
           latency_object(target.latency) + "}";
  }
  return out + "]";
}

}  // namespace

std::string json_report(const Options& options, const Mix& mix, const Tally& tally, double seconds) {
  std::string out = "{\"mode\": " + quoted(options.mode_name);
  const auto add = [&out](const char* key, std::uint64_t value) { out += format(", \"%s\": %lu", key, value); };
  add("connections", options.connections);
  add("pipeline", options.pipeline);
  out += format(", \"duration_s\": %.3f", seconds);
  add("requests", tally.started);
  add("ok", tally.ok);
  add("failed", tally.failed());
  out += format(", \"rate\": %.1f", seconds > 0 ? static_cast<double>(tally.ok) / seconds : 0.0);
  out += ", \"failures\": " + failure_map(tally);
  out += ", \"statuses\": " + number_map(tally.statuses);
  out += ", \"ws_closes\": " + number_map(tally.ws_closes);
  add("connects", tally.connects);
  add("closes_announced", tally.closes_announced);
  add("closed_idle", tally.closed_idle);
  add("unanswered_after_close", tally.unanswered_after_close);
  add("aborted", tally.aborted);
  add("slow_cut", tally.slow_cut);
  add("unfinished", tally.unfinished);
  add("informational", tally.informational);
  add("bytes_in", tally.bytes_in);
  add("bytes_out", tally.bytes_out);
  out += ", \"latency_us\": " + latency_object(all_latencies(tally));
  return out + ", \"targets\": " + target_list(mix, tally) + "}\n";
}

std::string text_report(const Options& options, const Mix& mix, const Tally& tally, double seconds) {
  const auto rate = seconds > 0 ? static_cast<double>(tally.ok) / seconds : 0.0;
  auto out = format("%s, %u connections, %.2f s: %lu ok (%.0f/s), %lu failed\n", options.mode_name.c_str(),
                    options.connections, seconds, tally.ok, rate, tally.failed());
  for (std::size_t i = 0; i < mix.size(); ++i) {
    const auto& latency = tally.targets[i].latency;
    out += format("  %s %.200s: p50 %lu us, p90 %lu, p99 %lu, p99.9 %lu, max %lu\n", mix[i].method.c_str(),
                  mix[i].target.c_str(), latency.quantile(0.5), latency.quantile(0.9), latency.quantile(0.99),
                  latency.quantile(0.999), latency.max());
  }
  out += "  failures " + failure_map(tally) + ", statuses " + number_map(tally.statuses) + "\n";
  out += format("  connects %lu, closes announced %lu, closed while idle %lu, unanswered after a close %lu\n",
                tally.connects, tally.closes_announced, tally.closed_idle, tally.unanswered_after_close);
  if (options.slow() || options.aborting())
    out += format("  aborted %lu, cut by the server %lu\n", tally.aborted, tally.slow_cut);
  if (!tally.ws_closes.empty()) out += "  close codes " + number_map(tally.ws_closes) + "\n";
  if (tally.unfinished > 0) out += format("  unfinished at the end %lu\n", tally.unfinished);
  return out;
}

}  // namespace prefork::load

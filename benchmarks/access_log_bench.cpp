// What logs and numbers cost the loop for a request. A line of the access log: eight request fields, gunicorn's default format, and the JSON form. The lines go to
// /dev/null through the sink, so that the hand-over to the writing thread is part of it.
#include <benchmark/benchmark.h>

#include "master/serve/access_log.hpp"
#include "master/serve/metrics.hpp"

namespace prefork::serve {
namespace {

struct Request {
  wire::RequestBuilder builder;
  AccessEntry entry;

  Request() {
    const auto add = [&](std::string_view name, std::string_view value) {
      wire::Field field;
      field.name_id = static_cast<std::uint16_t>(wire::find_name(name));
      field.value = builder.add_text(value);
      builder.fields().push_back(field);
    };
    add("host", "127.0.0.1:8000");
    add("user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36");
    add("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8");
    add("accept-encoding", "gzip, deflate, br, zstd");
    add("accept-language", "en-GB,en;q=0.9");
    add("referer", "https://shop.example.org/catalogue?page=3");
    add("cookie", "session=0123456789abcdef; theme=dark");
    add("cache-control", "max-age=0");
    builder.finish();
    entry.remote_address = "192.0.2.17";
    entry.method = "GET";
    entry.raw_uri = "/catalogue/items/4711?colour=red";
    entry.path = "/catalogue/items/4711";
    entry.query = "colour=red";
    entry.status = 200;
    entry.body_bytes = 5120;
    entry.request_fields = builder;
    entry.request_id = "0123456789abcdef0123456789abcdef";
    entry.worker_pid = 4242;
    entry.total_us = 1234;
    entry.unix_us = 1'782'907'200'000'123;
  }
};

void run(benchmark::State& state, std::string_view text, bool json) {
  LogWriter writer;
  LogSink sink(writer, open_log_file("/dev/null"), "access log");
  const AccessFormat format(text);
  AccessLog log(format, json, {&sink});
  Request request;
  for (auto _ : state) {
    request.entry.unix_us += 10;
    log.write(request.entry);
  }
  log.flush();
  state.SetItemsProcessed(state.iterations());
}

constexpr std::string_view kDefault = "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"";

BENCHMARK_CAPTURE(run, gunicorn_default, kDefault, false);
BENCHMARK_CAPTURE(run, with_times, "%(h)s %(t)s \"%(r)s\" %(s)s %(D)s %(L)s %({queue}x)s %({request-id}x)s", false);
BENCHMARK_CAPTURE(run, json, kDefault, true);

void metrics(benchmark::State& state) {
  Metrics metrics;
  Metrics::Request request;
  request.status = 200;
  std::uint64_t seed = 1;
  for (auto _ : state) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    request.total_us = seed >> 50;
    request.queue_us = seed >> 56;
    request.service_us = seed >> 52;
    request.response_bytes = seed >> 48;
    metrics.request(request);
  }
  benchmark::DoNotOptimize(metrics.requests());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(metrics);

}  // namespace
}  // namespace prefork::serve

BENCHMARK_MAIN();

// What a request's head costs to read and a reply's head to write. The budget: 300 ns to read a GET with eight browser headers,
// 50 to 100 ns to write a head with three to five fields.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "master/http/h1_parser.hpp"
#include "master/http/h1_writer.hpp"
#include "shm/wire/names.hpp"

namespace prefork::http {
namespace {

const std::string kBrowserGet =
    "GET /hello?name=world HTTP/1.1\r\n"
    "Host: 127.0.0.1:8000\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "\r\n";

const std::string kSmallGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

void read_messages(benchmark::State& state, const std::string& bytes) {
  const Limits limits;
  H1Parser parser(limits);
  wire::RequestBuilder builder;
  for (auto _ : state) {
    builder.reset();
    parser.begin(builder);
    std::span<const char> in(bytes);
    while (parser.feed(in) != Feed::MessageDone) benchmark::DoNotOptimize(parser.piece().data());
    benchmark::DoNotOptimize(builder.fields().data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes.size()));
}

void ReadBrowserGet(benchmark::State& state) { read_messages(state, kBrowserGet); }
void ReadSmallGet(benchmark::State& state) { read_messages(state, kSmallGet); }
void ReadLength64K(benchmark::State& state) {
  read_messages(state, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n" + std::string(65536, 'x'));
}
void ReadChunks16(benchmark::State& state) {
  std::string body;
  for (int i = 0; i < 16; ++i) body += "10\r\n0123456789abcdef\r\n";
  read_messages(state, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body + "0\r\n\r\n");
}

void FinishRecord(benchmark::State& state) {
  const Limits limits;
  H1Parser parser(limits);
  wire::RequestBuilder builder;
  for (auto _ : state) {
    builder.reset();
    parser.begin(builder);
    std::span<const char> in(kBrowserGet);
    while (parser.feed(in) != Feed::MessageDone) {
    }
    builder.finish();
    benchmark::DoNotOptimize(builder.payload().data());
  }
}

void FindName(benchmark::State& state) {
  const std::string_view names[] = {"Host",
                                    "User-Agent",
                                    "Accept",
                                    "Accept-Language",
                                    "Accept-Encoding",
                                    "Connection",
                                    "Cookie",
                                    "Upgrade-Insecure-Requests"};
  for (auto _ : state) {
    for (const std::string_view name : names) benchmark::DoNotOptimize(wire::find_name(name));
  }
}

void WriteHead(benchmark::State& state) {
  const std::pair<std::string_view, std::string_view> fields[] = {
      {"Content-Type", "text/html; charset=utf-8"},
      {"Content-Length", "13"},
      {"Set-Cookie", "session=0123456789abcdef; HttpOnly; Path=/"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "same-origin"}};
  const auto count = static_cast<std::size_t>(state.range(0));
  std::vector<std::byte> memory(4096);
  wire::ReplyWriter writer(memory, 200, static_cast<std::uint16_t>(count), 0);
  for (std::size_t i = 0; i < count; ++i)
    writer.field(fields[i].first, fields[i].second, wire::find_name(fields[i].first));
  writer.body(wire::as_bytes("Hello, world!"));
  memory.resize(writer.finish());
  ReplyFacts facts;
  facts.date = "Thu, 01 Jan 2026 00:00:00 GMT";
  facts.server = "prefork";
  facts.complete_length = 13;
  std::vector<char> out;
  for (auto _ : state) {
    out.clear();
    wire::ReplyView reply(memory);
    ReplyPlan plan;
    benchmark::DoNotOptimize(reply.validate());
    benchmark::DoNotOptimize(write_reply_head(reply, facts, plan, out));
    benchmark::DoNotOptimize(out.data());
  }
}

BENCHMARK(ReadBrowserGet);
BENCHMARK(ReadSmallGet);
BENCHMARK(ReadLength64K);
BENCHMARK(ReadChunks16);
BENCHMARK(FinishRecord);
BENCHMARK(FindName);
BENCHMARK(WriteHead)->DenseRange(1, 5);

}  // namespace
}  // namespace prefork::http

BENCHMARK_MAIN();

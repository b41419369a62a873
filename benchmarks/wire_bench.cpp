// The wire format alone: building and checking heads, finding names.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "benchmarks/browser_request.hpp"
#include "shm/wire/reply_head.hpp"

namespace {

using namespace prefork::wire;

void BM_BuildRequest(benchmark::State& state) {
  RequestBuilder builder;
  for (auto _ : state) {
    prefork::benchmarks::build_browser_request(builder);
    benchmark::DoNotOptimize(builder.payload().data());
  }
}
BENCHMARK(BM_BuildRequest);

void BM_ValidateRequest(benchmark::State& state) {
  RequestBuilder builder;
  prefork::benchmarks::build_browser_request(builder);
  for (auto _ : state) {
    RequestView view(builder.payload());
    benchmark::DoNotOptimize(view.validate());
  }
}
BENCHMARK(BM_ValidateRequest);

std::uint32_t write_reply(std::span<std::byte> memory) {
  ReplyWriter writer(memory, 200, 4, 0);
  writer.field("Content-Type", "text/html; charset=utf-8", Name::ContentType);
  writer.field("Content-Length", "13", Name::ContentLength);
  writer.field("Cache-Control", "no-store", Name::CacheControl);
  writer.field("X-Frame-Options", "DENY", Name::XFrameOptions);
  writer.body(as_bytes("Hello, World!"));
  return writer.finish();
}

void BM_WriteReply(benchmark::State& state) {
  std::vector<std::byte> memory(512);
  for (auto _ : state) benchmark::DoNotOptimize(write_reply(memory));
}
BENCHMARK(BM_WriteReply);

void BM_ValidateReplyAndReadItsFields(benchmark::State& state) {
  std::vector<std::byte> memory(512);
  memory.resize(write_reply(memory));
  for (auto _ : state) {
    ReplyView view(memory);
    benchmark::DoNotOptimize(view.validate());
    ReplyField field;
    for (std::size_t i = 0; i < view.head().field_count; ++i) {
      benchmark::DoNotOptimize(view.field(i, field));
      benchmark::DoNotOptimize(field);
    }
    benchmark::DoNotOptimize(view.body().data());
  }
}
BENCHMARK(BM_ValidateReplyAndReadItsFields);

void BM_FindEightNames(benchmark::State& state) {
  constexpr std::array<std::string_view, 8> kSpelled{"Host",   "Connection",         "User-Agent",
                                                     "Accept", "Accept-Encoding",    "Accept-Language",
                                                     "Cookie", "X-Something-Unknown"};
  for (auto _ : state) {
    for (const auto name : kSpelled) benchmark::DoNotOptimize(find_name(name));
  }
  state.SetItemsProcessed(state.iterations() * 8);
}
BENCHMARK(BM_FindEightNames);

}  // namespace

BENCHMARK_MAIN();

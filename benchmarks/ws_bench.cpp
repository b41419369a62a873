// What the WebSocket engine costs without a socket: one masked message in, the same message out.
#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "master/http/ws_session.hpp"

namespace {

using namespace prefork::http;

std::vector<char> masked_text(std::size_t length) {
  std::vector<char> frame;
  append_ws_head(frame, WsOpcode::Text, length);
  frame[1] = static_cast<char>(frame[1] | 0x80);
  const std::array<char, 4> mask{'\x37', '\xfa', '\x21', '\x3d'};
  frame.insert(frame.end(), mask.begin(), mask.end());
  std::vector<char> payload(length);
  for (std::size_t i = 0; i < length; ++i) payload[i] = static_cast<char>('a' + i % 26);
  ws_mask(payload, mask, 0);
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

// `batch` frames in one read, as under load; time is per message.
void echo(benchmark::State& state, const std::optional<WsDeflateTerms>& deflate) {
  const auto frame = masked_text(static_cast<std::size_t>(state.range(0)));
  const auto batch = static_cast<std::size_t>(state.range(1));
  WsOptions options;
  options.compress_threshold = 0;
  std::vector<char> out, frames, input(frame.size() * batch);
  for (std::size_t i = 0; i < batch; ++i) frames.insert(frames.end(), frame.begin(), frame.end());
  const WsTime now{};
  WsSession session(options, deflate, out, now);
  for (auto _ : state) {
    // The session unmasks in place, so every round needs the bytes anew, as a read from the socket would give them.
    std::memcpy(input.data(), frames.data(), frames.size());
    std::span<char> rest(input);
    while (const auto event = session.feed(rest, now)) session.send_text(event.bytes);
    benchmark::DoNotOptimize(out.data());
    out.clear();
  }
  const auto messages = state.iterations() * state.range(1);
  state.SetItemsProcessed(messages);
  state.SetBytesProcessed(messages * state.range(0));
  state.counters["per_message"] =
      benchmark::Counter(static_cast<double>(messages), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void BM_Echo(benchmark::State& state) { echo(state, std::nullopt); }
BENCHMARK(BM_Echo)->Args({100, 1})->Args({100, 64})->Args({16 * 1024, 1})->Args({1 << 20, 1});

// Reads plain, writes compressed: what a client that offers compression and sends short messages costs.
void BM_EchoCompressed(benchmark::State& state) { echo(state, WsDeflateTerms{}); }
BENCHMARK(BM_EchoCompressed)->Args({100, 1})->Args({16 * 1024, 1});

void BM_Utf8Ascii(benchmark::State& state) {
  const std::string text(static_cast<std::size_t>(state.range(0)), 'a');
  for (auto _ : state) benchmark::DoNotOptimize(is_utf8(text));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Utf8Ascii)->Arg(100)->Arg(16 * 1024);

}  // namespace

BENCHMARK_MAIN();

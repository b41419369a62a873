// The ring alone, both ends on one thread: what a record costs beside its bytes.
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>
#include <vector>

#include "shm/ring.hpp"

namespace {

using namespace prefork::shm;

struct Memory {
  explicit Memory(std::size_t capacity) : positions(std::make_unique<RingPositions>()), bytes(capacity) {}
  std::unique_ptr<RingPositions> positions;
  std::vector<std::byte> bytes;
};

// state.range(0): payload bytes; state.range(1): records a batch.
void BM_PushAndPop(benchmark::State& state) {
  Memory memory(256 * 1024);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  const auto length = static_cast<std::uint32_t>(state.range(0));
  const std::vector<std::byte> payload(length, std::byte{1});
  for (auto _ : state) {
    for (std::int64_t i = 0; i < state.range(1); ++i) {
      const auto room = producer.try_claim(length);
      std::memcpy(room.data(), payload.data(), length);
      producer.commit({1, 0, 1, 1}, length);
    }
    producer.publish();
    Record record;
    while (consumer.peek(record) == Peek::Record) {
      benchmark::DoNotOptimize(record.payload.data());
      consumer.release();
    }
    benchmark::DoNotOptimize(consumer.settle());
  }
  state.SetItemsProcessed(state.iterations() * state.range(1));
  state.SetBytesProcessed(state.iterations() * state.range(1) * state.range(0));
}
BENCHMARK(BM_PushAndPop)->ArgsProduct({{64, 400}, {1, 8, 64}});

// A 64 KiB body written into the ring and copied out of it, and the same two copies without a ring: at most 1.3 times as long.
constexpr std::uint32_t kBody = 64 * 1024;

void BM_BodyThroughTheRing(benchmark::State& state) {
  Memory memory(1024 * 1024);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  const std::vector<std::byte> from(kBody, std::byte{1});
  std::vector<std::byte> to(kBody);
  for (auto _ : state) {
    const auto room = producer.try_claim(kBody);
    std::memcpy(room.data(), from.data(), kBody);
    producer.commit({2, 0, 1, 1}, kBody);
    producer.publish();
    Record record;
    if (consumer.peek(record) != Peek::Record) state.SkipWithError("the body is not there");
    std::memcpy(to.data(), record.payload.data(), kBody);
    consumer.release();
    benchmark::DoNotOptimize(consumer.settle());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * kBody);
}
BENCHMARK(BM_BodyThroughTheRing);

void BM_BodyByTwoCopies(benchmark::State& state) {
  const std::vector<std::byte> from(kBody, std::byte{1});
  std::vector<std::byte> between(kBody);
  std::vector<std::byte> to(kBody);
  for (auto _ : state) {
    std::memcpy(between.data(), from.data(), kBody);
    benchmark::ClobberMemory();
    std::memcpy(to.data(), between.data(), kBody);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * kBody);
}
BENCHMARK(BM_BodyByTwoCopies);

}  // namespace

BENCHMARK_MAIN();

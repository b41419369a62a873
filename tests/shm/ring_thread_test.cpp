// Both ends as threads over one ring: ThreadSanitizer sees every unordered access, the contents show what was torn or lost.
#include <gtest/gtest.h>

#include <thread>

#include "shm/claims.hpp"
#include "shm/doorbell.hpp"
#include "shm/fragments.hpp"
#include "shm/ring.hpp"
#include "tests/shm/ring_memory.hpp"

namespace prefork::shm {
namespace {

using testing::fill_pattern;
using testing::has_pattern;
using testing::Random;
using testing::RingMemory;

constexpr int kGenerousMs = 60000;

struct Bell {
  BellFlag flag{};
  BellFds fds = make_bell();
  Doorbell doorbell{flag, fds.wait.get(), fds.signal_fd()};
};

struct Traffic {
  explicit Traffic(std::size_t capacity) : ring(capacity) {}
  RingMemory ring;
  Bell consumer_bell;  // the consumer sleeps on it
  Bell producer_bell;
};

void produce(Traffic& traffic, std::uint64_t records, std::uint64_t seed) {
  Producer producer(*traffic.ring.positions, traffic.ring.bytes);
  Random random(seed);
  std::uint32_t batch = 1 + random.below(16);
  for (std::uint64_t serial = 0; serial < records; ++serial) {
    const std::uint32_t length = random.below(8) == 0 ? random.below(producer.max_payload() + 1)
                                                      : random.below(std::min(producer.max_payload(), 120u));
    auto room = producer.try_claim(length);
    while (room.data() == nullptr) {
      producer.publish();
      traffic.consumer_bell.doorbell.ring();
      const auto slept = sleep_unless(
          traffic.producer_bell.doorbell, [&] { return producer.request_room(length); }, kGenerousMs);
      ASSERT_NE(slept, Slept::UntilTimeout);
      room = producer.try_claim(length);
    }
    fill_pattern(room, serial);
    producer.commit({1, static_cast<std::uint16_t>(length), static_cast<std::uint32_t>(serial),
                     static_cast<std::uint32_t>(serial >> 32)},
                    length);
    if (--batch == 0 || serial + 1 == records) {
      producer.publish();
      traffic.consumer_bell.doorbell.ring();
      batch = 1 + random.below(16);
    }
  }
}

void consume(Traffic& traffic, std::uint64_t records, std::uint64_t seed) {
  Consumer consumer(*traffic.ring.positions, traffic.ring.bytes);
  Random random(seed);
  Record record;
  for (std::uint64_t serial = 0; serial < records;) {
    Peek seen = Peek::Empty;
    for (std::uint32_t batch = 1 + random.below(32); batch > 0 && serial < records; --batch) {
      seen = consumer.peek(record);
      ASSERT_NE(seen, Peek::Bad);
      if (seen == Peek::Empty) break;
      ASSERT_EQ(record.tag.slot, static_cast<std::uint32_t>(serial));
      ASSERT_EQ(record.tag.flags, static_cast<std::uint16_t>(record.payload.size()));
      ASSERT_TRUE(has_pattern(record.payload, serial));
      consumer.release();
      ++serial;
    }
    if (consumer.settle()) traffic.producer_bell.doorbell.ring();
    if (seen == Peek::Empty && serial < records) {
      ASSERT_NE(sleep_unless(
                    traffic.consumer_bell.doorbell, [&] { return consumer.anything_now(); }, kGenerousMs),
                Slept::UntilTimeout);
    }
  }
}

TEST(RingThreads, EveryRecordCrossesOnceAndWhole) {
  for (const std::size_t capacity : {std::size_t{256}, std::size_t{4096}, std::size_t{65536}}) {
    Traffic traffic(capacity);
    constexpr std::uint64_t kRecords = 60000;
    std::thread consumer([&] { consume(traffic, kRecords, capacity); });
    produce(traffic, kRecords, capacity + 1);
    consumer.join();
    if (HasFailure()) FAIL() << "capacity " << capacity;
  }
}

TEST(RingThreads, LargePayloadsCrossAsFragmentsBetweenThreads) {
  Traffic traffic(1024);
  constexpr std::uint64_t kPayloads = 2000;
  std::thread reader([&] {
    Consumer consumer(*traffic.ring.positions, traffic.ring.bytes);
    Reassembler reassembler(8192, 8192);
    Record record;
    std::span<const std::byte> whole;
    for (std::uint64_t serial = 0; serial < kPayloads;) {
      const Peek seen = consumer.peek(record);
      ASSERT_NE(seen, Peek::Bad);
      if (seen == Peek::Record) {
        const auto taken = reassembler.take(record, whole);
        if (taken == Reassembler::Take::Whole) {
          ASSERT_TRUE(has_pattern(whole, serial++));
        } else {
          ASSERT_EQ(taken, Reassembler::Take::More);
        }
        consumer.release();
        continue;
      }
      if (consumer.settle()) traffic.producer_bell.doorbell.ring();
      ASSERT_NE(sleep_unless(
                    traffic.consumer_bell.doorbell, [&] { return consumer.anything_now(); }, kGenerousMs),
                Slept::UntilTimeout);
    }
    if (consumer.settle()) traffic.producer_bell.doorbell.ring();
  });
  Producer producer(*traffic.ring.positions, traffic.ring.bytes);
  Random random(3);
  for (std::uint64_t serial = 0; serial < kPayloads; ++serial) {
    const auto payload = testing::pattern(random.below(4096), serial);
    FragmentWriter writer(payload);
    for (bool done = false; !done;) {
      done = writer.push(producer, {1, 0, 1, static_cast<std::uint32_t>(serial)});
      producer.publish();
      traffic.consumer_bell.doorbell.ring();
      if (done) break;
      const auto slept = sleep_unless(
          traffic.producer_bell.doorbell, [&] { return producer.request_room(writer.next_length(producer)); },
          kGenerousMs);
      ASSERT_NE(slept, Slept::UntilTimeout);
    }
  }
  reader.join();
}

TEST(ClaimThreads, AnOfferIsClaimedOnceOrRevokedOnce) {
  // Rounds cost four threads a meeting each, which is dear where cores are few; slots do not.
  constexpr std::uint32_t kSlots = 1024, kRounds = 200;
  std::vector<Atomic<std::uint64_t>> words(kSlots);
  std::vector<Atomic<std::uint32_t>> outcomes(kSlots);
  Atomic<std::uint32_t> round{0}, arrived{0};
  const auto race = [&](auto attempt) {
    for (std::uint32_t generation = 1; generation <= kRounds; ++generation) {
      while (round.load(std::memory_order_acquire) < generation) std::this_thread::yield();
      Claims claims(words);
      for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
        if (attempt(claims, slot, generation)) outcomes[slot].fetch_add(1, std::memory_order_relaxed);
      }
      arrived.fetch_add(1, std::memory_order_release);
    }
  };
  const auto claim = [](Claims& claims, std::uint32_t slot, std::uint32_t generation) {
    return claims.try_claim(slot, generation);
  };
  const auto revoke = [](Claims& claims, std::uint32_t slot, std::uint32_t generation) {
    return claims.try_revoke(slot, generation);
  };
  std::thread first([&] { race(claim); }), second([&] { race(claim); }), third([&] { race(revoke); });
  Claims claims(words);
  for (std::uint32_t generation = 1; generation <= kRounds; ++generation) {
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      claims.offer(slot, generation);
      outcomes[slot].store(0, std::memory_order_relaxed);
    }
    arrived.store(0, std::memory_order_relaxed);
    round.store(generation, std::memory_order_release);
    while (arrived.load(std::memory_order_acquire) < 3) std::this_thread::yield();
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) ASSERT_EQ(outcomes[slot].load(std::memory_order_relaxed), 1u);
  }
  first.join();
  second.join();
  third.join();
}

}  // namespace
}  // namespace prefork::shm

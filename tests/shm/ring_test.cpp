#include "shm/ring.hpp"

#include <gtest/gtest.h>

#include "tests/shm/ring_memory.hpp"

namespace prefork::shm {
namespace {

using testing::fill_pattern;
using testing::has_pattern;
using testing::move_to;
using testing::pattern;
using testing::push;
using testing::RingMemory;

// What the ring promises, worked out anew: a record needs its space in one piece, at the end or, after padding, at the start.
bool must_fit(std::size_t capacity, std::size_t tail, std::size_t used, std::size_t need) {
  if (used == 0) return true;
  const std::size_t to_end = capacity - tail % capacity;
  return used + (need <= to_end ? need : to_end + need) <= capacity;
}

struct Case {
  std::size_t capacity;
  std::size_t first;    // records of 16 bytes consumed before
  std::size_t backlog;  // and left unconsumed
  std::uint32_t length;
};

void check_one(const Case& c) {
  SCOPED_TRACE(::testing::Message() << "capacity " << c.capacity << " head " << c.first * 16 << " tail "
                                    << (c.first + c.backlog) * 16 << " length " << c.length);
  RingMemory memory(c.capacity);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  move_to(producer, consumer, c.first, c.backlog);
  const auto bytes_before = memory.bytes;
  const auto tail_before = producer.tail();
  const auto need = static_cast<std::size_t>(record_space(sizeof(RecordHeader) + c.length));
  const bool expected = must_fit(c.capacity, tail_before, c.backlog * 16, need);

  EXPECT_EQ(producer.would_fit(c.length), expected);
  const auto room = producer.try_claim(c.length);
  ASSERT_EQ(room.data() != nullptr, expected);
  EXPECT_EQ(memory.positions->tail.load(std::memory_order_relaxed), tail_before);  // private until commit
  if (!expected) {
    EXPECT_EQ(memory.bytes, bytes_before);
    return;
  }
  ASSERT_EQ(room.size(), c.length);
  ASSERT_GE(room.data(), memory.bytes.data() + sizeof(RecordHeader));
  ASSERT_LE(room.data() + room.size(), memory.bytes.data() + c.capacity);
  fill_pattern(room, c.length);
  producer.commit({7, 3, 11, 13}, c.length);

  Record record;
  for (std::size_t i = 0; i < c.backlog; ++i) {
    ASSERT_EQ(consumer.peek(record), Peek::Record);
    ASSERT_EQ(record.tag.kind, 1);  // the backlog was not written over
    ASSERT_TRUE(record.payload.empty());
    consumer.release();
  }
  ASSERT_EQ(consumer.peek(record), Peek::Record);
  EXPECT_EQ(record.tag.kind, 7);
  EXPECT_EQ(record.tag.flags, 3);
  EXPECT_EQ(record.tag.slot, 11u);
  EXPECT_EQ(record.tag.generation, 13u);
  ASSERT_EQ(record.payload.size(), c.length);
  EXPECT_TRUE(has_pattern(record.payload, c.length));
  consumer.release();
  EXPECT_EQ(consumer.peek(record), Peek::Empty);
  EXPECT_TRUE(producer.drained());
  EXPECT_LE(producer.tail() - tail_before, c.capacity);
}

TEST(Ring, EveryLengthAtEveryOffsetBehindEveryBacklog) {
  constexpr std::size_t kCapacity = 256;
  for (std::size_t first = 0; first <= kCapacity / 16; ++first) {
    for (std::size_t backlog = 0; first + backlog <= kCapacity / 16; ++backlog) {
      for (std::uint32_t length = 0; length <= kCapacity / 2 - 16; ++length)
        check_one({kCapacity, first, backlog, length});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Ring, BoundaryLengthsAtEveryOffsetOfALargerRing) {
  constexpr std::size_t kCapacity = 4096;
  for (std::size_t first = 0; first <= kCapacity / 16; first += 3) {
    for (const std::size_t backlog :
         {std::size_t{0}, std::size_t{1}, (kCapacity / 16 - first) / 2, kCapacity / 16 - first}) {
      if (first + backlog > kCapacity / 16) continue;
      const std::size_t to_end = kCapacity - (first + backlog) * 16 % kCapacity;
      for (const std::size_t near :
           {std::size_t{16}, to_end, kCapacity / 2, kCapacity / 4, first * 16, first * 16 + to_end}) {
        for (std::size_t length = near < 36 ? 0 : near - 36; length <= near + 4; ++length) {
          if (length <= kCapacity / 2 - 16) check_one({kCapacity, first, backlog, static_cast<std::uint32_t>(length)});
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(Ring, RefusesRecordThatFitsNeitherAtEndNorAtStart) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  move_to(producer, consumer, 4, 6);  // head 64, tail 160: 96 bytes to the end, 64 before the head
  const auto before = memory.bytes;
  EXPECT_EQ(producer.try_claim(96).data(), nullptr);
  EXPECT_EQ(memory.bytes, before);
  EXPECT_EQ(producer.tail(), 160u);
  EXPECT_NE(producer.try_claim(80).data(), nullptr);  // to the last byte
}

TEST(Ring, ARefusalDoesNotSpoilTheNextClaim) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  move_to(producer, consumer, 4, 8);  // 64 bytes to the end
  EXPECT_EQ(producer.try_claim(112).data(), nullptr);
  ASSERT_TRUE(push(producer, pattern(48, 5)));
  Record record;
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(consumer.peek(record), Peek::Record);
    consumer.release();
  }
  ASSERT_EQ(consumer.peek(record), Peek::Record);
  EXPECT_TRUE(has_pattern(record.payload, 5));
}

TEST(Ring, ADroppedClaimLeavesNoTrace) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  move_to(producer, consumer, 6, 8);  // tail 224: the first claim pads, the second does not
  ASSERT_NE(producer.try_claim(64).data(), nullptr);
  ASSERT_TRUE(push(producer, pattern(16, 9)));
  Record record;
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(consumer.peek(record), Peek::Record);
    consumer.release();
  }
  ASSERT_EQ(consumer.peek(record), Peek::Record);
  EXPECT_TRUE(has_pattern(record.payload, 9));
  EXPECT_EQ(record.payload.data(), memory.bytes.data() + 224 + 16);
}

TEST(Ring, CommitsLessThanWasClaimed) {
  RingMemory memory(1024);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  const auto room = producer.try_claim(400);
  fill_pattern(room.first(33), 2);
  producer.commit({1, 0, 0, 0}, 33);
  EXPECT_EQ(producer.tail(), 64u);
  Record record;
  ASSERT_EQ(consumer.peek(record), Peek::Record);
  ASSERT_EQ(record.payload.size(), 33u);
  EXPECT_TRUE(has_pattern(record.payload, 2));
}

TEST(Ring, QuietTrafficStaysAtTheStart) {
  for (const std::size_t capacity : {std::size_t{4096}, std::size_t{1} << 20}) {
    const std::size_t hot = std::min(capacity / 4, std::size_t{32 * 1024});
    RingMemory memory(capacity);
    Producer producer(*memory.positions, memory.bytes);
    Consumer consumer(*memory.positions, memory.bytes);
    Record record;
    for (std::uint64_t i = 0; i < 3000; ++i) {
      ASSERT_TRUE(push(producer, pattern(100, i)));
      producer.publish();
      ASSERT_EQ(consumer.peek(record), Peek::Record);
      ASSERT_LE(record.payload.data() + record.payload.size(), memory.bytes.data() + hot + 128 + 16);
      ASSERT_TRUE(has_pattern(record.payload, i));
      consumer.release();
    }
  }
}

// How many of up to `most` records of 64 KiB an empty ring takes; all are consumed again.
std::size_t large_batch(Producer& producer, Consumer& consumer, std::size_t most = 100) {
  std::size_t taken = 0;
  producer.publish();
  while (taken < most && push(producer, pattern(64 * 1024, taken))) ++taken;
  Record record;
  while (consumer.peek(record) == Peek::Record) consumer.release();
  return taken;
}

TEST(Ring, BatchesOfLargeRecordsAreNotCutShortByStartingOver) {
  constexpr std::size_t kCapacity = 1024 * 1024;
  RingMemory memory(kCapacity);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  ASSERT_EQ(large_batch(producer, consumer, 1), 1u);
  for (int i = 0; i < 8; ++i) (void)large_batch(producer, consumer);  // the first refusals teach it
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(large_batch(producer, consumer, 1), 1u);
    ASSERT_GE(large_batch(producer, consumer), 3u) << "batch " << i;
  }
}

TEST(Ring, QuietTrafficFindsBackToTheStartAfterLargeBatches) {
  constexpr std::size_t kCapacity = 1024 * 1024;
  RingMemory memory(kCapacity);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  for (int i = 0; i < 8; ++i) (void)large_batch(producer, consumer);
  Record record;
  std::uint64_t furthest = 0;
  for (int i = 0; i < 200'000; ++i) {
    producer.publish();
    ASSERT_TRUE(push(producer, pattern(400, 1)));
    ASSERT_EQ(consumer.peek(record), Peek::Record);
    if (i > 150'000)
      furthest = std::max(furthest, static_cast<std::uint64_t>(record.payload.data() - memory.bytes.data()));
    consumer.release();
  }
  EXPECT_LE(furthest, kHotBytes + 1024);
}

TEST(Ring, AnEmptyRingTakesTheLargestRecordAtEveryOffset) {
  for (std::size_t first = 0; first <= 16; ++first) check_one({256, first, 0, 256 / 2 - 16});
}

TEST(Ring, ReleasedBytesComeBackOneRecordAtATime) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(push(producer, pattern(16, i)));
  EXPECT_FALSE(push(producer, pattern(16, 8)));
  Record record;
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_EQ(consumer.peek(record), Peek::Record);
    ASSERT_TRUE(has_pattern(record.payload, i));
    consumer.release();
    ASSERT_TRUE(push(producer, pattern(16, i + 8)));
    ASSERT_FALSE(push(producer, pattern(16, 0)));
  }
}

TEST(Ring, PeekingTwiceShowsTheSameRecord) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  ASSERT_TRUE(push(producer, pattern(5, 1)));
  Record first, second;
  ASSERT_EQ(consumer.peek(first), Peek::Record);
  ASSERT_EQ(consumer.peek(second), Peek::Record);
  EXPECT_EQ(first.payload.data(), second.payload.data());
}

TEST(Ring, AskingForRoomLeavesAWishThatSettlingTakes) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(push(producer, pattern(16, 0)));
  EXPECT_FALSE(consumer.settle());
  EXPECT_FALSE(producer.request_room(16));
  Record record;
  ASSERT_EQ(consumer.peek(record), Peek::Record);
  consumer.release();
  EXPECT_TRUE(consumer.settle());
  EXPECT_FALSE(consumer.settle());
  EXPECT_TRUE(producer.request_room(16));
  EXPECT_FALSE(producer.request_room(64));
  EXPECT_TRUE(consumer.settle());
}

TEST(Ring, SeesANewRecordAfterArming) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  EXPECT_FALSE(consumer.anything_now());
  ASSERT_TRUE(push(producer, {}));
  EXPECT_TRUE(consumer.anything_now());
  Record record;
  ASSERT_EQ(consumer.peek(record), Peek::Record);
  EXPECT_TRUE(consumer.anything_now());  // not released yet
  consumer.release();
  EXPECT_FALSE(consumer.anything_now());
}

#ifdef PREFORK_DEBUG
TEST(Ring, PaintsWhatIsReleased) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  ASSERT_TRUE(push(producer, pattern(16, 1)));
  Record record;
  ASSERT_EQ(consumer.peek(record), Peek::Record);
  consumer.release();
  for (std::size_t at = 0; at < 32; ++at) EXPECT_EQ(memory.bytes[at], std::byte{0xA5});
}
#endif

using RingDeathTest = ::testing::Test;

TEST(RingDeathTest, APayloadOfMoreThanHalfTheRingIsABrokenPromise) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  EXPECT_DEATH((void)producer.try_claim(256 / 2 - 15), "at most half the ring");
}

TEST(RingDeathTest, CommittingMoreThanWasClaimedIsABrokenPromise) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  ASSERT_NE(producer.try_claim(8).data(), nullptr);
  EXPECT_DEATH(producer.commit({1, 0, 0, 0}, 9), "follows try_claim");
}

TEST(RingDeathTest, CommittingAfterARefusalIsABrokenPromise) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(push(producer, {}));
  ASSERT_EQ(producer.try_claim(0).data(), nullptr);
  EXPECT_DEATH(producer.commit({1, 0, 0, 0}, 0), "follows try_claim");
}

}  // namespace
}  // namespace prefork::shm

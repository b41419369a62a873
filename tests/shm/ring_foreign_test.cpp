// What the other side may have written: nothing of it may be believed, and nothing of it may keep us.
#include <gtest/gtest.h>

#include "shm/ring.hpp"
#include "tests/shm/ring_memory.hpp"

namespace prefork::shm {
namespace {

using testing::move_to;
using testing::push;
using testing::Random;
using testing::RingMemory;

constexpr std::size_t kCapacity = 256;

void write_header(RingMemory& memory, std::size_t at, std::uint32_t length, std::uint16_t kind = 1) {
  const RecordHeader header{length, kind, 0, 0, 0};
  std::memcpy(memory.bytes.data() + at, &header, sizeof header);
}

Peek peek_at(RingMemory& memory, std::uint64_t tail) {
  memory.positions->tail.store(tail, std::memory_order_relaxed);
  Consumer consumer(*memory.positions, memory.bytes);
  Record record;
  return consumer.peek(record);
}

TEST(RingForeign, ALengthBelowTheHeaderIsBad) {
  for (std::uint32_t length = 0; length < 16; ++length) {
    RingMemory memory(kCapacity);
    write_header(memory, 0, length);
    EXPECT_EQ(peek_at(memory, 32), Peek::Bad) << length;
  }
}

TEST(RingForeign, ALengthPastTheTailIsBad) {
  RingMemory memory(kCapacity);
  write_header(memory, 0, 32);
  EXPECT_EQ(peek_at(memory, 32), Peek::Record);
  write_header(memory, 0, 33);
  EXPECT_EQ(peek_at(memory, 32), Peek::Bad);
}

TEST(RingForeign, HugeLengthsAreBad) {
  for (const std::uint32_t length : {257u, 4096u, 0x7fffffffu, 0x80000000u, 0xfffffff0u, 0xfffffff1u, 0xffffffffu}) {
    RingMemory memory(kCapacity);
    write_header(memory, 0, length);
    EXPECT_EQ(peek_at(memory, kCapacity), Peek::Bad) << length;
  }
}

TEST(RingForeign, EveryLengthReachesAtMostToTheEndOfTheRing) {
  for (std::size_t position = 0; position < kCapacity; position += 16) {
    for (std::uint32_t length = 16; length <= kCapacity + 16; ++length) {
      RingMemory memory(kCapacity);
      Producer producer(*memory.positions, memory.bytes);
      Consumer consumer(*memory.positions, memory.bytes);
      move_to(producer, consumer, position / 16, 0);
      write_header(memory, position, length);
      memory.positions->tail.store(position + kCapacity, std::memory_order_relaxed);
      Record record;
      const Peek seen = consumer.peek(record);
      ASSERT_EQ(seen, record_space(length) <= kCapacity - position ? Peek::Record : Peek::Bad);
      if (seen == Peek::Record) {
        ASSERT_LE(record.payload.data() + record.payload.size(), memory.bytes.data() + kCapacity);
      }
    }
  }
}

TEST(RingForeign, ATailThatIsNotAMultipleOf16OrTooFarIsBad) {
  for (const std::uint64_t tail :
       {std::uint64_t{1}, std::uint64_t{15}, std::uint64_t{17}, std::uint64_t{kCapacity + 16}, ~std::uint64_t{0},
        ~std::uint64_t{15}, std::uint64_t{1} << 63}) {
    RingMemory memory(kCapacity);
    write_header(memory, 0, 16);
    EXPECT_EQ(peek_at(memory, tail), Peek::Bad) << tail;
  }
}

TEST(RingForeign, ATailThatGoesBackIsBad) {
  RingMemory memory(kCapacity);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  move_to(producer, consumer, 3, 0);
  memory.positions->tail.store(32, std::memory_order_relaxed);
  Record record;
  EXPECT_EQ(consumer.peek(record), Peek::Bad);
}

TEST(RingForeign, PaddingThatEndsBeforeTheRingDoesIsBad) {
  RingMemory memory(kCapacity);
  write_header(memory, 0, 32, kPaddingKind);
  write_header(memory, 32, 16);
  EXPECT_EQ(peek_at(memory, 48), Peek::Bad);
}

TEST(RingForeign, PaddingWithoutARecordBehindItIsBad) {
  RingMemory memory(kCapacity);
  write_header(memory, 0, kCapacity, kPaddingKind);
  EXPECT_EQ(peek_at(memory, kCapacity), Peek::Bad);
}

TEST(RingForeign, PaddingBehindPaddingIsBadAndEndsThePeek) {
  RingMemory memory(kCapacity);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  move_to(producer, consumer, 8, 0);
  write_header(memory, 128, 128, kPaddingKind);
  write_header(memory, 0, 128, kPaddingKind);
  memory.positions->tail.store(128 + kCapacity, std::memory_order_relaxed);
  Record record;
  EXPECT_EQ(consumer.peek(record), Peek::Bad);
}

TEST(RingForeign, ABadRecordStaysBadAndIsNotReleased) {
  RingMemory memory(kCapacity);
  write_header(memory, 0, 3);
  memory.positions->tail.store(32, std::memory_order_relaxed);
  Consumer consumer(*memory.positions, memory.bytes);
  Record record;
  EXPECT_EQ(consumer.peek(record), Peek::Bad);
  EXPECT_EQ(consumer.peek(record), Peek::Bad);
  EXPECT_EQ(memory.positions->head.load(std::memory_order_relaxed), 0u);
}

TEST(RingForeign, AHeadThatMakesNoSenseIsNoticedAndGrantsNothing) {
  for (const std::uint64_t head : {std::uint64_t{8}, std::uint64_t{272}, ~std::uint64_t{0}, ~std::uint64_t{15}}) {
    RingMemory memory(kCapacity);
    Producer producer(*memory.positions, memory.bytes);
    while (push(producer, {})) {
    }
    memory.positions->head.store(head, std::memory_order_relaxed);
    EXPECT_EQ(producer.try_claim(0).data(), nullptr) << head;
    EXPECT_TRUE(producer.corrupt());
    memory.positions->head.store(kCapacity, std::memory_order_relaxed);
    EXPECT_EQ(producer.try_claim(0).data(), nullptr);  // for good
    EXPECT_FALSE(producer.would_fit(0));
    EXPECT_FALSE(producer.request_room(0));
  }
}

TEST(RingForeign, AHeadThatGoesBackIsNoticed) {
  RingMemory memory(kCapacity);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  move_to(producer, consumer, 8, 8);
  EXPECT_TRUE(producer.would_fit(0));
  memory.positions->head.store(64, std::memory_order_relaxed);
  EXPECT_FALSE(producer.would_fit(0));
  EXPECT_TRUE(producer.corrupt());
}

TEST(RingForeign, ACorruptHeadStopsAnEmptyRingToo) {
  RingMemory memory(kCapacity);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  move_to(producer, consumer, 8, 0);
  EXPECT_TRUE(producer.drained());
  producer.publish();
  memory.positions->head.store(1, std::memory_order_relaxed);
  EXPECT_EQ(producer.try_claim(0).data(), nullptr);
}

// Every byte random, every position random: whatever is seen lies inside, and a peek always ends.
TEST(RingForeign, RandomBytesNeverLeadOutside) {
  Random random(1);
  for (int round = 0; round < 20000; ++round) {
    RingMemory memory(kCapacity);
    for (auto& byte : memory.bytes) byte = static_cast<std::byte>(random.below(4) == 0 ? random.next() : 0);
    for (std::size_t at = 0; at < kCapacity; at += 16) {
      if (random.below(2) == 0)
        write_header(memory, at, 16 + random.below(80), static_cast<std::uint16_t>(random.below(2)));
    }
    memory.positions->tail.store(random.below(4) == 0 ? random.next() : random.below(20) * 16,
                                 std::memory_order_relaxed);
    Consumer consumer(*memory.positions, memory.bytes);
    Record record;
    int records = 0;
    while (consumer.peek(record) == Peek::Record) {
      ASSERT_LE(++records, 17);
      ASSERT_GE(record.payload.data(), memory.bytes.data() + 16);
      ASSERT_LE(record.payload.data() + record.payload.size(), memory.bytes.data() + kCapacity);
      consumer.release();
    }
  }
}

}  // namespace
}  // namespace prefork::shm

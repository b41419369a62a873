#include "shm/fragments.hpp"

#include <gtest/gtest.h>

#include "shm/wire/frame.hpp"
#include "tests/shm/ring_memory.hpp"

namespace prefork::shm {
namespace {

using testing::has_pattern;
using testing::move_to;
using testing::pattern;
using testing::push;
using testing::RingMemory;

static_assert(kMoreFlag == wire::kMore);

constexpr Tag kTag{1, 2, 5, 9};

// Writes until the ring is full, reads until it is empty, until the payload is whole.
void cross(Producer& producer, Consumer& consumer, Reassembler& reassembler, std::span<const std::byte> sent,
           std::uint64_t serial) {
  FragmentWriter writer(sent);
  Record record;
  std::span<const std::byte> received;
  for (std::size_t rounds = 0; rounds <= sent.size() + 1; ++rounds) {
    const bool done = writer.push(producer, kTag);
    while (consumer.peek(record) == Peek::Record) {
      const auto taken = reassembler.take(record, received);
      if (taken == Reassembler::Take::Whole) {
        ASSERT_TRUE(done);
        ASSERT_EQ(record.tag.flags, kTag.flags);
        ASSERT_EQ(received.size(), sent.size());
        ASSERT_TRUE(has_pattern(received, serial));
        consumer.release();
        ASSERT_EQ(consumer.peek(record), Peek::Empty);
        return;
      }
      ASSERT_EQ(taken, Reassembler::Take::More);
      ASSERT_EQ(record.tag.flags, kTag.flags | kMoreFlag);
      consumer.release();
    }
  }
  FAIL() << "never whole";
}

TEST(Fragments, EverySizeToFourTimesTheCapacityCrossesAtEveryOffset) {
  constexpr std::size_t kCapacity = 256;
  for (std::size_t first = 0; first < kCapacity / 16; ++first) {
    for (std::size_t length = 0; length <= 4 * kCapacity; ++length) {
      RingMemory memory(kCapacity);
      Producer producer(*memory.positions, memory.bytes);
      Consumer consumer(*memory.positions, memory.bytes);
      Reassembler reassembler(4 * kCapacity, 8 * kCapacity);
      move_to(producer, consumer, first, 0);
      cross(producer, consumer, reassembler, pattern(length, length), length);
      ASSERT_EQ(reassembler.held(), 0u);
      if (HasFatalFailure()) FAIL() << "offset " << first * 16 << " length " << length;
    }
  }
}

TEST(Fragments, EverySizeCrossesOneRingInSequence) {
  constexpr std::size_t kCapacity = 1024;
  RingMemory memory(kCapacity);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  Reassembler reassembler(4 * kCapacity, 8 * kCapacity);
  for (std::size_t length = 1; length <= 4 * kCapacity; ++length) {
    cross(producer, consumer, reassembler, pattern(length, length), length);
    if (HasFatalFailure()) FAIL() << "length " << length;
  }
}

TEST(Fragments, AShortPayloadIsReadWhereItLies) {
  RingMemory memory(256);
  Producer producer(*memory.positions, memory.bytes);
  Consumer consumer(*memory.positions, memory.bytes);
  Reassembler reassembler(1024, 1024);
  const auto payload = pattern(20, 1);
  FragmentWriter writer(payload);
  ASSERT_TRUE(writer.push(producer, kTag));
  Record record;
  ASSERT_EQ(consumer.peek(record), Peek::Record);
  std::span<const std::byte> whole;
  ASSERT_EQ(reassembler.take(record, whole), Reassembler::Take::Whole);
  EXPECT_EQ(whole.data(), record.payload.data());
}

TEST(Fragments, PayloadsOfSeveralSlotsMayInterleave) {
  Reassembler reassembler(1024, 1024);
  std::span<const std::byte> whole;
  const auto a = pattern(30, 1), b = pattern(40, 2);
  const auto part = [](std::span<const std::byte> bytes, std::uint16_t flags, std::uint32_t slot) {
    return Record{{1, flags, slot, 7}, bytes};
  };
  ASSERT_EQ(reassembler.take(part(std::span(a).first(10), kMoreFlag, 1), whole), Reassembler::Take::More);
  ASSERT_EQ(reassembler.take(part(std::span(b).first(25), kMoreFlag, 2), whole), Reassembler::Take::More);
  ASSERT_EQ(reassembler.take(part(std::span(a).subspan(10), 0, 1), whole), Reassembler::Take::Whole);
  ASSERT_EQ(whole.size(), 30u);
  EXPECT_TRUE(has_pattern(whole, 1));
  ASSERT_EQ(reassembler.take(part(pattern(3, 3), 0, 3), whole), Reassembler::Take::Whole);
  ASSERT_EQ(reassembler.take(part(std::span(b).subspan(25), 0, 2), whole), Reassembler::Take::Whole);
  ASSERT_EQ(whole.size(), 40u);
  EXPECT_TRUE(has_pattern(whole, 2));
}

TEST(Fragments, AnotherKindInTheMiddleIsBad) {
  Reassembler reassembler(1024, 1024);
  std::span<const std::byte> whole;
  const auto bytes = pattern(10, 1);
  ASSERT_EQ(reassembler.take(Record{{1, kMoreFlag, 1, 7}, bytes}, whole), Reassembler::Take::More);
  EXPECT_EQ(reassembler.take(Record{{5, 0, 1, 7}, bytes}, whole), Reassembler::Take::Bad);
  EXPECT_EQ(reassembler.held(), 0u);
}

TEST(Fragments, ANewGenerationForgetsTheOldOnesRest) {
  Reassembler reassembler(1024, 1024);
  std::span<const std::byte> whole;
  const auto bytes = pattern(10, 1);
  ASSERT_EQ(reassembler.take(Record{{1, kMoreFlag, 1, 7}, bytes}, whole), Reassembler::Take::More);
  ASSERT_EQ(reassembler.take(Record{{1, 0, 1, 8}, bytes}, whole), Reassembler::Take::Whole);
  EXPECT_EQ(whole.size(), 10u);
  EXPECT_EQ(reassembler.held(), 0u);
}

TEST(Fragments, LimitsHoldForOneAndForAll) {
  Reassembler reassembler(25, 35);
  std::span<const std::byte> whole;
  const auto bytes = pattern(10, 1);
  const auto more = [&](std::uint32_t slot) { return reassembler.take(Record{{1, kMoreFlag, slot, 7}, bytes}, whole); };
  EXPECT_EQ(more(1), Reassembler::Take::More);
  EXPECT_EQ(more(1), Reassembler::Take::More);
  EXPECT_EQ(more(1), Reassembler::Take::TooLarge);
  EXPECT_EQ(reassembler.held(), 0u);
  EXPECT_EQ(more(1), Reassembler::Take::More);
  EXPECT_EQ(more(2), Reassembler::Take::More);
  EXPECT_EQ(more(3), Reassembler::Take::More);
  EXPECT_EQ(more(4), Reassembler::Take::TooLarge);
  EXPECT_EQ(reassembler.held(), 30u);
  reassembler.drop(1);
  reassembler.drop(99);
  EXPECT_EQ(reassembler.held(), 20u);
  EXPECT_EQ(more(4), Reassembler::Take::More);
}

}  // namespace
}  // namespace prefork::shm

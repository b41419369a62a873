// A ring in private memory, and payloads that tell by themselves whether they were torn, lost or doubled.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "shm/ring.hpp"

namespace prefork::shm::testing {

struct RingMemory {
  explicit RingMemory(std::size_t capacity) : positions(std::make_unique<RingPositions>()), bytes(zeros(capacity)) {}

  // Out of line: with the size in sight the compiler reasons about positions that the ring never takes, and warns.
  [[gnu::noipa]] static std::vector<std::byte> zeros(std::size_t capacity) { return std::vector<std::byte>(capacity); }

  std::unique_ptr<RingPositions> positions;
  std::vector<std::byte> bytes;
};

// Bytes that depend on the serial and on their place.
inline std::byte pattern_byte(std::uint64_t serial, std::size_t at) {
  return static_cast<std::byte>((serial * 0x9E3779B97F4A7C15u + at * 0xC2B2AE3D27D4EB4Fu) >> 56);
}
inline void fill_pattern(std::span<std::byte> bytes, std::uint64_t serial) {
  for (std::size_t at = 0; at < bytes.size(); ++at) bytes[at] = pattern_byte(serial, at);
}
inline bool has_pattern(std::span<const std::byte> bytes, std::uint64_t serial) {
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (bytes[at] != pattern_byte(serial, at)) return false;
  }
  return true;
}
inline std::vector<std::byte> pattern(std::size_t length, std::uint64_t serial) {
  std::vector<std::byte> bytes(length);
  fill_pattern(bytes, serial);
  return bytes;
}

// A cheap random sequence, the same in every process that is given the same seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545F4914F6CDD1Du;
  }
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>((next() >> 32) * bound >> 32); }

 private:
  std::uint64_t state_;
};

inline bool push(Producer& producer, std::span<const std::byte> payload, const Tag& tag = {1, 0, 0, 0}) {
  const auto room = producer.try_claim(static_cast<std::uint32_t>(payload.size()));
  if (room.data() == nullptr) return false;
  std::copy(payload.begin(), payload.end(), room.begin());
  producer.commit(tag, static_cast<std::uint32_t>(payload.size()));
  return true;
}

// Leaves the ring's positions at head = first * 16 and tail = (first + backlog) * 16 (records of 16 bytes, payloads empty).
inline void move_to(Producer& producer, Consumer& consumer, std::size_t first, std::size_t backlog) {
  for (std::size_t i = 0; i < first + backlog; ++i) PREFORK_CHECK(push(producer, {}), "empty records fit");
  Record record;
  for (std::size_t i = 0; i < first; ++i) {
    PREFORK_CHECK(consumer.peek(record) == Peek::Record, "what was pushed is there");
    consumer.release();
  }
}

}  // namespace prefork::shm::testing

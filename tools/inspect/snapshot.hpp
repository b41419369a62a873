// A copy of one ring's unread bytes, taken from memory that somebody may be writing to, and a walk over its records that believes
// nothing. Unlike a Consumer it can begin anywhere and moves nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shm/ring.hpp"

namespace prefork::inspect {

struct SeenRecord {
  std::uint64_t position = 0;
  shm::Tag tag;
  std::uint32_t length = 0;
  bool padding = false;
  std::vector<std::byte> payload;
};

struct RingSnapshot {
  std::uint64_t capacity = 0;
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  bool want_room = false;
  std::vector<SeenRecord> records;  // from the oldest; at most as many as were asked for
  std::string trouble;              // why the walk ended early; empty: it did not

  std::uint64_t used() const { return tail - head; }
};

RingSnapshot take_snapshot(const shm::RingPositions& positions, std::span<const std::byte> bytes,
                           std::size_t most_records);

}  // namespace prefork::inspect

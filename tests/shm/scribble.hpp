// A process that has lost its way and writes random bytes over its region.
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "shm/channel.hpp"
#include "tests/shm/ring_memory.hpp"

namespace prefork::shm::testing {

// Writes over a region: everywhere, or here and there, for a while, at a random time.
inline void scribble(int region_fd, const Geometry& geometry, std::uint64_t seed) {
  Random random(seed);
  const Region region = Region::attach(UniqueFd(::fcntl(region_fd, F_DUPFD_CLOEXEC, 0)), Layout(geometry).total);
  const auto bytes = region.bytes();
  const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random.below(3000));
  while (std::chrono::steady_clock::now() < until) {
  }
  const std::uint32_t rounds = 1 + random.below(8);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    const bool everywhere = random.below(3) == 0;
    const std::size_t begin = everywhere ? 0 : random.below(static_cast<std::uint32_t>(bytes.size()));
    const std::size_t end = everywhere ? bytes.size() : std::min(bytes.size(), begin + 1 + random.below(600));
    const std::uint32_t every = random.below(2) == 0 ? 1 : 1 + random.below(64);
    for (std::size_t at = begin; at < end; at += every) bytes[at] = static_cast<std::byte>(random.next());
    // Near misses: positions and lengths that are nearly right.
    if (random.below(2) == 0) {
      const Parts parts(bytes, geometry);
      parts.reply_positions().tail.store(random.below(600) * 8, std::memory_order_relaxed);
      parts.request_positions().head.store(random.below(600) * 8, std::memory_order_relaxed);
      const RecordHeader header{random.below(200), static_cast<std::uint16_t>(random.below(3)), 0, random.below(64),
                                random.below(9)};
      std::memcpy(parts.reply_bytes().data() + random.below(255) * 16, &header, sizeof header);
    }
  }
}

}  // namespace prefork::shm::testing

// Where things lie in a region, computed alike on both sides from a Geometry that travels by argv and is never read back
// from shared memory. Every part starts on its own cache lines, the rings on their own pages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shm/claims.hpp"
#include "shm/counters.hpp"
#include "shm/doorbell.hpp"
#include "shm/phase.hpp"
#include "shm/recorder.hpp"
#include "shm/ring.hpp"

namespace prefork::shm {

inline constexpr std::uint32_t kLayoutVersion = 1;           // a worker of another version is refused
inline constexpr std::uint64_t kMagic = 0x316b726f66657270;  // "prefork1"

struct Geometry {
#ifdef PREFORK_TINY
  std::uint32_t request_bytes = 4096;
  std::uint32_t reply_bytes = 4096;
#else
  std::uint32_t request_bytes = 1024 * 1024;
  std::uint32_t reply_bytes = 1024 * 1024;
#endif
  std::uint32_t slots = 32768;

  bool valid() const;
  std::string to_text() const;                                 // "VERSION:REQUEST:REPLY:SLOTS"
  static std::optional<Geometry> from_text(std::string_view);  // nothing when malformed, of another version or invalid
};

struct RegionHeader {  // for inspectors only; the master never reads it back
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t request_bytes;
  std::uint32_t reply_bytes;
  std::uint32_t slots;
  std::uint32_t worker_id;
  std::uint32_t worker_generation;
  std::uint64_t created_us;
};
static_assert(sizeof(RegionHeader) == 40);

struct Layout {
  explicit Layout(const Geometry& geometry);

  std::uint64_t header = 0;
  std::uint64_t request_ring;  // RingPositions
  std::uint64_t reply_ring;
  std::uint64_t worker_bell;  // BellFlag: the worker sleeps, the master rings
  std::uint64_t master_bell;
  std::uint64_t phase;
  std::uint64_t counters;
  std::uint64_t master_recorder;
  std::uint64_t worker_recorder;
  std::uint64_t claims;
  std::uint64_t request_bytes;
  std::uint64_t reply_bytes;
  std::uint64_t total;
};

}  // namespace prefork::shm

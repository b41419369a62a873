// Numbers that outlive a worker: one writer (the worker), any reader. `Taken` drives the master's stuck check.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "shm/atomic.hpp"

namespace prefork::shm {

enum class Counter : std::uint8_t {
  Taken,        // requests claimed, and skipped because the master had taken them back
  Finished,     // requests
  Failed,       // of them by an exception
  BodyBytesIn,  // beside what came with heads
  Waits,        // sleeps of a thread on the bell
  RoomWaits,    // refusals of a full reply ring
  kCount
};

inline constexpr std::array<const char*, static_cast<std::size_t>(Counter::kCount)> kCounterNames{
    "taken", "finished", "failed", "body_bytes_in", "waits", "room_waits"};

struct Counters {
  alignas(kLine) std::array<Atomic<std::uint64_t>, 16> values;

  // Single writer (a worker with several threads writes under its inbox mutex), so load and store do.
  void add(Counter counter, std::uint64_t by = 1) {
    auto& value = values[static_cast<std::size_t>(counter)];
    // relaxed: only this side writes it.
    const auto now = value.load(std::memory_order_relaxed);
    // release: pairs with acquire in get(). What was counted has happened.
    value.store(now + by, std::memory_order_release);
  }
  std::uint64_t get(Counter counter) const {
    // acquire: pairs with release in add().
    return values[static_cast<std::size_t>(counter)].load(std::memory_order_acquire);
  }
};
static_assert(sizeof(Counters) == kLine);

}  // namespace prefork::shm

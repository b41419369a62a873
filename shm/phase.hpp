// What a worker says of itself: one 64-bit word, written by the worker and read by the master and by inspectors.
//   bits 0-7 the phase, bits 8-63 its heartbeat: microseconds of CLOCK_MONOTONIC at the last sign of life
// A word from another process is advice: the master decides about time-outs, never about memory, by it.
#pragma once

#include <cstdint>

#include "shm/atomic.hpp"

namespace prefork::shm {

enum class Phase : std::uint8_t { Starting = 0, Ready = 1, Busy = 2, Draining = 3, Stopped = 4 };

struct PhaseWord {
  alignas(kLine) Atomic<std::uint64_t> word;

  void set(Phase phase, std::uint64_t heartbeat_us) {
    // release: pairs with acquire in phase(). What the worker did before the change is visible with it.
    word.store(heartbeat_us << 8 | static_cast<std::uint8_t>(phase), std::memory_order_release);
  }
  // The same phase, still alive.
  void renew(std::uint64_t heartbeat_us) { set(phase(), heartbeat_us); }
  Phase phase() const {
    // acquire: pairs with release in set().
    return static_cast<Phase>(word.load(std::memory_order_acquire) & 0xff);
  }
  std::uint64_t heartbeat_us() const {
    // acquire: pairs with release in set().
    return word.load(std::memory_order_acquire) >> 8;
  }
};
static_assert(sizeof(PhaseWord) == kLine);

constexpr const char* to_string(Phase phase) {
  switch (phase) {
    case Phase::Starting: return "starting";
    case Phase::Ready: return "ready";
    case Phase::Busy: return "busy";
    case Phase::Draining: return "draining";
    case Phase::Stopped: return "stopped";
  }
  return "unknown";
}

}  // namespace prefork::shm

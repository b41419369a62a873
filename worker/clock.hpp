// The worker's clocks. The coarse one costs a few nanoseconds and is good to a scheduler tick: enough for phases and the recorder.
#pragma once

#include <cstdint>
#include <ctime>

namespace prefork::worker {

inline std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}
inline std::uint64_t coarse_us() { return clock_ns(CLOCK_MONOTONIC_COARSE) / 1000; }
inline std::uint64_t precise_ns() { return clock_ns(CLOCK_MONOTONIC); }

}  // namespace prefork::worker

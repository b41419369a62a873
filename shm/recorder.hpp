// A flight recorder: the last 1024 events of one side, readable after its death. 16 bytes an event.
#pragma once

#include <array>
#include <cstdint>

#include "shm/atomic.hpp"

namespace prefork::shm {

// What is not part of every request costs nothing there; of every request there is Take alone.
enum class Event : std::uint16_t {
  None,
  Attach,      // the worker; value: its process id
  Ready,       // it takes requests
  Take,        // it has claimed a request; value, here and below: the generation, unless another is named
  Skip,        // a request that the master had taken back
  WaitRoom,    // the reply ring is full; value: bytes wanted
  WaitCredit,  // the client is slow: no more of the body may be sent
  Credit,      // asks for more of the request's body; value: bytes
  Cancel,      // told that nobody waits for the reply any more; value: wire::CancelReason
  Abort,       // breaks a reply off
  Drain,       // told to finish what it has
  Exit,        // in an orderly way
  Revoke,      // the master has taken a request back
  kCount
};

const char* to_string(Event event);  // recorder.cpp

struct RecorderEvent {
  std::uint64_t when_and_event;  // microseconds of CLOCK_MONOTONIC << 16 | Event
  std::uint32_t slot;
  std::uint32_t value;
};
static_assert(sizeof(RecorderEvent) == 16);

struct Recorder {
  static constexpr std::uint32_t kEvents = 1024;

  alignas(kLine) Atomic<std::uint64_t> next;  // events ever written
  alignas(kLine) std::array<RecorderEvent, kEvents> events;

  void note(Event event, std::uint64_t now_us, std::uint32_t slot = 0, std::uint32_t value = 0) {
    // relaxed: a worker's threads take distinct places; a reader of a live recorder may see a torn last event and is told so.
    const auto place = next.fetch_add(1, std::memory_order_relaxed);
    events[place % kEvents] = {now_us << 16 | static_cast<std::uint16_t>(event), slot, value};
  }
};
static_assert(sizeof(Recorder) == kLine + Recorder::kEvents * sizeof(RecorderEvent));

}  // namespace prefork::shm

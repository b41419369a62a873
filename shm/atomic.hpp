// The only door to atomics. Shared memory needs atomics that are lock-free, and so address-free; the interleaving explorer
// (tests/model) swaps in one that yields at every operation, so that it runs the shipped code.
#pragma once

#ifdef PREFORK_EXPLORE
#include "tests/model/atomic.hpp"
#else
#include <atomic>
#endif

#include <cstdint>

namespace prefork::shm {

#ifdef PREFORK_EXPLORE
template <class T>
using Atomic = prefork::model::Atomic<T>;
#else
template <class T>
using Atomic = std::atomic<T>;
static_assert(Atomic<std::uint64_t>::is_always_lock_free && Atomic<std::uint32_t>::is_always_lock_free);
static_assert(sizeof(Atomic<std::uint64_t>) == 8 && sizeof(Atomic<std::uint32_t>) == 4);
#endif

// Two cache lines: adjacent-line prefetch makes 64 bytes too little to keep two writers apart.
inline constexpr std::size_t kLine = 128;

}  // namespace prefork::shm

// Who may start a request: one 64-bit word a slot, the slot's generation and whether a worker has claimed it.
// The master offers and revokes, the worker claims; each by one compare-and-swap, so a request starts at most once.
//   generation << 2       offered
//   generation << 2 | 1   claimed by the worker
#pragma once

#include <cstdint>
#include <span>

#include "shm/atomic.hpp"
#include "shm/check.hpp"

namespace prefork::shm {

class Claims {
 public:
  explicit Claims(std::span<Atomic<std::uint64_t>> words) : words_(words) {}

  std::uint32_t slots() const { return static_cast<std::uint32_t>(words_.size()); }

  // Master, before the request's record is committed.
  void offer(std::uint32_t slot, std::uint32_t generation) {
    // relaxed: published by the release of the record's tail, which the worker acquires before it looks here.
    words_[slot].store(offered(generation), std::memory_order_relaxed);
  }

  // Worker: true once per offer. A failed claim means that the master has taken the request back: skip the record.
  [[nodiscard]] bool try_claim(std::uint32_t slot, std::uint32_t generation) {
    if (slot >= words_.size()) return false;
    auto expected = offered(generation);
    // acq_rel: pairs with the compare-exchange in try_revoke. One of the two wins.
    return words_[slot].compare_exchange_strong(expected, offered(generation) | 1, std::memory_order_acq_rel,
                                                std::memory_order_acquire);
  }

  // Master: true when the worker has not claimed it and, from now on, cannot.
  [[nodiscard]] bool try_revoke(std::uint32_t slot, std::uint32_t generation) {
    auto expected = offered(generation);
    // acq_rel: pairs with the compare-exchange in try_claim.
    return words_[slot].compare_exchange_strong(expected, offered(generation + 1), std::memory_order_acq_rel,
                                                std::memory_order_acquire);
  }

  // Master, for judging: was this offer claimed?
  bool claimed(std::uint32_t slot, std::uint32_t generation) const {
    // acquire: pairs with the compare-exchange in try_claim.
    return words_[slot].load(std::memory_order_acquire) == (offered(generation) | 1);
  }

 private:
  // The generation is widened first: it wraps alike on both sides.
  static constexpr std::uint64_t offered(std::uint32_t generation) { return std::uint64_t{generation} << 2; }

  std::span<Atomic<std::uint64_t>> words_;
};

}  // namespace prefork::shm

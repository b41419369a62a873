// The atomic that stands in for std::atomic when the explorer runs the shipped code (shm/atomic.hpp, PREFORK_EXPLORE).
// Every operation is a point where another thread may go on. A store that is not seq_cst waits in its thread's store buffer, seen by
// that thread alone, until the explorer lets it out or an operation that orders stores drains the buffer: x86-TSO.
#pragma once

#include <atomic>  // std::memory_order
#include <cstddef>
#include <cstdint>

namespace prefork::model {

// In explore.cpp.
std::uint64_t atomic_load(const void* where, std::size_t size);
void atomic_store(void* where, std::size_t size, std::uint64_t value, bool ordered);
void atomic_begin(const void* where);  // drains the buffer: a read-modify-write follows
void atomic_end(const void* where, std::uint64_t value);

template <class T>
class Atomic {
 public:
  static constexpr bool is_always_lock_free = true;

  constexpr Atomic() noexcept = default;
  constexpr Atomic(T value) noexcept : value_(value) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(std::memory_order) const { return static_cast<T>(atomic_load(&value_, sizeof value_)); }

  void store(T value, std::memory_order order) {
    atomic_store(&value_, sizeof value_, static_cast<std::uint64_t>(value), order == std::memory_order_seq_cst);
  }

  T exchange(T value, std::memory_order) {
    return modify([value](T) { return value; });
  }
  T fetch_add(T by, std::memory_order) {
    return modify([by](T old) { return static_cast<T>(old + by); });
  }

  bool compare_exchange_strong(T& expected, T desired, std::memory_order, std::memory_order) {
    bool same = false;
    const T old = modify([&](T value) {
      same = value == expected;
      return same ? desired : value;
    });
    if (!same) expected = old;
    return same;
  }

 private:
  template <class Change>
  T modify(Change change) {
    atomic_begin(&value_);
    const T old = value_;
    value_ = change(old);
    atomic_end(&value_, static_cast<std::uint64_t>(value_));
    return old;
  }

  T value_{};
};

}  // namespace prefork::model

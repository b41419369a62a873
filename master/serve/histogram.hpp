// Counts observations in fixed buckets whose bounds grow like 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, ...: ten to each
// power of ten, so that a quantile is right to a fifth. One writer; readers on other threads see numbers that are each right but not
// of one moment. An observation costs a table look-up, some compares and two plain additions.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "shm/atomic.hpp"

namespace prefork::serve {

// A number that only grows, written by one thread.
class Counter {
 public:
  void add(std::uint64_t more = 1) {
    // relaxed: one writer, and each number stands for itself.
    value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  std::uint64_t value() const {
    // relaxed: as above.
    return value_.load(std::memory_order_relaxed);
  }

 private:
  shm::Atomic<std::uint64_t> value_{0};
};

class Histogram {
 public:
  static constexpr std::size_t kBounds = 3 + 10 * 10;  // 1, 2, 5, then ten to each power from 10 to 10^11
  static constexpr std::array<std::uint64_t, kBounds> kUpper = [] {
    std::array<std::uint64_t, kBounds> bounds{1, 2, 5};
    constexpr std::uint64_t kSteps[10] = {10, 12, 15, 20, 25, 30, 40, 50, 60, 80};
    std::uint64_t power = 1;
    for (std::size_t at = 3; at < kBounds; at += 10, power *= 10) {
      for (std::size_t step = 0; step < 10; ++step) bounds[at + step] = kSteps[step] * power;
    }
    return bounds;
  }();

  void observe(std::uint64_t value) {
    counts_[bucket(value)].add();
    sum_.add(value);
  }

  std::uint64_t count() const;
  std::uint64_t sum() const { return sum_.value(); }
  // Observations of at most `bound`, which is one of kUpper.
  std::uint64_t at_most(std::uint64_t bound) const;
  // The upper bound of the bucket in which the quantile (0 to 1) lies; 0 when there is none.
  std::uint64_t quantile(double fraction) const;

  static std::size_t bucket(std::uint64_t value) {
    std::size_t at = kFirst[static_cast<std::size_t>(std::bit_width(value))];
    while (at < kBounds && value > kUpper[at]) ++at;
    return at;
  }

 private:
  // The bucket of the smallest number of each bit width.
  static constexpr std::array<std::uint8_t, 65> kFirst = [] {
    std::array<std::uint8_t, 65> first{};
    for (std::size_t width = 1; width < first.size(); ++width) {
      const std::uint64_t smallest = std::uint64_t{1} << (width - 1);
      std::uint8_t at = 0;
      while (at < kBounds && smallest > kUpper[at]) ++at;
      first[width] = at;
    }
    return first;
  }();

  std::array<Counter, kBounds + 1> counts_;  // the last: above every bound
  Counter sum_;
};

}  // namespace prefork::serve

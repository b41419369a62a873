// Latencies in microseconds, counted in buckets whose width is under 1 % of their value (128 buckets an octave).
// Recording is an index computation and an increment, so a run of any length costs the same memory and no sorting.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace prefork::load {

class Histogram {
 public:
  void record(std::uint64_t microseconds) {
    ++counts_[index_of(microseconds)];
    ++total_;
    sum_ += microseconds;
    max_ = std::max(max_, microseconds);
  }

  void add(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
  }

  // The highest value of the bucket in which the quantile lies, never above the largest value recorded.
  std::uint64_t quantile(double q) const {
    if (total_ == 0) return 0;
    const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(q * static_cast<double>(total_) + 0.5));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= rank) return std::min(highest_of(i), max_);
    }
    return max_;
  }

  std::uint64_t max() const { return max_; }
  std::uint64_t total() const { return total_; }
  double mean() const { return total_ == 0 ? 0.0 : static_cast<double>(sum_) / static_cast<double>(total_); }

 private:
  // Values below 2 * kHalf have a bucket each; above that, every octave is cut into kHalf buckets.
  static constexpr std::uint64_t kHalf = 128;
  static constexpr int kHalfBits = 7;
  static constexpr int kOctaves = 34;

  static std::size_t index_of(std::uint64_t value) {
    if (value < 2 * kHalf) return value;
    const int shift = std::min<int>(std::bit_width(value) - kHalfBits - 1, kOctaves - 1);
    const auto mantissa = std::min(value >> shift, 2 * kHalf - 1);
    return static_cast<std::size_t>(shift) * kHalf + mantissa;
  }

  static std::uint64_t highest_of(std::size_t index) {
    if (index < 2 * kHalf) return index;
    const auto shift = index / kHalf - 1;
    return (((index % kHalf) + kHalf + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (kOctaves + 1) * kHalf> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace prefork::load

// Whether a request body arrives fast enough, judged over the last few looks so that a short pause is no fault. Pure: its owner, a
// Connection, has the clock and asks when due_ms() has come.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace prefork::http {

class UploadRate {
 public:
  std::uint64_t due_ms() const { return due_ms_; }  // of the next look; 0: not watched
  void stop() { due_ms_ = 0; }

  // `received`: bytes of the body so far.
  void watch(std::uint64_t now_ms, std::uint64_t received) {
    due_ms_ = now_ms + kEveryMs;
    marks_.fill(kNone);
    marks_.front() = received;
  }

  // `least`: bytes a second. `waits_for_us`: the client is not the one who is waited for; that time does not count.
  bool too_slow(std::uint64_t now_ms, std::uint64_t received, std::uint64_t least, bool waits_for_us) {
    due_ms_ = now_ms + kEveryMs;
    const auto oldest = marks_.back();
    std::shift_right(marks_.begin(), marks_.end(), 1);
    marks_.front() = received;
    if (waits_for_us) marks_.fill(kNone);
    return !waits_for_us && oldest != kNone && (received - oldest) * 1000 < least * marks_.size() * kEveryMs;
  }

 private:
  static constexpr std::uint64_t kEveryMs = 800;
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  std::uint64_t due_ms_ = 0;
  std::array<std::uint64_t, 5> marks_{};  // what had arrived at the last looks, the latest first
};

}  // namespace prefork::http

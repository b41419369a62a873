// What may happen all the time is told now and then. Owned by whoever tells it.
#pragma once

#include <cstdint>

namespace prefork::net {

class Seldom {
 public:
  // Whether to tell it this time.
  bool tells(std::uint64_t now_ms) {
    if (told_ms_ != 0 && now_ms - told_ms_ < kEveryMs) return false;
    told_ms_ = now_ms;
    return true;
  }

 private:
  static constexpr std::uint64_t kEveryMs = 10'000;
  std::uint64_t told_ms_ = 0;  // 0: never
};

}  // namespace prefork::net

// Descriptors of doorbells that exist only in the model. A World keeps their state in a Bells and so has it saved and restored.
#pragma once

#include <cstdint>

namespace prefork::model {

inline constexpr int kFirstBell = 1000;
inline constexpr int kBells = 2;

inline std::uint32_t*& bells() {
  static std::uint32_t* current = nullptr;
  return current;
}

struct Bells {
  Bells() { bells() = rung; }
  static constexpr int fd(int index) { return kFirstBell + index; }
  std::uint32_t rung[kBells] = {};
};

}  // namespace prefork::model

// Descriptors of doorbells, and a clock, that exist only in the model. A World keeps their state in a Bells and so has it saved and
// restored.
#pragma once

#include <cstdint>

#include "tests/model/explore.hpp"

namespace prefork::model {

inline constexpr int kFirstBell = 1000;
inline constexpr int kBells = 2;

inline std::uint32_t*& bells() {
  static std::uint32_t* current = nullptr;
  return current;
}

// Of a thread whether it has looked at the precise clock once: its second look comes after any time that it may have wanted to wait, and
// the third begins anew.
inline bool*& clock_looked_at() {
  static bool* current = nullptr;
  return current;
}

struct Bells {
  Bells() {
    bells() = rung;
    clock_looked_at() = looked;
  }
  static constexpr int fd(int index) { return kFirstBell + index; }
  std::uint32_t rung[kBells] = {};
  bool looked[kMostThreads] = {};
};

}  // namespace prefork::model

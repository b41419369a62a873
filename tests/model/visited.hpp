// The set of states that were reached, by 128-bit hash: with ten million states the chance that two different ones look alike is
// below 1e-24.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace prefork::model {

struct State128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const State128&) const = default;
};

class Hash128 {
 public:
  void add(const std::byte* at, std::size_t size) {
    for (; size >= 8; at += 8, size -= 8) {
      std::uint64_t word;
      std::memcpy(&word, at, 8);
      mix(word);
    }
    if (size == 0) return;
    std::uint64_t rest = 0;
    std::memcpy(&rest, at, size);
    mix(rest);
  }
  State128 result() const { return {fold(low_ ^ high_, 0x9E3779B97F4A7C15u), fold(high_, low_ | 1)}; }

 private:
  static std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  void mix(std::uint64_t word) {
    low_ = fold(low_ ^ word, 0xA0761D6478BD642Fu) + 0x632BE59BD9B4E019u;
    high_ = fold(high_ + word, 0xE7037ED1A0B428DBu) ^ 0xC2B2AE3D27D4EB4Fu;
  }
  std::uint64_t low_ = 1;
  std::uint64_t high_ = 2;
};

class Visited {
 public:
  Visited() : slots_(1 << 16) {}

  // True when it was not there.
  bool insert(State128 state) {
    if (state == State128{}) state.low = 1;  // zero marks a free slot
    if ((size_ + 1) * 2 > slots_.size()) grow();
    if (!put(slots_, state)) return false;
    ++size_;
    return true;
  }
  std::size_t size() const { return size_; }

 private:
  static bool put(std::vector<State128>& slots, State128 state) {
    for (std::size_t at = state.low & (slots.size() - 1);; at = (at + 1) & (slots.size() - 1)) {
      if (slots[at] == state) return false;
      if (slots[at] == State128{}) {
        slots[at] = state;
        return true;
      }
    }
  }
  void grow() {
    std::vector<State128> larger(slots_.size() * 2);
    for (const State128& state : slots_) {
      if (!(state == State128{})) put(larger, state);
    }
    slots_.swap(larger);
  }

  std::vector<State128> slots_;
  std::size_t size_ = 0;
};

}  // namespace prefork::model

// Whether a sleeping worker's bell may wait for one more look at the sockets. Waking a process costs more than a small request:
// when requests come close together, one bell for all of them is cheaper than one for each. What is published is visible to a
// worker that is awake at once; only the wake-up waits, and never longer than kLongestNs. It learns whether waiting pays: where
// the extra look brings nothing (one client, a quiet server), bells ring at once and it asks again only now and then.
#pragma once

#include <cstdint>

namespace prefork::dispatch {

class Patience {
 public:
  // Asked once a turn while a sleeping worker has something unseen. `more_came`: this turn brought requests.
  // True: look again first; the next turn must not sleep and must ask again.
  bool waits(std::uint64_t now_ns, bool more_came) {
    if (!waiting_) return begin(now_ns);
    if (more_came && now_ns - since_ns_ < kLongestNs) {
      paid_ = true;
      return true;
    }
    learn(paid_ || more_came);
    waiting_ = false;
    return false;
  }

  static constexpr std::uint64_t kLongestNs = 100'000;

 private:
  static constexpr int kMost = 8;
  static constexpr int kWorthIt = 4;
  static constexpr unsigned kAskEvery = 32;

  bool begin(std::uint64_t now_ns) {
    const bool ask = ++bells_ % kAskEvery == 0;
    if (score_ < kWorthIt && !ask) return false;
    waiting_ = true;
    paid_ = false;
    since_ns_ = now_ns;
    return true;
  }

  void learn(bool paid) {
    score_ += paid ? 1 : -1;
    if (score_ > kMost) score_ = kMost;
    if (score_ < 0) score_ = 0;
  }

  std::uint64_t since_ns_ = 0;
  unsigned bells_ = 0;
  int score_ = kWorthIt;
  bool waiting_ = false;
  bool paid_ = false;
};

}  // namespace prefork::dispatch

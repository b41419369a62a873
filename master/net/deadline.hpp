// Deadlines by the thousand on one timer: a hashed wheel. A Deadline is part of its owner, so that nothing is allocated; moving one
// to a later time is a store, because an entry that comes round too early is simply put in again.
#pragma once

#include <array>
#include <cstdint>

#include "master/net/loop.hpp"

namespace prefork::net {

class DeadlineWheel;

class Deadline {
 public:
  Deadline() = default;
  virtual ~Deadline() { cancel(); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void set(DeadlineWheel& wheel, std::uint64_t when_ms);
  void cancel();                        // it will not fire; the entry leaves the wheel
  void disarm() { when_ms_ = kNever; }  // cheaper: it stays in the wheel until it comes round
  bool armed() const { return when_ms_ != kNever; }

 protected:
  virtual void on_deadline() = 0;

 private:
  friend class DeadlineWheel;
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  std::uint64_t when_ms_ = kNever;
  std::uint64_t listed_ms_ = 0;  // where in the wheel it stands
  Deadline* next_ = nullptr;
  Deadline** link_ = nullptr;  // the pointer that points here; null: not in the wheel
};

class DeadlineWheel {
 public:
  static constexpr std::uint64_t kTickMs = 20;  // how late a deadline may fire

  explicit DeadlineWheel(Loop& loop);
  std::uint64_t now_ms() const { return loop_.now_ms(); }

 private:
  friend class Deadline;
  static constexpr std::size_t kSlots = 1024;

  void insert(Deadline& deadline);
  void turn();
  void sleep_until(std::uint64_t tick);
  void sleep_until_next();

  Loop& loop_;
  Timer timer_;
  std::uint64_t tick_;           // the last tick that was turned
  std::uint64_t wake_tick_ = 0;  // when the timer fires; 0: it is not set. An idle server does not tick.
  std::array<Deadline*, kSlots> slots_{};
};

}  // namespace prefork::net

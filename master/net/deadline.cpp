#include "master/net/deadline.hpp"

#include <algorithm>

namespace prefork::net {

void Deadline::set(DeadlineWheel& wheel, std::uint64_t when_ms) {
  when_ms_ = when_ms;
  if (link_ != nullptr) {
    if (listed_ms_ <= when_ms) return;  // comes round in time, and is then put in again
    cancel();
    when_ms_ = when_ms;
  }
  wheel.insert(*this);
}

void Deadline::cancel() {
  when_ms_ = kNever;
  if (link_ == nullptr) return;
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
  link_ = nullptr;
  next_ = nullptr;
}

DeadlineWheel::DeadlineWheel(Loop& loop)
    : loop_(loop), timer_(loop, [this] { turn(); }), tick_(loop.now_ms() / kTickMs) {}

void DeadlineWheel::sleep_until(std::uint64_t tick) {
  wake_tick_ = tick;
  const auto now = loop_.now_ms();
  timer_.start(std::max(tick * kTickMs, now + 1) - now);
}

// To the next slot that has an entry, which may be there for a later round.
void DeadlineWheel::sleep_until_next() {
  wake_tick_ = 0;
  for (std::uint64_t ahead = 1; ahead <= kSlots; ++ahead) {
    if (slots_[(tick_ + ahead) % kSlots] != nullptr) return sleep_until(tick_ + ahead);
  }
}

void DeadlineWheel::insert(Deadline& deadline) {
  deadline.listed_ms_ = deadline.when_ms_;
  if (wake_tick_ == 0) tick_ = std::max(tick_, loop_.now_ms() / kTickMs);  // nothing was here to turn for
  const auto tick = std::max(tick_ + 1, deadline.when_ms_ / kTickMs + 1);
  if (wake_tick_ == 0 || tick < wake_tick_) sleep_until(tick);
  Deadline*& slot = slots_[tick % kSlots];
  deadline.next_ = slot;
  deadline.link_ = &slot;
  if (slot != nullptr) slot->link_ = &deadline.next_;
  slot = &deadline;
}

void DeadlineWheel::turn() {
  loop_.update_now();
  wake_tick_ = 1;  // whatever fires below inserts without setting the timer
  const auto until = loop_.now_ms() / kTickMs;
  for (std::uint64_t steps = 0; tick_ < until && steps < kSlots; ++steps) {
    ++tick_;
    // The list is taken off first: what fires may add to this very slot or cancel its neighbours.
    Deadline* due = slots_[tick_ % kSlots];
    slots_[tick_ % kSlots] = nullptr;
    if (due != nullptr) due->link_ = &due;
    while (due != nullptr) {
      Deadline& one = *due;
      due = one.next_;
      if (due != nullptr) due->link_ = &due;
      one.link_ = nullptr;
      one.next_ = nullptr;
      if (one.when_ms_ == Deadline::kNever) continue;
      if (one.when_ms_ > loop_.now_ms()) {
        insert(one);
      } else {
        one.when_ms_ = Deadline::kNever;
        one.on_deadline();
      }
    }
  }
  tick_ = std::max(tick_, until);
  sleep_until_next();
}

}  // namespace prefork::net

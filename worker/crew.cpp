#include "worker/crew.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "shm/fault.hpp"
#include "worker/clock.hpp"

namespace prefork::worker {
namespace {

constexpr int kHeartbeatMs = 1000;

void pause_cpu() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

Waited Crew::wait(SleepHooks& hooks, For what, Need need) {
  for (;;) {
    hooks.before_sleep();
    bool interrupted = false;
    {
      std::unique_lock lock(mutex_);
      bool spun = spin_us_ == 0;
      for (;;) {
        if (inbox_.pump()) wake_followers_locked(false);
        const bool done = need.step(need.context);
        if (done || inbox_.broken()) {
          leave_locked();
          lock.unlock();
          hooks.after_sleep();
          return done ? Waited::Ready : Waited::Broken;
        }
        if (outbox_.starved() && !outbox_.must_wait()) {
          outbox_.fed();
          wake_followers_locked(true);  // whoever leads asks for room no more, and one of them may still need it
          continue;
        }
        if (!spun && !leading_) {
          spun = !spin(lock);
          continue;  // others went on meanwhile: everything is looked at again
        }
        const auto slept = leading_ ? follow(lock, what) : lead(lock, what);
        spun = spin_us_ == 0;
        if (slept == Slept::Interrupted) {
          leave_locked();
          interrupted = true;
          break;
        }
      }
    }
    hooks.after_sleep();
    if (interrupted && hooks.interrupted()) return Waited::Interrupted;
  }
}

Crew::Slept Crew::lead(std::unique_lock<std::mutex>& lock, For what) {
  leading_ = true;
  channel_.own_bell.arm();
  // Everything this bell could have been rung for before it was armed: records, and room for whoever was refused.
  if (channel_.requests.anything_now() || (what == For::Request && inbox_.heads() != 0) ||
      (outbox_.starved() && !outbox_.must_wait())) {
    channel_.own_bell.disarm();
    leading_ = false;
    return Slept::Woken;
  }
  if (outbox_.untold()) outbox_.ring();  // nothing that was written stays untold while this thread sleeps
  const auto slept = sleep_on_bell(lock);
  leading_ = false;
  return slept;
}

Crew::Slept Crew::sleep_on_bell(std::unique_lock<std::mutex>& lock) {
  channel_.phase.set(inbox_.idle_phase(), coarse_us());
  channel_.counters.add(shm::Counter::Waits);
  lock.unlock();
  PREFORK_FAULT_POINT("worker.sleep");
  // Of the master's bell only whether it is still there: an application may have closed both.
  std::array<pollfd, 2> waits{pollfd{channel_.own_bell.fd(), POLLIN, 0},
                              pollfd{channel_.master_bell.signal_fd(), 0, 0}};
  const int got = ::poll(waits.data(), waits.size(), kHeartbeatMs);
  PREFORK_FAULT_POINT("worker.wake");
  const bool closed = got > 0 && ((waits[0].revents | waits[1].revents) & POLLNVAL) != 0;
  // After a heartbeat too: a signal that came just before poll() did not interrupt it.
  const bool interrupted = got == 0 || (got < 0 && errno == EINTR);
  lock.lock();
  channel_.own_bell.disarm();
  if (closed) inbox_.give_up();
  if (got > 0 && !closed) channel_.own_bell.drain();
  inbox_.pump();
  outbox_.fed();
  wake_followers_locked(true);
  return interrupted ? Slept::Interrupted : Slept::Woken;
}

Crew::Slept Crew::follow(std::unique_lock<std::mutex>& lock, For what) {
  Waiting self{what, {}, false};
  followers_.push_back(&self);
  self.wake.wait(lock, [&self] { return self.woken; });
  followers_.remove(&self);
  return Slept::Woken;
}

// Looks for new records for a while before leading: saves two wake-ups where a core is free, costs where it is not. Nobody else leads
// meanwhile. Others may run on and take out of the ring what this thread waits for: they find nobody asleep to tell.
bool Crew::spin(std::unique_lock<std::mutex>& lock) {
  leading_ = true;
  if (outbox_.untold()) outbox_.ring();
  const auto position = channel_.requests.head();
  lock.unlock();
  const auto until = precise_ns() + std::uint64_t{spin_us_} * 1000;
  bool moved = false;
  while (!moved && precise_ns() < until) {
    for (int i = 0; i < 16 && !moved; ++i) {
      moved = channel_.requests.moved_past(position);
      pause_cpu();
    }
  }
  lock.lock();
  leading_ = false;
  return moved;
}

void Crew::leave_locked() {
  if (!leading_ && !followers_.empty()) {
    Waiting* next = followers_.front();
    next->woken = true;
    next->wake.notify_one();
  }
}

void Crew::wake_followers_locked(bool everybody) {
  std::size_t heads = inbox_.heads();
  for (Waiting* follower : followers_) {
    if (follower->what == For::Request) {
      if (heads == 0) continue;
      --heads;
    } else if (!everybody && inbox_.changed().empty()) {
      continue;
    }
    follower->woken = true;
    follower->wake.notify_one();
  }
  inbox_.clear_changed();
}

void Crew::ask_to_go() {
  const std::lock_guard lock(mutex_);
  outbox_.ask_to_go();
}

void Crew::wake_all() {
  const std::lock_guard lock(mutex_);
  for (Waiting* follower : followers_) {
    follower->woken = true;
    follower->wake.notify_one();
  }
}

}  // namespace prefork::worker

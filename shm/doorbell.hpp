// Wakes a process that sleeps in poll: a shared flag says whether it sleeps, a descriptor carries the wake-up.
// One sleeper per bell. The ringer pays a load when nobody sleeps and a system call only when somebody does.
// The sleeper: arm(), look again at everything it could be woken for, then poll(fd()); afterwards disarm() first, drain().
#pragma once

#include <cstdint>

#include "shm/atomic.hpp"
#include "shm/fd.hpp"

namespace prefork::shm {

struct BellFlag {
  alignas(kLine) Atomic<std::uint32_t> sleeping;
};
static_assert(sizeof(BellFlag) == kLine);

// The descriptor side, an eventfd or (PREFORK_PIPE_BELL) a pipe: poll and drain `wait`, write `signal`.
struct BellFds {
  UniqueFd wait;
  UniqueFd signal;  // empty when it is the same descriptor
  int signal_fd() const { return signal ? signal.get() : wait.get(); }
};
BellFds make_bell();              // throws std::system_error
void signal_bell(int signal_fd);  // never blocks; a full pipe is a bell that rings already
void drain_bell(int wait_fd);
bool wait_bell(int wait_fd, int timeout_ms);  // false: not rung in that time, or a signal came; -1 waits for ever

class Doorbell {
 public:
  // Borrows the descriptors. A ringer has no wait_fd, a sleeper no signal_fd: -1.
  Doorbell(BellFlag& flag, int wait_fd, int signal_fd) : flag_(flag), wait_fd_(wait_fd), signal_fd_(signal_fd) {}

  // After Producer::publish(), Consumer::settle() or another seq_cst store that the sleeper re-checks.
  void ring() {
    // seq_cst: pairs with the store in arm(). Either this sees the flag or the sleeper's re-check sees what was published.
    if (flag_.sleeping.load(std::memory_order_seq_cst) == 0) return;
    // seq_cst: only one of several ringers pays for the system call.
    if (flag_.sleeping.exchange(0, std::memory_order_seq_cst) != 0) signal_bell(signal_fd_);
  }

  // Advice for a ringer that could ring later: it must call ring() before it sleeps itself.
  bool would_wake() const {
    return flag_.sleeping.load(std::memory_order_relaxed) != 0;  // relaxed: a stale answer costs a bell or a moment
  }

  void arm() {
    // seq_cst: pairs with the load in ring(). Must come before every re-check.
    flag_.sleeping.store(1, std::memory_order_seq_cst);
  }

  // First thing after waking, before anything is drained: a bell rung from here on is not needed, what it tells is seen anyway.
  void disarm() {
    // seq_cst: must come before the reads of the drain that follows, or a ringer that saw 0 too early is never heard.
    flag_.sleeping.store(0, std::memory_order_seq_cst);
  }

  void drain() { drain_bell(wait_fd_); }
  int fd() const { return wait_fd_; }
  int signal_fd() const { return signal_fd_; }

 private:
  BellFlag& flag_;
  int wait_fd_;
  int signal_fd_;
};

enum class Slept { NotAtAll, UntilRung, UntilTimeout };

// The whole protocol for a thread that may block: `anything()` re-checks all that the bell may be rung for, with seq_cst loads
// (Consumer::anything_now, Producer::request_room). Whatever it returns, look at everything again.
template <class Anything>
Slept sleep_unless(Doorbell& bell, Anything&& anything, int timeout_ms = -1) {
  bell.arm();
  if (anything()) {
    bell.disarm();
    return Slept::NotAtAll;
  }
  const bool rung = wait_bell(bell.fd(), timeout_ms);
  bell.disarm();
  if (rung) bell.drain();
  return rung ? Slept::UntilRung : Slept::UntilTimeout;
}

}  // namespace prefork::shm

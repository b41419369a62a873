// The threads of a sync worker around one inbox and one outbox: one mutex, and waiting by leader and followers. Of the threads that
// wait, for a request, a body, credit or room, one is the leader: it alone sleeps on the bell, armed for everything, pumps the ring
// and wakes the threads concerned; whoever stops waiting passes the lead on. So one sleeper a bell holds with any number of threads.
#pragma once

#include <condition_variable>
#include <list>
#include <mutex>
#include <type_traits>

#include "worker/inbox.hpp"
#include "worker/outbox.hpp"

namespace prefork::worker {

// What a thread does around a real sleep. The bridge lets the GIL go and takes it again; never with the Crew's mutex held.
class SleepHooks {
 public:
  virtual ~SleepHooks() = default;
  virtual void before_sleep() {}
  virtual void after_sleep() {}
  // A signal came while this thread slept (called between after_sleep() and before_sleep()). True: give up waiting.
  virtual bool interrupted() { return false; }
};

enum class Waited { Ready, Interrupted, Broken };

class Crew {
 public:
  Crew(shm::WorkerEnd& channel, std::uint64_t first_credit, unsigned spin_us)
      : channel_(channel), inbox_(channel, first_credit), outbox_(channel), spin_us_(spin_us) {}

  Inbox& inbox() { return inbox_; }     // under the mutex only
  Outbox& outbox() { return outbox_; }  // under the mutex only

  // Whom a wake-up concerns: threads without a request wait for any request, the others for something of their own stream or for room.
  enum class For { Request, Stream };

  // Runs `step` under the mutex until it says true; sleeps in between, without the GIL. `step` tries one thing and must be quick,
  // call no Python and not throw. The fast way, when the first try succeeds and nobody holds the mutex, touches no hook.
  template <class Step>
  Waited until(SleepHooks& hooks, For what, Step&& step) {
    using Plain = std::remove_reference_t<Step>;
    if (mutex_.try_lock()) {
      // What this takes out of the ring the next leader does not find there: who it is for must be told now.
      if (inbox_.pump()) wake_followers_locked(false);
      const bool done = step();
      if (done || inbox_.broken()) {
        leave_locked();
        mutex_.unlock();
        return done ? Waited::Ready : Waited::Broken;
      }
      mutex_.unlock();
    }
    return wait(hooks, what,
                Need{[](const void* context) { return (*static_cast<Plain*>(const_cast<void*>(context)))(); }, &step});
  }

  void ask_to_go();  // as Outbox's

  // Wakes every thread that waits (to look at a flag of its own, such as a stop).
  void wake_all();

 private:
  // A step behind a plain pointer: one Waiting per sleeping thread, on its stack.
  struct Need {
    bool (*step)(const void*);
    const void* context;
  };
  struct Waiting {
    For what;
    std::condition_variable wake;
    bool woken = false;
  };

  Waited wait(SleepHooks& hooks, For what, Need need);
  enum class Slept { Woken, Interrupted };
  Slept lead(std::unique_lock<std::mutex>& lock, For what);
  Slept follow(std::unique_lock<std::mutex>& lock, For what);
  Slept sleep_on_bell(std::unique_lock<std::mutex>& lock);
  bool spin(std::unique_lock<std::mutex>& lock);
  void leave_locked();  // somebody stops waiting: pass the lead on when nobody has it
  void wake_followers_locked(bool everybody);

  shm::WorkerEnd& channel_;
  std::mutex mutex_;
  Inbox inbox_;    // guarded by mutex_
  Outbox outbox_;  // guarded by mutex_
  std::list<Waiting*> followers_;
  bool leading_ = false;
  unsigned spin_us_;
};

}  // namespace prefork::worker

// Where nothing could tell the difference, nobody else goes on in between: taking a free mutex commutes with whatever others do until
// the next operation (they do not hold it), and so does waking a thread that needs the mutex which the waker holds.
//
// What the shipped code calls of the system, as seen by a model thread: mutexes, condition variables, a doorbell's descriptor, time.
// The executable's own definitions come before those of the C library; outside a model thread they do what a single thread needs.
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "tests/model/bells.hpp"
#include "tests/model/explore.hpp"

namespace prefork::model {
namespace {

// At the beginning of a pthread_mutex_t.
struct ModelMutex {
  std::uint32_t locked;
};
// At the beginning of a pthread_cond_t: bits of threads.
struct ModelCondition {
  std::uint32_t waiting;
  std::uint32_t woken;
};
template <class Model, class Real>
Model& model_of(Real* real) {
  static_assert(sizeof(Model) <= sizeof(Real));
  return *reinterpret_cast<Model*>(real);
}

void take(pthread_mutex_t* mutex) {
  drain_stores();
  if (model_of<ModelMutex>(mutex).locked != 0) {
    block([](const void* waited) { return static_cast<const ModelMutex*>(waited)->locked == 0; }, mutex);
  }
  model_of<ModelMutex>(mutex).locked = 1;
}

struct Waiting {
  pthread_cond_t* condition;
  pthread_mutex_t* mutex;
  std::uint32_t bit;
};

std::uint32_t* bell_of(int fd) {
  return fd >= kFirstBell && fd < kFirstBell + kBells ? &bells()[fd - kFirstBell] : nullptr;
}

}  // namespace
}  // namespace prefork::model

using namespace prefork::model;

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) {
  if (!inside()) return 0;
  take(mutex);
  return 0;
}

int pthread_mutex_trylock(pthread_mutex_t* mutex) {
  if (!inside()) return 0;
  drain_stores();
  const bool free = model_of<ModelMutex>(mutex).locked == 0;
  model_of<ModelMutex>(mutex).locked = 1;
  if (free) return 0;
  step("finds it locked");
  return EBUSY;
}

int pthread_mutex_unlock(pthread_mutex_t* mutex) {
  if (!inside()) return 0;
  drain_stores();
  require(model_of<ModelMutex>(mutex).locked == 1, "only a locked mutex is unlocked");
  model_of<ModelMutex>(mutex).locked = 0;
  step("unlocks");
  return 0;
}

int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  if (!inside()) return 0;
  const Waiting self_waiting{condition, mutex, 1u << self()};
  model_of<ModelCondition>(condition).waiting |= self_waiting.bit;
  drain_stores();
  model_of<ModelMutex>(mutex).locked = 0;
  block(
      [](const void* argument) {
        const auto& waiting = *static_cast<const Waiting*>(argument);
        return (model_of<ModelCondition>(waiting.condition).woken & waiting.bit) != 0 &&
               model_of<ModelMutex>(waiting.mutex).locked == 0;
      },
      &self_waiting);
  model_of<ModelCondition>(condition).waiting &= ~self_waiting.bit;
  model_of<ModelCondition>(condition).woken &= ~self_waiting.bit;
  model_of<ModelMutex>(mutex).locked = 1;
  return 0;
}

int pthread_cond_signal(pthread_cond_t* condition) {
  if (!inside()) return 0;
  drain_stores();
  auto& all = model_of<ModelCondition>(condition);
  const std::uint32_t asleep = all.waiting & ~all.woken;
  all.woken |= asleep & (0 - asleep);
  return 0;
}

int pthread_cond_broadcast(pthread_cond_t* condition) {
  if (!inside()) return 0;
  drain_stores();
  auto& all = model_of<ModelCondition>(condition);
  all.woken |= all.waiting;
  return 0;
}

int pthread_cond_destroy(pthread_cond_t*) { return 0; }

int poll(pollfd* fds, nfds_t count, int timeout) {
  // One bell is slept on; of the others only whether they are closed is asked, and here they never are.
  const bool one_bell =
      count != 0 && std::all_of(fds + 1, fds + count, [](const pollfd& one) { return one.events == 0; });
  if (!inside() || !one_bell) return static_cast<int>(syscall(SYS_poll, fds, count, timeout));
  // No time passes here: whoever is not rung sleeps for ever, and the explorer finds it.
  std::uint32_t* bell = bell_of(fds->fd);
  require(bell != nullptr, "a bell of this model is polled");
  if (*bell == 0) block([](const void* rung) { return *static_cast<const std::uint32_t*>(rung) != 0; }, bell);
  std::for_each(fds, fds + count, [](pollfd& one) { one.revents = 0; });
  fds->revents = POLLIN;
  return 1;
}

ssize_t write(int fd, const void* data, size_t size) {
  std::uint32_t* bell = inside() ? bell_of(fd) : nullptr;
  if (bell == nullptr) return syscall(SYS_write, fd, data, size);
  drain_stores();  // the kernel takes locks
  *bell = 1;
  step("rings", static_cast<std::uint64_t>(fd));
  return static_cast<ssize_t>(size);
}

ssize_t read(int fd, void* data, size_t size) {
  std::uint32_t* bell = inside() ? bell_of(fd) : nullptr;
  if (bell == nullptr) return syscall(SYS_read, fd, data, size);
  drain_stores();
  const std::uint64_t count = *bell;
  *bell = 0;
  step("drains the bell", count);
  if (count == 0) {
    errno = EAGAIN;
    return -1;
  }
  std::memcpy(data, &count, sizeof count);
  return sizeof count;
}

int clock_gettime(clockid_t clock, timespec* now) {
  if (!inside()) return static_cast<int>(syscall(SYS_clock_gettime, clock, now));
  *now = {1, 0};
  if (clock == CLOCK_MONOTONIC) {
    bool& looked = clock_looked_at()[self()];
    if (looked) now->tv_sec = 2;
    looked = !looked;
  }
  return 0;
}

}  // extern "C"

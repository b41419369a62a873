#include "master/spare_memory.hpp"

#include <cstddef>
#include <ctime>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace prefork {
namespace {

constexpr std::uint64_t kQuietNs =
    100'000'000;  // a tenth of a second's CPU: nobody notices what returning memory takes
constexpr unsigned kQuietSeconds = 2;
constexpr unsigned kBusySeconds =
    10;  // a server that never rests is looked at too, but seldom: the look walks the free lists

#ifdef __GLIBC__

constexpr std::size_t kKeep = 1 << 20;
constexpr std::size_t kWorthIt = 4 << 20;
constexpr std::size_t kTooMuch = 64 << 20;

void keep_under_load() {
  ::mallopt(M_TRIM_THRESHOLD, 16 << 20);
  ::mallopt(M_TOP_PAD, 256 << 10);
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

void give_back(std::size_t more_than) {
  if (::mallinfo2().fordblks > more_than) ::malloc_trim(kKeep);
}

#else

constexpr std::size_t kWorthIt = 0;
constexpr std::size_t kTooMuch = 0;
void keep_under_load() {}
void give_back(std::size_t) {}

#endif

std::uint64_t cpu_now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

SpareMemory::SpareMemory() : cpu_ns_(cpu_now_ns()) { keep_under_load(); }

void SpareMemory::every_second() {
  const std::uint64_t now = cpu_now_ns();
  const bool quiet = now - cpu_ns_ < kQuietNs;
  cpu_ns_ = now;
  quiet_seconds_ = quiet ? quiet_seconds_ + 1 : 0;
  busy_seconds_ = quiet ? 0 : busy_seconds_ + 1;
  if (quiet_seconds_ == kQuietSeconds) give_back(kWorthIt);
  if (busy_seconds_ == kBusySeconds) {
    busy_seconds_ = 0;
    give_back(kTooMuch);
  }
}

}  // namespace prefork

#include "master/process/descriptors.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>

namespace prefork::process {
namespace {

constexpr const char* kVariable = "PREFORK_DESCRIPTORS";
constexpr std::size_t kMostKept = 12;   // to start a worker takes nine for a moment, with a mold or without
constexpr std::size_t kOthers = 3;      // one in so many is kept where there are few: clients need them more
constexpr unsigned kForOneWorker = 3;   // region, bell, side socket
constexpr unsigned kForTheServer = 30;  // loop, listeners, logs, a worker that starts

std::uint64_t workers_limit = 0;

rlimit limit_now() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) limit = {RLIM_INFINITY, RLIM_INFINITY};
  return limit;
}

}  // namespace

void raise_descriptor_limit() {
  rlimit limit = limit_now();
  const char* before = std::getenv(kVariable);
  workers_limit = before != nullptr ? std::strtoull(before, nullptr, 10) : limit.rlim_cur;
  ::unsetenv(kVariable);
  if (limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::uint64_t workers_descriptor_limit() { return workers_limit; }

std::string descriptor_limit_variable() { return std::string(kVariable) + "=" + std::to_string(workers_limit); }

std::string descriptor_advice(unsigned workers) {
  return "the limit is " + std::to_string(limit_now().rlim_cur) + " (ulimit -n), and " + std::to_string(workers) +
         (workers == 1 ? " worker needs" : " workers need") + " about " +
         std::to_string(kForTheServer + kForOneWorker * workers) + " and one for each connection";
}

// What can be had is known by trying. Of that, a part.
DescriptorReserve::DescriptorReserve() : wanted_(kMostKept * kOthers) {
  refill();
  wanted_ = kept_.size() / kOthers;
  refill();
}

void DescriptorReserve::refill() {
  while (kept_.size() < wanted_) {
    kept_.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (kept_.back()) continue;
    kept_.pop_back();
    return;
  }
  kept_.resize(wanted_);
}

}  // namespace prefork::process

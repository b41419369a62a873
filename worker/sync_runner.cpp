#include "worker/sync_runner.hpp"

#include "worker/clock.hpp"

namespace prefork::worker {
namespace {

constexpr long kFirstCredit = 1 << 20;
constexpr long kBodyWindow = 256 * 1024;

}  // namespace

SyncRunner::SyncRunner(Context& context)
    : context_(context),
      crew_(context.channel(), static_cast<std::uint64_t>(context.settings().number("reply_window", kFirstCredit)),
            static_cast<unsigned>(context.settings().number("spin", 0))),
      body_window_(static_cast<std::uint64_t>(context.settings().number("body_window", kBodyWindow))) {}

SyncRunner::Next SyncRunner::next(SleepHooks& hooks, Job& job) {
  auto result = Next::Drained;
  const auto step = [&] {
    if (stopping_.load(std::memory_order_relaxed)) return true;
    if (crew_.inbox().take(job)) {
      context_.channel().phase.set(shm::Phase::Busy, coarse_us());
      result = Next::Job;
      return true;
    }
    return crew_.inbox().draining();
  };
  switch (crew_.until(hooks, Crew::For::Request, step)) {
    case Waited::Ready: return result;
    case Waited::Interrupted: return Next::Interrupted;
    case Waited::Broken: return Next::Broken;
  }
  return Next::Broken;
}

SyncRunner::Ended SyncRunner::serve(SleepHooks& hooks, Application& application) {
  Job job;
  for (;;) {
    switch (next(hooks, job)) {
      case Next::Job: break;
      case Next::Drained: crew_.wake_all(); return Ended::Drained;
      case Next::Interrupted: return Ended::Interrupted;
      case Next::Broken: crew_.wake_all(); return Ended::Broken;
    }
    {
      Exchange exchange(context_, crew_, hooks, job, body_window_);
      application.handle(exchange);
    }
    (void)crew_.until(hooks, Crew::For::Request, [&] {
      context_.channel().counters.add(shm::Counter::Finished);
      crew_.inbox().close(job);
      return true;
    });
  }
}

void SyncRunner::stop() {
  // relaxed: the wake-up below carries it.
  stopping_.store(true, std::memory_order_relaxed);
  crew_.ask_to_go();
  crew_.wake_all();
  shm::signal_bell(context_.channel().own_bell.fd());
}

}  // namespace prefork::worker

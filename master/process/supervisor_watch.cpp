// What the Supervisor looks at from time to time: deadlines, wear, and workers that hang.
#include <algorithm>
#include <csignal>

#include "master/process/obituary.hpp"
#include "master/process/supervisor.hpp"

namespace prefork::process {
namespace {

using State = dispatch::WorkerLink::State;

constexpr std::uint64_t kSampleMs = 1'000;
constexpr std::uint64_t kAsleepMs = 2 * kSampleMs;
constexpr std::uint64_t kAbortMs = 1'000;  // to say where it hangs, then KILL
constexpr std::uint64_t kLastMs = 2'000;   // of a worker whose requests had their time

}  // namespace

// The timer fires once: for the next deadline, the end of a back-off, or the next look.
void Supervisor::arm() {
  const auto now = loop_.now_ms();
  auto next = std::max(now, sampled_ms_ + kSampleMs);
  for (const auto& worker : workers_) {
    if (worker->notes.due_ms != 0) next = std::min(next, worker->notes.due_ms);
  }
  if (!gone_.empty()) next = now;
  if (blocked_until_ms_ > now) next = std::min(next, blocked_until_ms_);
  timer_.start(next > now ? next - now : 1);
}

void Supervisor::tick() {
  loop_.update_now();
  gone_.clear();
  reserve_.refill();
  std::erase_if(gone_molds_, [](const auto& mold) { return !mold->running(); });
  if (children_) look_for_ends();
  const auto now = loop_.now_ms();
  if (now - sampled_ms_ >= kAsleepMs) awake_again(now);
  for (std::size_t i = 0; i < workers_.size(); ++i) keep_deadline(*workers_[i], now);
  if (now - sampled_ms_ >= kSampleMs) {
    sampled_ms_ = now;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      workers_[i]->notes.resident_bytes = resident_bytes(workers_[i]->pid());
      look_for_wear(*workers_[i], now);
      look_for_hang(*workers_[i]);
    }
  }
  reconcile();
  arm();
}

// If we were stopped ourselves (a frozen container, a debugger), the workers were too: no time of theirs has passed.
void Supervisor::awake_again(std::uint64_t now_ms) {
  awake_since_ms_ = now_ms;
  for (const auto& worker : workers_) {
    if (worker->notes.due_ms != 0) worker->notes.due_ms += now_ms - sampled_ms_;
  }
}

void Supervisor::keep_deadline(WorkerProcess& worker, std::uint64_t now_ms) {
  if (worker.notes.due_ms == 0 || now_ms < worker.notes.due_ms) return;
  worker.notes.due_ms = 0;
  if (worker.link().state() == State::Starting) {
    if (!worker.notes.ending) {
      worker.notes.cause = "not ready within --boot-timeout";
      if (Mold* mold = worker.mold(); mold != nullptr) {
        mold->cause = worker.notes.cause;
        mold->kill(SIGKILL);
      }
    }
  } else if (worker.notes.cause.empty() && worker.notes.was_ready) {
    worker.notes.cause = "not finished within --graceful-timeout";
    dispatcher_.fail_running(worker.link(), 503, "the worker had to end");
    if (dispatcher_.interface() == wire::Interface::Asgi) {
      // An event loop cancels what it runs and ends its lifespan.
      log_.warning("Worker (pid:", worker.pid(), ") is stopped at once: ", worker.notes.cause);
      worker.notes.due_ms = now_ms + kLastMs;
      return worker.kill(SIGQUIT);
    }
  }
  worker.kill(SIGKILL);
}

void Supervisor::look_for_wear(WorkerProcess& worker, std::uint64_t now_ms) {
  if (worker.notes.worn || worker.link().state() != State::Ready) return;
  const char* why = nullptr;
  auto cause = serve::RestartCause::MaxLifetime;
  if (policy_.max_lifetime_ms != 0 && now_ms - worker.started_ms() >= policy_.max_lifetime_ms)
    why = "has reached --max-lifetime";
  if (policy_.max_rss != 0 && worker.notes.resident_bytes > policy_.max_rss) {
    why = "has passed --max-worker-rss";
    cause = serve::RestartCause::Memory;
  }
  if (why == nullptr) return;
  worker.notes.worn = true;
  worker.notes.replaced_for = cause;
  log_.info("Worker (pid:", worker.pid(), ") is replaced: it ", why);
}

// With one thread the limit is a request's; with several, or an event loop, a process is judged by the heartbeat that it can only
// renew with the GIL or on its loop. Of the requests of several threads the oldest is taken for the guilty one. Those of an event loop
// wait for each other: the one that keeps it is mostly the last that it began, and the oldest may be a WebSocket that only waits.
void Supervisor::look_for_hang(WorkerProcess& worker) {
  const auto state = worker.link().state();
  if (policy_.timeout_ms == 0 || (state != State::Ready && state != State::Retiring) || worker.notes.aborted) return;
  const auto limit_ns = policy_.timeout_ms * 1'000'000;
  const auto awake_ns = awake_since_ms_ * 1'000'000;
  const auto now = loop_.now_ns();
  http::Exchange* oldest = worker.link().oldest_started();
  if (oldest == nullptr) {
    // Without a request that anybody waits for it wakes each second to say so, unless it was stopped or is lost in an abandoned one.
    if (state != State::Ready) return;
    const auto sign = std::max({worker.link().heartbeat_us() * 1'000, worker.link().last_finished_ns(), awake_ns});
    if (now > sign && now - sign >= limit_ns + kSampleMs * 1'000'000) end_hung(worker, nullptr);
    return;
  }
  const bool on_loop = worker.link().interface() == wire::Interface::Asgi;
  const bool alone = worker.link().concurrency() == 1 && !on_loop;
  const auto since = std::max(
      {oldest->sent_ns, alone ? worker.link().last_finished_ns() : worker.link().heartbeat_us() * 1'000, awake_ns});
  if (now > since && now - since >= limit_ns) end_hung(worker, on_loop ? worker.link().newest_started() : oldest);
}

void Supervisor::end_hung(WorkerProcess& worker, http::Exchange* guilty) {
  if (guilty != nullptr) {
    log_.critical("WORKER TIMEOUT (pid:", worker.pid(), "): ", describe(*guilty, loop_.now_ns()));
  } else {
    log_.critical("WORKER TIMEOUT (pid:", worker.pid(), "): no sign of life");
  }
  worker.notes.cause = "--timeout";
  worker.notes.replaced_for = serve::RestartCause::Timeout;
  worker.notes.aborted = true;
  worker.notes.worn = true;
  worker.notes.due_ms = loop_.now_ms() + kAbortMs;
  dispatcher_.abandon(worker.link());
  if (guilty != nullptr) dispatcher_.give_up(*guilty, 504, "the worker took longer than --timeout");
  worker.kill(SIGABRT);
}

}  // namespace prefork::process

// What a worker leaves behind when it goes, and what is said of it.
#include <algorithm>
#include <csignal>
#include <cstring>

#include "master/process/obituary.hpp"
#include "master/process/supervisor.hpp"

namespace prefork::process {
namespace {

using State = dispatch::WorkerLink::State;

constexpr int kExitBoot = 3;  // the worker cannot start
constexpr int kExitApp = 4;   // the application cannot be found
constexpr std::uint64_t kFirstBackOffMs = 100;
constexpr std::uint64_t kLongestBackOffMs = 10'000;

}  // namespace

// Its requests are given to others or failed; what it was running is noted for the log.
void Supervisor::bury(WorkerProcess& worker, bool trusted) {
  if (worker.link().state() == State::Dead) return;
  dispatcher_.bury(worker.link(), trusted, [&](const http::Exchange& exchange, bool started) {
    if (!started) return;
    worker.notes.was_running.push_back(describe(exchange, loop_.now_ns()));
    if (exchange.crashes != 0) log_.error("A request has ended two workers: ", worker.notes.was_running.back());
  });
}

void Supervisor::on_exit(WorkerProcess& worker, ExitStatus status) {
  const auto found =
      std::find_if(workers_.begin(), workers_.end(), [&](const auto& one) { return one.get() == &worker; });
  if (found == workers_.end()) return;
  gone_.clear();
  gone_.push_back(std::move(*found));
  workers_.erase(found);
  loop_.update_now();
  const bool started = worker.notes.was_ready || worker.link().state() == State::Ready;
  bury(worker, worker.link().bad() == nullptr);
  say_exit(worker, status);
  if (events_.exited) events_.exited(worker.identity());
  count_exit(worker, started);
  if (stopping_) return;
  const bool fresh = !outdated(worker);
  if (!worker.notes.ending) {
    if (!started && !worker.notes.was_ready) {
      if (fresh) boot_failed(worker, status);
    } else if (loop_.now_ms() - worker.started_ms() < kHealthyMs && worker.link().finished() == 0) {
      back_off();
    } else {
      back_off_ms_ = 0;
    }
  }
  reconcile();
}

// Before its Ready: while nobody serves, the failure is the server's; a reload's is the reload's; a replacement is tried again, and
// so is whoever was told to end.
void Supervisor::boot_failed(const WorkerProcess& worker, ExitStatus status) {
  if (status.was_told()) return back_off();
  if (reloading_) {
    std::string why = "worker " + std::to_string(worker.pid()) + " did not start";
    if (!worker.notes.cause.empty()) {
      why += ": " + worker.notes.cause;
    } else {
      why += status.signal != 0 ? ", signal " + std::to_string(status.signal)
                                : ", exit code " + std::to_string(status.code);
      why += reason(status);
    }
    return fail_reload(why);
  }
  if (!halts(status)) back_off();
}

std::string Supervisor::reason(ExitStatus status) {
  if (status.code == kExitBoot) return " (Worker failed to boot.)";
  return status.code == kExitApp ? " (App failed to load.)" : "";
}

// Nobody has ever served, and it is of no use to try again.
bool Supervisor::halts(ExitStatus status) {
  if (ever_ready_ || status.signal != 0 || (status.code != kExitBoot && status.code != kExitApp) || !events_.halt)
    return false;
  if (policy_.development) {
    note_failure("A worker did not start" + reason(status));
    suspended_ = true;  // until a reload: the same code fails again
  }
  events_.halt(status.code);
  return true;
}

// Those that die together count once: ten of them are no reason to leave everybody waiting for ten seconds.
void Supervisor::back_off() {
  if (loop_.now_ms() < blocked_until_ms_) return;
  back_off_ms_ = std::clamp(back_off_ms_ * 2, kFirstBackOffMs, kLongestBackOffMs);
  blocked_until_ms_ = loop_.now_ms() + back_off_ms_;
}

void Supervisor::count_exit(const WorkerProcess& worker, bool started) const {
  if (!events_.replaced || stopping_) return;
  if (worker.notes.replaced_for) return events_.replaced(*worker.notes.replaced_for);
  if (!worker.notes.ending) events_.replaced(started ? serve::RestartCause::Crash : serve::RestartCause::BootFailure);
}

void Supervisor::say_exit(const WorkerProcess& worker, ExitStatus status) {
  // Told by a signal of somebody else's, a worker ends in good order too; one that never served ends in none.
  const bool orderly =
      status.signal == 0 && status.code == 0 && worker.notes.was_ready && worker.notes.was_running.empty();
  if (orderly || (worker.notes.ending && worker.notes.cause.empty() && worker.notes.was_running.empty())) {
    log_.info("Worker exiting (pid: ", worker.pid(), ")");
  } else if (!worker.notes.was_ready && worker.notes.cause.empty() && status.was_told()) {
    log_.warning("Worker (pid:", worker.pid(), ")", describe(status), " before it served: another one is started");
  } else {
    log_.error(obituary(worker, status, loop_.now_ms()));
  }
  if (!log_.enabled(serve::Level::Debug)) return;
  for (const auto& line : last_events(worker)) log_.debug("Worker (pid:", worker.pid(), ") ", line);
}

}  // namespace prefork::process

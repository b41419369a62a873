// With --preload: the mold that forks the workers of a generation, and what becomes of workers that it has not made yet.
#include <algorithm>
#include <csignal>
#include <exception>

#include "master/process/obituary.hpp"
#include "master/process/supervisor.hpp"

namespace prefork::process {

Mold* Supervisor::mold_of(std::uint32_t generation) const {
  if (mold_ && mold_->generation() == generation) return mold_.get();
  for (const auto& mold : older_molds_) {
    if (mold->generation() == generation) return mold.get();
  }
  return mold_.get();
}

std::vector<const Mold*> Supervisor::molds() const {
  std::vector<const Mold*> all;
  if (mold_) all.push_back(mold_.get());
  for (const auto* some : {&older_molds_, &gone_molds_}) {
    for (const auto& mold : *some) {
      if (mold->running()) all.push_back(mold.get());
    }
  }
  return all;
}

bool Supervisor::form_mold() {
  if (mold_) return true;
  if (loop_.now_ms() < blocked_until_ms_) return false;
  reserve_.let_go();
  try {
    mold_ =
        std::make_unique<Mold>(loop_, log_, command_, generation_,
                               Mold::Events{[this](unsigned age, int pid) { on_forked(age, pid); },
                                            [this](unsigned age, const std::string& why) { on_not_forked(age, why); },
                                            [this](Mold& mold, ExitStatus status) { on_mold_exit(mold, status); }});
  } catch (const std::exception& error) {
    const std::string why = error.what() + advice(error);
    log_.error("The mold cannot be started: ", why);
    back_off();
    fail_reload(why);
    return false;
  }
  log_.info("Loading the application in process ", mold_->pid());
  watch_children();
  if (events_.mold_formed) events_.mold_formed();
  return true;
}

void Supervisor::retire_mold(std::unique_ptr<Mold> mold) {
  if (!mold) return;
  mold->retire(std::max<std::uint64_t>(1'000, policy_.graceful_timeout_ms));
  gone_molds_.push_back(std::move(mold));
}

// A worker's end is told to the hooks where it came from; then nobody needs that any more.
void Supervisor::retire_older_molds() {
  for (std::size_t i = older_molds_.size(); i-- > 0;) {
    const auto generation = older_molds_[i]->generation();
    if (reloading_ && generation == serving_generation_) continue;
    if (std::any_of(workers_.begin(), workers_.end(),
                    [&](const auto& worker) { return worker->identity().generation == generation; }))
      continue;
    auto mold = std::move(older_molds_[i]);
    older_molds_.erase(older_molds_.begin() + static_cast<std::ptrdiff_t>(i));
    retire_mold(std::move(mold));
  }
}

void Supervisor::end_molds(std::chrono::milliseconds most) {
  if (mold_) mold_->end(mold_->loaded() ? most : std::chrono::milliseconds(0));
  for (const auto& mold : older_molds_) mold->end(most);
}

bool Supervisor::forking() const {
  const auto one = [](const auto& mold) { return mold->forking(); };
  return (mold_ && one(mold_)) || std::any_of(older_molds_.begin(), older_molds_.end(), one) ||
         std::any_of(gone_molds_.begin(), gone_molds_.end(), one);
}

bool Supervisor::owns(int pid) const {
  const auto has = [pid](const auto& one) { return one->pid() == pid; };
  return (mold_ && has(mold_)) || std::any_of(older_molds_.begin(), older_molds_.end(), has) ||
         std::any_of(gone_molds_.begin(), gone_molds_.end(), has) || std::any_of(workers_.begin(), workers_.end(), has);
}

// ---------------------------------------------------------------------------------------------------- its workers

WorkerProcess* Supervisor::find(unsigned age) const {
  for (const auto& worker : workers_) {
    if (worker->identity().age == age) return worker.get();
  }
  return nullptr;
}

void Supervisor::on_forked(unsigned age, int pid) {
  WorkerProcess* worker = find(age);
  if (worker == nullptr || pid <= 0) {
    if (pid > 0) ::kill(pid, SIGKILL);  // nobody's: an orphan that the master reaps
    return;
  }
  log_.info("Booting worker with pid: ", pid);
  worker->born(pid, loop_.now_ms());
  timer_.start(0);  // it may have ended by now, when nobody knew whose end that was
}

void Supervisor::on_not_forked(unsigned age, const std::string& why) {
  WorkerProcess* worker = find(age);
  if (worker == nullptr) return;
  log_.error("Worker cannot be started: ", why);
  worker->never_born();
  forget_unborn();
  if (stopping_) return;
  back_off();
  fail_reload(why);
  reconcile();
}

// Those that shall not be and are not.
void Supervisor::forget_unborn() {
  for (std::size_t i = workers_.size(); i-- > 0;) {
    if (workers_[i]->running() || workers_[i]->pid() != 0) continue;
    bury(*workers_[i], true);
    gone_.push_back(std::move(workers_[i]));
    workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

// A mold's workers are children that libuv knows nothing of.
void Supervisor::watch_children() {
  if (children_) return;
  children_.reset(new uv_signal_t{});
  uv_signal_init(loop_.uv(), children_.get());
  children_->data = this;
  uv_signal_start(
      children_.get(),
      [](uv_signal_t* handle, int) {
        if (handle->data != nullptr) static_cast<Supervisor*>(handle->data)->look_for_ends();
      },
      SIGCHLD);
}

void Supervisor::look_for_ends() {
  for (std::size_t i = 0; i < workers_.size();) i = workers_[i]->look_for_end() ? 0 : i + 1;
}

// ---------------------------------------------------------------------------------------------------- its end

void Supervisor::on_mold_exit(Mold& mold, ExitStatus status) {
  loop_.update_now();
  const bool current = &mold == mold_.get();
  const bool wanted = !mold.retired() && !stopping_;
  for (const auto& worker : workers_) {
    if (worker->mold() == &mold) worker->never_born();
  }
  forget_unborn();
  if (current) gone_molds_.push_back(std::move(mold_));
  for (std::size_t i = older_molds_.size(); i-- > 0;) {
    if (older_molds_[i].get() != &mold) continue;
    gone_molds_.push_back(std::move(older_molds_[i]));
    older_molds_.erase(older_molds_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  timer_.start(0);  // takes it down: its own frame is on the stack
  if (!wanted) return;
  const std::string how = describe(status) + (mold.cause.empty() ? "" : " (" + mold.cause + ")");
  if (current && reloading_ && !status.was_told())
    return fail_reload("the application was not loaded: the mold (pid:" + std::to_string(mold.pid()) + ")" + how +
                       reason(status));
  log_.error("The mold (pid:", mold.pid(), ")", how,
             current && ever_ready_ ? ": a new one is made, the workers go on" : "");
  if (!current) return;
  if (!mold.loaded() && halts(status)) return;
  if (!mold.loaded() || loop_.now_ms() - mold.started_ms() < kHealthyMs) {
    back_off();
  } else {
    back_off_ms_ = 0;
  }
  reconcile();
}

}  // namespace prefork::process

#include "master/process/supervisor.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <exception>
#include <system_error>

namespace prefork::process {

using State = dispatch::WorkerLink::State;

namespace {

int number_of(const std::exception& error) {
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  return system != nullptr ? system->code().value() : 0;
}

}  // namespace

Supervisor::Supervisor(net::Loop& loop, dispatch::Dispatcher& dispatcher, serve::ErrorLog& log, WorkerCommand command,
                       const SupervisorPolicy& policy, Events events)
    : loop_(loop),
      dispatcher_(dispatcher),
      log_(log),
      command_(std::move(command)),
      policy_(policy),
      events_(std::move(events)),
      bell_(shm::make_bell()),
      timer_(loop, [this] { tick(); }) {
  dispatcher_.set_keeper(this);
  auto* handle = new uv_poll_t;
  uv_poll_init(loop.uv(), handle, bell_.wait.get());
  handle->data = this;
  bell_poll_.reset(handle);
  uv_poll_start(handle, UV_READABLE, [](uv_poll_t* poll, int, int) {
    if (poll->data != nullptr) shm::drain_bell(static_cast<Supervisor*>(poll->data)->bell_.wait.get());
  });
}

Supervisor::~Supervisor() { dispatcher_.set_keeper(nullptr); }

void Supervisor::start() {
  loop_.update_now();  // the hook on_starting may have taken its time
  sampled_ms_ = loop_.now_ms();
  reconcile();
  arm();
}

// ---------------------------------------------------------------------------------------------------- what there should be

bool Supervisor::outdated(const WorkerProcess& worker) const {
  return worker.notes.worn || worker.identity().generation != generation_;
}

Supervisor::Census Supervisor::count() const {
  Census census;
  for (const auto& worker : workers_) {
    const bool old = outdated(*worker);
    switch (worker->link().state()) {
      case State::Starting: ++(old ? census.outdated_starting : census.fresh_starting); break;
      case State::Ready: ++(old ? census.outdated_ready : census.fresh_ready); break;
      case State::Retiring: ++census.retiring; break;
      case State::Dead: break;
    }
  }
  return census;
}

void Supervisor::reconcile() {
  if (stopping_ || reconciling_) return;
  reconciling_ = true;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    // What is still to join the generation that serves is needed when the new one does not come up.
    const bool of_serving = reloading_ && workers_[i]->identity().generation == serving_generation_;
    if (workers_[i]->link().state() == State::Starting && outdated(*workers_[i]) && !of_serving)
      end_starting(*workers_[i]);
  }
  forget_unborn();
  retire_older_molds();
  if (command_.preload && !suspended_) form_mold();
  Census census = count();
  retire_surplus(census);
  forget_unborn();
  spawn_missing(census);
  census = count();
  reconciling_ = false;
  const unsigned wanted = suspended_ ? 0 : policy_.workers;
  if (census.fresh_ready >= wanted && !started_ && !suspended_) {
    started_ = true;
    if (events_.started) events_.started();
  }
  if (reloading_ && census.fresh_ready >= wanted && census.outdated_ready == 0) {
    finish_reload();
    retire_older_molds();
  }
  arm();
}

// Only what others can do without: the sum of those that are ready stays what was asked for.
void Supervisor::retire_surplus(Census& census) {
  const unsigned wanted = suspended_ ? 0 : policy_.workers;
  while (census.ready() > wanted) {
    const bool old = census.outdated_ready != 0;
    WorkerProcess* worker = oldest_ready(old);
    if (worker == nullptr) return;
    retire(*worker);
    --(old ? census.outdated_ready : census.fresh_ready);
    ++census.retiring;
  }
  // Fewer are wanted than are coming.
  for (std::size_t i = workers_.size(); i-- > 0 && census.fresh_ready + census.fresh_starting > wanted;) {
    if (workers_[i]->link().state() != State::Starting || workers_[i]->notes.ending) continue;
    end_starting(*workers_[i]);
    --census.fresh_starting;
  }
}

// How many workers more than were asked for there may be while some are replaced.
unsigned Supervisor::extra_allowed(const Census& census) const {
  if (reloading_) return policy_.surge ? policy_.workers : 1;
  const unsigned quarter = std::max(1u, policy_.workers / 4);
  return quarter - std::min(quarter, census.retiring);
}

void Supervisor::spawn_missing(const Census& census) {
  if (loop_.now_ms() < blocked_until_ms_ || (command_.preload && !mold_)) return;
  const unsigned wanted = suspended_ ? 0 : policy_.workers;
  const unsigned fresh = census.fresh_ready + census.fresh_starting;
  if (fresh >= wanted) return;
  const unsigned places = wanted + (census.outdated_ready != 0 ? extra_allowed(census) : 0);
  unsigned count = std::min(wanted - fresh, places - std::min(places, census.live()));
  while (count-- > 0 && spawn()) {
  }
}

unsigned Supervisor::free_id() const {
  for (unsigned id = 1;; ++id) {
    if (std::none_of(workers_.begin(), workers_.end(),
                     [id](const auto& worker) { return worker->identity().id == id; }))
      return id;
  }
}

std::string Supervisor::advice(const std::exception& error) const {
  if (number_of(error) == EAGAIN) return ": no more processes are allowed (ulimit -u, or pids.max of a container)";
  return number_of(error) == EMFILE ? ": " + descriptor_advice(policy_.workers) : "";
}

bool Supervisor::spawn() {
  dispatch::WorkerIdentity identity;
  identity.id = free_id();
  identity.age = ++age_;
  identity.generation = generation_;
  if (events_.spawning) events_.spawning(0, identity.age);
  reserve_.let_go();
  try {
    workers_.push_back(
        std::make_unique<WorkerProcess>(loop_, dispatcher_, command_, policy_.geometry, bell_, identity, mold_.get(),
                                        [this](WorkerProcess& worker, ExitStatus status) { on_exit(worker, status); }));
  } catch (const std::exception& error) {
    const std::string more = advice(error);
    const std::string why = error.what() + more;
    log_.error("Worker cannot be started: ", why);
    if (number_of(error) == EMFILE) reserve_.give_up();
    back_off();
    if (reloading_) fail_reload(why);
    return false;
  }
  reserve_.refill();
  WorkerProcess& worker = *workers_.back();
  if (policy_.boot_timeout_ms != 0) worker.notes.due_ms = loop_.now_ms() + policy_.boot_timeout_ms;
  worker.notes.most_requests = policy_.max_requests;
  if (policy_.max_requests != 0 && policy_.max_requests_jitter != 0)
    worker.notes.most_requests += static_cast<std::uint64_t>(::random()) % (policy_.max_requests_jitter + 1);
  dispatcher_.add(worker.link());
  if (!worker.unborn()) log_.info("Booting worker with pid: ", worker.pid());
  return true;
}

WorkerProcess* Supervisor::oldest_ready(bool outdated_ones) const {
  for (const auto& worker : workers_) {
    if (worker->link().state() == State::Ready && outdated(*worker) == outdated_ones) return worker.get();
  }
  return nullptr;
}

void Supervisor::retire(WorkerProcess& worker) {
  worker.notes.ending = true;
  if (!worker.notes.replaced_for && worker.identity().generation != generation_)
    worker.notes.replaced_for = serve::RestartCause::Reload;
  worker.notes.due_ms = loop_.now_ms() + policy_.graceful_timeout_ms;
  dispatcher_.retire(worker.link());
  if (policy_.development) dispatcher_.cut_streams(worker.link());
}

// It serves nobody yet. One that is deaf is killed a little later.
void Supervisor::end_starting(WorkerProcess& worker) {
  if (worker.notes.ending) return;
  worker.notes.ending = true;
  worker.notes.due_ms = loop_.now_ms() + 2'000;
  worker.link().retire();
  if (!worker.withdraw()) worker.kill(SIGTERM);
}

void Supervisor::set_workers(unsigned workers) {
  const unsigned before = std::exchange(policy_.workers, std::max(1u, workers));
  if (events_.resized && before != policy_.workers) events_.resized(policy_.workers, before);
  reconcile();
}

void Supervisor::suspend() {
  suspended_ = true;
  reconcile();
}

void Supervisor::resume() {
  suspended_ = false;
  reconcile();
}

// ---------------------------------------------------------------------------------------------------- generations

void Supervisor::reload(WorkerCommand command, const SupervisorPolicy& policy, Reloaded done) {
  if (stopping_) return done("the server stops");
  if (reloading_) {
    log_.info("Generation ", generation_, " is given up: another reload came");
  } else {
    previous_command_ = std::move(command_);
    previous_policy_ = policy_;
  }
  if (mold_) older_molds_.push_back(std::move(mold_));
  command_ = std::move(command);
  policy_ = policy;
  reloaded_ = std::move(done);
  generation_ = ++last_generation_;
  reloading_ = true;
  if (policy_.development) suspended_ = false;
  blocked_until_ms_ = back_off_ms_ = 0;
  reconcile();
}

void Supervisor::finish_reload() {
  reloading_ = false;
  started_ = true;
  serving_generation_ = generation_;
  if (reloaded_) std::exchange(reloaded_, nullptr)({});
}

void Supervisor::note_failure(const std::string& why) {
  if (!policy_.development) return;
  failure_ = failure_text(command_);
  if (failure_.empty()) failure_ = why;
}

// The generation that serves stays; what of the new one came up is exchanged for it again.
void Supervisor::fail_reload(const std::string& why) {
  if (!reloading_) return;
  reloading_ = false;
  note_failure(why);
  command_ = std::move(previous_command_);
  policy_ = previous_policy_;
  generation_ = serving_generation_;
  retire_mold(std::move(mold_));
  const auto old = std::find_if(older_molds_.begin(), older_molds_.end(),
                                [this](const auto& mold) { return mold->generation() == generation_; });
  if (old != older_molds_.end()) {
    mold_ = std::move(*old);
    older_molds_.erase(old);
  }
  blocked_until_ms_ = back_off_ms_ = 0;
  if (policy_.development && !ever_ready_) suspended_ = true;  // nobody serves: the code of before would fail as well
  log_.error("Reload failed: ", why,
             policy_.development ? "; requests get an error page until it is mended" : "; the workers of before go on");
  if (reloaded_) std::exchange(reloaded_, nullptr)(why);
  reconcile();
}

// ---------------------------------------------------------------------------------------------------- what the dispatcher tells

WorkerProcess* Supervisor::find(const dispatch::WorkerLink& link) const {
  for (const auto& worker : workers_) {
    if (&worker->link() == &link) return worker.get();
  }
  return nullptr;
}

void Supervisor::on_ready(dispatch::WorkerLink& link) {
  WorkerProcess* worker = find(link);
  if (worker == nullptr) return;
  worker->notes.was_ready = ever_ready_ = true;
  if (worker->notes.ending) {  // it was told to end before it could say so
    dispatcher_.retire(link);
    return;
  }
  worker->notes.due_ms = 0;
  timer_.start(0);  // reconciles when the turn's records are read: this comes from the middle of one worker's
}

void Supervisor::on_bad_record(dispatch::WorkerLink& link, const char* why) {
  WorkerProcess* worker = find(link);
  if (worker == nullptr || link.state() == State::Dead) return;
  log_.error("Worker (pid:", worker->pid(), ") is replaced: ", why);
  worker->notes.cause = why;
  worker->notes.replaced_for = serve::RestartCause::BadRecord;
  bury(*worker, false);
  worker->kill(SIGKILL);
}

void Supervisor::on_retire_wish(dispatch::WorkerLink& link) {
  if (WorkerProcess* worker = find(link)) {
    worker->notes.worn = true;
    if (!worker->notes.replaced_for) worker->notes.replaced_for = serve::RestartCause::Wish;
  }
  timer_.start(0);
}

void Supervisor::on_request_finished(dispatch::WorkerLink& link) {
  if (policy_.max_requests == 0) return;
  WorkerProcess* worker = find(link);
  if (worker == nullptr || worker->notes.worn || worker->notes.most_requests == 0 ||
      link.finished() < worker->notes.most_requests)
    return;
  worker->notes.worn = true;
  worker->notes.replaced_for = serve::RestartCause::MaxRequests;
  log_.info("Worker (pid:", worker->pid(), ") is replaced: it has served ", link.finished(), " requests");
  timer_.start(0);
}

// ---------------------------------------------------------------------------------------------------- the end

void Supervisor::stop() {
  if (stopping_) return;
  stopping_ = true;
  if (reloaded_) std::exchange(reloaded_, nullptr)("the server stops");
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    WorkerProcess& worker = *workers_[i];
    if (worker.link().state() == State::Starting) {
      end_starting(worker);
    } else if (worker.link().state() == State::Ready) {
      worker.notes.ending = true;
      dispatcher_.retire(worker.link());
    }
  }
  forget_unborn();
  arm();
}

void Supervisor::quit(int signal) {
  stopping_ = true;
  for (auto& worker : workers_) {
    worker->notes.ending = true;
    if (worker->withdraw()) continue;
    worker->kill(signal);
    // It does not come to forking.
    if (Mold* mold = worker->mold(); mold != nullptr && signal == SIGKILL) mold->kill(SIGKILL);
  }
  forget_unborn();
}

}  // namespace prefork::process

#include "master/process/supervisor.hpp"

#include <algorithm>
#include <csignal>

namespace prefork::process {
namespace {

constexpr std::uint64_t kLongestBackOffMs = 10'000;
constexpr std::uint64_t kHealthyMs = 5'000;  // who lived so long did not fail at start-up

}  // namespace

Supervisor::Supervisor(net::Loop& loop, dispatch::Dispatcher& dispatcher, const WorkerCommand& command, unsigned workers, Say say)
    : loop_(loop), dispatcher_(dispatcher), command_(command), wanted_(workers), say_(std::move(say)), bell_(shm::make_bell()), respawn_(loop, [this] {
        std::vector<unsigned> ids;
        ids.swap(to_respawn_);
        for (const auto id : ids) spawn(id);
      }) {
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
  for (unsigned id = 1; id <= wanted_; ++id) spawn(id);
}

void Supervisor::spawn(unsigned id) {
  if (stopping_) return;
  dispatch::WorkerIdentity identity;
  identity.id = id;
  identity.age = ++age_;
  workers_.push_back(std::make_unique<WorkerProcess>(loop_, dispatcher_, command_, geometry_, bell_, identity,
                                                     [this](WorkerProcess& worker, ExitStatus status) { on_exit(worker, status); }));
  dispatcher_.add(workers_.back()->link());
}

WorkerProcess* Supervisor::find(const dispatch::WorkerLink& link) {
  for (auto& worker : workers_) {
    if (&worker->link() == &link) return worker.get();
  }
  return nullptr;
}

void Supervisor::on_ready(dispatch::WorkerLink&) { back_off_ms_ = 0; }

void Supervisor::on_bad_record(dispatch::WorkerLink& link, const char* why) {
  WorkerProcess* worker = find(link);
  if (worker == nullptr || link.state() == dispatch::WorkerLink::State::Dead) return;
  say_("worker " + std::to_string(worker->pid()) + " is replaced: " + why);
  dispatcher_.bury(link, false, [](const http::Exchange&, bool) {});
  worker->kill(SIGKILL);
}

void Supervisor::on_retire_wish(dispatch::WorkerLink& link) { link.retire(); }

void Supervisor::on_request_finished(dispatch::WorkerLink&) {}

void Supervisor::on_exit(WorkerProcess& worker, ExitStatus status) {
  const auto found = std::find_if(workers_.begin(), workers_.end(), [&](const auto& one) { return one.get() == &worker; });
  if (found == workers_.end()) return;
  gone_.clear();
  gone_.push_back(std::move(*found));
  workers_.erase(found);
  dispatch::WorkerLink& link = worker.link();
  if (link.state() != dispatch::WorkerLink::State::Dead) dispatcher_.bury(link, link.bad() == nullptr, [](const http::Exchange&, bool) {});
  if (stopping_) {
    if (workers_.empty() && stopped_) stopped_();
    return;
  }
  say_("worker " + std::to_string(worker.pid()) + " ended, " +
       (status.signal != 0 ? "signal " + std::to_string(status.signal) : "exit code " + std::to_string(status.code)));
  const bool failed_early = loop_.now_ms() - worker.started_ms() < kHealthyMs && link.finished() == 0;
  back_off_ms_ = failed_early ? std::min(std::max<std::uint64_t>(back_off_ms_ * 2, 100), kLongestBackOffMs) : 0;
  to_respawn_.push_back(link.identity().id);
  respawn_.start(back_off_ms_);
}

void Supervisor::stop(std::function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  if (workers_.empty()) return stopped_();
  for (auto& worker : workers_) {
    worker->link().retire();
    worker->link().send_drain();
  }
}

void Supervisor::stop_now(int signal) {
  for (auto& worker : workers_) worker->kill(signal);
}

}  // namespace prefork::process

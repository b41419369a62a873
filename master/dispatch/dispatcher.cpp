#include "master/dispatch/dispatcher.hpp"

#include <algorithm>

#include "master/dispatch/reasons.hpp"
#include "shm/fault.hpp"

namespace prefork::dispatch {
namespace {

constexpr std::uint64_t kStuckCheckMs = 1;
constexpr std::uint64_t kOversleptCheckMs = 10;
constexpr std::uint64_t kExpiryMs = 100;
constexpr const char* kNoCode = "the application cannot be loaded";
constexpr std::uint8_t kMostCrashes = 2;  // a request that was started in two workers that died is poison

}  // namespace

Dispatcher::Dispatcher(net::Loop& loop, net::DeadlineWheel& wheel, const Policy& policy)
    : loop_(loop),
      wheel_(wheel),
      policy_(policy),
      stuck_timer_(loop, [this] { loop_.update_now(); }),  // only wakes the loop: before_sleep() judges
      expiry_timer_(loop, [this] { expire_queue(); }),
      none_ready_since_ms_(loop.now_ms()) {
  set_policy(policy);
}

void Dispatcher::set_policy(const Policy& policy) {
  const bool changed = policy.sticky != policy_.sticky || (!sticky_ && !policy.sticky.empty());
  policy_ = policy;
  if (!changed) return;
  if (sticky_) put_in_front(sticky_->forget_all());
  sticky_.reset();
  if (auto rule = StickyRule::parse(policy_.sticky)) sticky_ = std::make_unique<Sticky>(std::move(*rule));
  for (auto* exchange = queue_.front(); exchange != nullptr; exchange = http::ExchangeList::next(*exchange))
    exchange->sticky = sticky_ ? sticky_->bucket_of(*exchange) : 0;
}

// ---------------------------------------------------------------------------------------------------- from connections

void Dispatcher::submit(http::Exchange& exchange) {
  PREFORK_FAULT_POINT("master.enqueue");
  const bool crowded = policy_.limit_concurrency != 0 && queued() + in_flight_ >= policy_.limit_concurrency;
  if (crowded || (policy_.queue_size != 0 && queued() >= policy_.queue_size)) {
    return exchange.sink->on_failure(exchange, 503, crowded ? kTooMany : kQueueFull);
  }
  if (gate_ == Gate::Refusing) return exchange.sink->on_failure(exchange, 500, kNoCode);
  exchange.dispatcher = this;
  exchange.stage = http::Stage::Queued;
  exchange.queued_ns = loop_.now_ns();
  if (policy_.request_timeout_ms != 0) exchange.set(wheel_, loop_.now_ms() + policy_.request_timeout_ms);
  exchange.sticky = sticky_ ? sticky_->bucket_of(exchange) : 0;
  queue_.push_back(exchange);
  if (!expiry_timer_.active()) expiry_timer_.start(kExpiryMs, kExpiryMs);
}

void Dispatcher::leave(http::Exchange& exchange) {
  exchange.disarm();
  if (exchange.stage == http::Stage::Queued) {
    take_out(exchange);
  } else if (exchange.dispatcher != nullptr) {
    --in_flight_;
  }
  exchange.dispatcher = nullptr;
  exchange.stage = http::Stage::Done;
}

void Dispatcher::take_out(http::Exchange& exchange) {
  if (exchange.lane != nullptr) return sticky_->unpark(exchange);
  queue_.remove(exchange);
}

void Dispatcher::put_in_front(std::vector<http::Exchange*> exchanges) {
  for (auto exchange = exchanges.rbegin(); exchange != exchanges.rend(); ++exchange) queue_.push_front(**exchange);
}

void Dispatcher::cancel(http::Exchange& exchange, wire::CancelReason reason) {
  if (exchange.dispatcher == nullptr) return;
  if (exchange.link != nullptr) exchange.link->cancel(exchange, reason);
  leave(exchange);
}

void Dispatcher::body_arrived(http::Exchange& exchange) {
  if (exchange.link != nullptr) exchange.link->pump_body(exchange);
}

void Dispatcher::give_reply_credit(http::Exchange& exchange, std::uint64_t bytes) {
  if (exchange.link != nullptr) exchange.link->send_credit(exchange, bytes);
}

void Dispatcher::fail(http::Exchange& exchange, std::uint16_t status, const char* why) {
  leave(exchange);
  exchange.sink->on_failure(exchange, status, why);
}

void Dispatcher::on_request_timeout(http::Exchange& exchange) {
  give_up(exchange, 504, "the request took longer than --request-timeout");
}

void Dispatcher::on_finished(http::Exchange& exchange) {
  exchange.disarm();
  exchange.dispatcher = nullptr;
  --in_flight_;
}

// ---------------------------------------------------------------------------------------------------- from the supervisor

void Dispatcher::add(WorkerLink& link) { links_.push_back(&link); }

bool Dispatcher::any_ready() const {
  return std::any_of(links_.begin(), links_.end(),
                     [](const WorkerLink* link) { return link->state() == WorkerLink::State::Ready; });
}

void Dispatcher::on_worker_ready(WorkerLink& link) {
  interface_known_ = true;
  interface_ = link.interface();
  if (keeper_ != nullptr) keeper_->on_ready(link);
}

void Dispatcher::on_retire_wish(WorkerLink& link) {
  if (keeper_ != nullptr) keeper_->on_retire_wish(link);
}

// Replies that were published before the death count; then everything is judged, the oldest last, so that the front of the
// queue ends up in the order in which the requests came.
void Dispatcher::bury(WorkerLink& link, bool trusted, const std::function<void(const http::Exchange&, bool)>& mourn) {
  PREFORK_FAULT_POINT("master.requeue");
  while (link.drain(loop_.now_ns())) {
  }
  std::erase(links_, &link);
  if (sticky_) put_in_front(sticky_->forget(link));
  if (!any_ready()) none_ready_since_ms_ = loop_.now_ms();
  auto left = link.bury();
  for (const auto& one : left) mourn(*one.exchange, one.started);
  std::reverse(left.begin(), left.end());
  for (const auto& one : left) {
    if (link.held().back() != one.exchange) continue;  // its connection has ended with another's failure
    link.let_go(*one.exchange);
    judge(one, trusted);
  }
}

void Dispatcher::judge(const WorkerLink::Left& left, bool trusted) {
  http::Exchange& exchange = *left.exchange;
  const bool replying = exchange.started_reply();
  const bool surely_unstarted = !left.started && (trusted || exchange.safe());
  if (!replying && !exchange.body_sent && surely_unstarted) return enqueue_front(exchange);
  if (left.started) ++exchange.crashes;
  const bool may_retry = policy_.retry_crashed && exchange.safe() && !replying && !exchange.body_sent;
  if (may_retry && exchange.crashes < kMostCrashes) return enqueue_front(exchange);
  fail(exchange, 502,
       exchange.crashes >= kMostCrashes ? "two workers died while they ran this request"
                                        : "the worker died while it ran this request");
}

void Dispatcher::enqueue_front(http::Exchange& exchange) {
  ++requeued_total_;
  if (exchange.stage != http::Stage::Queued) --in_flight_;
  exchange.stage = http::Stage::Queued;
  exchange.replied_ns = 0;
  exchange.body_credit = 0;
  queue_.push_front(exchange);
  if (!expiry_timer_.active()) expiry_timer_.start(kExpiryMs, kExpiryMs);
}

void Dispatcher::abandon(WorkerLink& link) {
  PREFORK_FAULT_POINT("master.retire");
  link.retire();
  if (!any_ready()) none_ready_since_ms_ = loop_.now_ms();
  std::vector<http::Exchange*> revoked;
  link.take_back(loop_.now_ns(), revoked);
  std::reverse(revoked.begin(), revoked.end());
  if (sticky_) put_in_front(sticky_->forget(link));
  for (http::Exchange* exchange : revoked) enqueue_front(*exchange);
}

void Dispatcher::retire(WorkerLink& link) {
  abandon(link);
  std::vector<http::Exchange*> held;
  for (http::Exchange* exchange = link.held().front(); exchange != nullptr;
       exchange = http::ExchangeList::next(*exchange))
    held.push_back(exchange);
  for (http::Exchange* exchange : held) exchange->sink->on_worker_retired(*exchange);
  link.send_drain();
}

void Dispatcher::give_up(http::Exchange& exchange, std::uint16_t status, const char* why) {
  if (exchange.link != nullptr) exchange.link->cancel(exchange, wire::CancelReason::TimedOut);
  fail(exchange, status, why);
}

void Dispatcher::fail_running(WorkerLink& link, std::uint16_t status, const char* why) {
  while (http::Exchange* exchange = link.held().front()) give_up(*exchange, status, why);
}

// One reply's end may take others of its connection along: the list is looked at anew.
void Dispatcher::cut_streams(WorkerLink& link) {
  const auto next = [&link]() -> http::Exchange* {
    for (auto* exchange = link.held().front(); exchange != nullptr; exchange = http::ExchangeList::next(*exchange)) {
      if (exchange->started_reply()) return exchange;
    }
    return nullptr;
  };
  while (http::Exchange* exchange = next()) give_up(*exchange, 503, "the worker was replaced");
}

void Dispatcher::set_gate(Gate gate) {
  if (gate_ == gate) return;
  gate_ = gate;
  if (gate == Gate::Refusing) return fail_queue(500, kNoCode);
  if (gate == Gate::Stopped) return fail_queue(503, kStopped);
  none_ready_since_ms_ = loop_.now_ms();
  if (gate != Gate::Held) return;
  std::vector<http::Exchange*> revoked;
  for (WorkerLink* link : links_) {
    if (link->state() == WorkerLink::State::Ready) link->take_back(loop_.now_ns(), revoked);
  }
  std::reverse(revoked.begin(), revoked.end());
  for (http::Exchange* exchange : revoked) enqueue_front(*exchange);
}

void Dispatcher::fail_queue(std::uint16_t status, const char* why) {
  if (sticky_) put_in_front(sticky_->forget_all());
  while (http::Exchange* exchange = queue_.front()) fail(*exchange, status, why);
}

// ---------------------------------------------------------------------------------------------------- once a turn

bool Dispatcher::drain_all() {
  bool more = false;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    WorkerLink* link = links_[i];
    const auto before = link->finished();
    more |= link->drain(loop_.now_ns());
    if (keeper_ == nullptr) continue;
    for (auto n = before; n < link->finished(); ++n) keeper_->on_request_finished(*link);
    if (link->bad() != nullptr) keeper_->on_bad_record(*link, link->bad());
    if (i < links_.size() && links_[i] != link) --i;  // the keeper took it out
  }
  return more;
}

WorkerLink* Dispatcher::pick() {
  WorkerLink* best = nullptr;
  for (WorkerLink* link : links_) {
    if (link->room_for_heads() <= 0) continue;
    if (best == nullptr || link->in_flight() < best->in_flight()) best = link;
  }
  return best;
}

void Dispatcher::dispatch() {
  if (gate_ == Gate::Stopped) return fail_queue(503, kStopped);  // what workers that went have given back
  if (gate_ != Gate::Open) return;
  if (sticky_ && sticky_->waiting() != 0) dispatch_lanes();
  while (http::Exchange* exchange = queue_.front()) {
    if (sticky_ && exchange->sticky != 0) {
      Lane* const lane = sticky_->lane_of(exchange->sticky, links_);
      if (lane == nullptr) return;
      const bool now = lane->waiting.empty() && lane->link->room_for_heads() > 0;
      if (now && send(*exchange, *lane->link)) continue;
      queue_.remove(*exchange);
      sticky_->park(*lane, *exchange);
      continue;
    }
    WorkerLink* link = pick();
    if (link == nullptr || !send(*exchange, *link)) return;
  }
}

void Dispatcher::dispatch_lanes() {
  for (const auto& lane : sticky_->lanes()) {
    while (http::Exchange* exchange = lane->waiting.front()) {
      if (lane->link->room_for_heads() <= 0) break;
      sticky_->unpark(*exchange);
      queue_.push_front(*exchange);
      if (send(*exchange, *lane->link)) continue;
      queue_.remove(*exchange);
      sticky_->park(*lane, *exchange);
      break;
    }
  }
}

// From the front of the queue to a worker. False: it does not take it now.
bool Dispatcher::send(http::Exchange& exchange, WorkerLink& link) {
  PREFORK_FAULT_POINT("master.dispatch");
  queue_.remove(exchange);
  if (!link.try_send(exchange, loop_.now_ns())) {
    queue_.push_front(exchange);
    return false;
  }
  ++in_flight_;
  ++dispatched_;
  return true;
}

bool Dispatcher::before_sleep() {
  bool more = drain_all();
  take_back_from_stuck();
  dispatch();
  if (hold_bells()) return true;
  arm_stuck_check();
  for (WorkerLink* link : links_) more |= !link->try_arm();
  return more;
}

// Publishes what was sent, and rings for it unless one more look at the sockets is worth it.
bool Dispatcher::hold_bells() {
  bool sleeper = false;
  for (WorkerLink* link : links_) sleeper |= link->publish();
  const bool more_came = dispatched_ != dispatched_before_;
  dispatched_before_ = dispatched_;
  if (sleeper && patience_.waits(loop_.now_ns(), more_came)) return true;
  for (WorkerLink* link : links_) link->ring();
  return false;
}

void Dispatcher::after_sleep() {
  for (WorkerLink* link : links_) link->disarm();
  drain_all();
  dispatch();
}

// ---------------------------------------------------------------------------------------------------- time

// A one-shot timer from the last turn: it fires only when nothing else wakes the loop; under load every turn looks by itself.
void Dispatcher::arm_stuck_check() {
  const bool needed =
      std::any_of(links_.begin(), links_.end(), [](const WorkerLink* link) { return link->may_get_stuck(); });
  const bool overslept =
      queue_.front() != nullptr &&
      std::any_of(links_.begin(), links_.end(), [](const WorkerLink* link) { return link->overslept(); });
  if (needed) {
    stuck_timer_.start(kStuckCheckMs);
  } else if (overslept) {
    stuck_timer_.start(kOversleptCheckMs);
  } else if (stuck_timer_.active()) {
    stuck_timer_.stop();
  }
}

// Replies were drained just before: timers run before poll, so what has been answered meanwhile must be seen before anybody is judged.
void Dispatcher::take_back_from_stuck() {
  std::vector<http::Exchange*> revoked;
  for (WorkerLink* link : links_) link->check_stuck(loop_.now_ns(), revoked);
  std::reverse(revoked.begin(), revoked.end());
  for (http::Exchange* exchange : revoked) {
    ++revoked_total_;
    enqueue_front(*exchange);
  }
}

// False: it may wait longer.
bool Dispatcher::expire(http::Exchange& exchange, std::uint64_t held_ms) {
  const auto waited_ms = (loop_.now_ns() - std::min(exchange.queued_ns, loop_.now_ns())) / 1'000'000;
  const bool too_long = policy_.queue_timeout_ms != 0 && waited_ms >= policy_.queue_timeout_ms;
  const bool nobody =
      held_ms != 0 && policy_.hold_timeout_ms != 0 && std::min(waited_ms, held_ms) >= policy_.hold_timeout_ms;
  if (!too_long && !nobody) return false;
  fail(exchange, 503, nobody ? kNoWorker : kQueueTimeout);
  return true;
}

void Dispatcher::expire_queue() {
  const auto now_ms = loop_.now_ms();
  if (gate_ == Gate::Open && any_ready()) none_ready_since_ms_ = now_ms;
  const auto held_ms = now_ms - none_ready_since_ms_;
  bool waiting = false;
  const auto expire_front = [&](const http::ExchangeList& list) {
    while (http::Exchange* exchange = list.front()) {
      if (!expire(*exchange, held_ms)) return true;
    }
    return false;
  };
  if (sticky_) {
    for (const auto& lane : sticky_->lanes()) waiting |= expire_front(lane->waiting);
  }
  if (expire_front(queue_) || waiting) return;
  expiry_timer_.stop();
}

}  // namespace prefork::dispatch

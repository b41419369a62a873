#include "master/dispatch/worker_link.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include "master/dispatch/dispatcher.hpp"
#include "shm/fault.hpp"

namespace prefork::dispatch {
namespace {

constexpr std::uint64_t kMostUnclaimed = 64;
// So much work is put ahead of a worker: what a standstill would delay it by is taken back.
constexpr std::uint64_t kAheadNs = 1'000'000;
// Unclaimed records and no movement for so long; longer while nothing is started there: it may only be descheduled.
constexpr std::uint64_t kStuckNs = 1'000'000;
constexpr std::uint64_t kStuckIdleNs = 20'000'000;
constexpr std::uint64_t kMostPatienceNs = 2'000'000'000;
constexpr std::size_t kBodyPiece = 64 * 1024;

}  // namespace

WorkerLink::WorkerLink(Dispatcher& dispatcher, shm::Region region, const shm::Geometry& geometry, int bell_wait_fd,
                       int bell_signal_fd, int side_fd, const WorkerIdentity& identity)
    : dispatcher_(dispatcher),
      region_(std::move(region)),
      end_(shm::Parts(region_.bytes(), geometry), bell_wait_fd, bell_signal_fd),
      descriptors_(side_fd),
      identity_(identity),
      patience_ns_(kStuckIdleNs) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto now_us = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  shm::Parts(region_.bytes(), geometry).introduce(identity.id, identity.generation, now_us);
}

// ---------------------------------------------------------------------------------------------------- to the worker

std::uint64_t WorkerLink::unclaimed_estimate() const {
  // The worker's counter is advice: clamped to what can be.
  const std::uint64_t left = heads_sent_ - std::min(taken_, heads_sent_);
  return std::min<std::uint64_t>(left, busy_slots_);
}

int WorkerLink::room_for_heads() const {
  if (state_ != State::Ready || stuck_ || !backlog_.empty() || bad_ != nullptr) return 0;
  const std::uint64_t unclaimed = unclaimed_estimate();
  const std::uint64_t running = busy_slots_ - unclaimed;
  const std::uint64_t idle =
      running >= concurrency_ ? 0 : std::min<std::uint64_t>(concurrency_ - running, kMostUnclaimed);
  const bool loop = interface_ == wire::Interface::Asgi;
  const std::uint64_t ahead = loop || service_ns_ == 0 ? 0 : std::min(kAheadNs / service_ns_, kMostUnclaimed);
  return static_cast<int>(idle + ahead) - static_cast<int>(unclaimed);
}

std::uint32_t WorkerLink::take_slot() {
  if (free_slots_.empty()) {
    if (slots_.size() >= end_.claims.slots()) return ~0u;
    slots_.emplace_back();
    return static_cast<std::uint32_t>(slots_.size() - 1);
  }
  const auto index = free_slots_.back();
  free_slots_.pop_back();
  return index;
}

void WorkerLink::free_slot(std::uint32_t index) {
  Slot& slot = slots_[index];
  slot.exchange = nullptr;
  slot.busy = false;
  slot.partial.clear();
  free_slots_.push_back(index);
  --busy_slots_;
}

bool WorkerLink::try_send(http::Exchange& exchange, std::uint64_t now_ns) {
  const auto payload = exchange.request.payload();
  const bool fragments = payload.size() > end_.requests.max_payload();
  std::span<std::byte> space;
  if (!fragments) {
    space = end_.requests.try_claim(static_cast<std::uint32_t>(payload.size()));
    if (space.data() == nullptr) return false;
  }
  const auto index = take_slot();
  if (index == ~0u) return false;
  Slot& slot = slots_[index];
  slot.exchange = &exchange;
  slot.busy = true;
  ++slot.generation;
  ++busy_slots_;
  end_.claims.offer(index, slot.generation);
  if (fragments) {
    for (std::size_t at = 0; at < payload.size();) {
      const auto length = std::min<std::size_t>(payload.size() - at, end_.requests.max_payload());
      const bool more = at + length < payload.size();
      send(wire::Kind::Head, more ? wire::kMore : 0, index, slot.generation, payload.subspan(at, length));
      at += length;
    }
  } else {
    std::memcpy(space.data(), payload.data(), payload.size());
    end_.requests.commit({static_cast<std::uint16_t>(wire::Kind::Head), 0, index, slot.generation},
                         static_cast<std::uint32_t>(payload.size()));
    dirty_ = true;
  }
  if (unclaimed_estimate() == 0)
    moved_ns_ = now_ns;  // the clock of the stuck check starts with the first unclaimed record
  if (busy_slots_ == 1) counted_from_ns_ = now_ns;
  ++heads_sent_;
  exchange.link = this;
  exchange.slot = index;
  exchange.generation = slot.generation;
  exchange.stage = http::Stage::Sent;
  exchange.sent_ns = now_ns;
  exchange.worker_pid = static_cast<std::uint32_t>(identity_.pid);
  exchange.worker_id = identity_.id;
  exchange.worker_generation = identity_.generation;
  held_.push_back(exchange);
  return true;
}

void WorkerLink::send(wire::Kind kind, std::uint16_t flags, std::uint32_t slot, std::uint32_t generation,
                      std::span<const std::byte> bytes) {
  const shm::Tag tag{static_cast<std::uint16_t>(kind), flags, slot, generation};
  if (backlog_.empty() && put(tag, bytes)) return;
  backlog_.push_back({tag, {bytes.begin(), bytes.end()}});
  flush_backlog();
}

bool WorkerLink::put(const shm::Tag& tag, std::span<const std::byte> bytes) {
  const auto space = end_.requests.try_claim(static_cast<std::uint32_t>(bytes.size()));
  if (space.data() == nullptr) return false;
  if (!bytes.empty()) std::memcpy(space.data(), bytes.data(), bytes.size());
  end_.requests.commit(tag, static_cast<std::uint32_t>(bytes.size()));
  dirty_ = true;
  return true;
}

// Room is asked for only when something waits; the worker rings when it has read on.
void WorkerLink::flush_backlog() {
  while (!backlog_.empty()) {
    Frame& frame = backlog_.front();
    if (!put(frame.tag, frame.bytes)) {
      if (!end_.requests.request_room(static_cast<std::uint32_t>(frame.bytes.size()))) return;
      if (end_.requests.corrupt()) return;
      continue;
    }
    backlog_.pop_front();
  }
}

// The ring has room again: bodies that were held back go on, in turn.
void WorkerLink::resume_bodies() {
  bodies_wait_ = false;
  for (http::Exchange* exchange = held_.front(); exchange != nullptr; exchange = http::ExchangeList::next(*exchange)) {
    if (!backlog_.empty()) {
      bodies_wait_ = true;
      return;
    }
    if (exchange->body && exchange->body_credit > 0) pump_body(*exchange);
  }
}

// Sends what the worker has credit for of what is here.
void WorkerLink::pump_body(http::Exchange& exchange) {
  if (exchange.body_end_sent || exchange.slot >= slots_.size() || slots_[exchange.slot].exchange != &exchange) return;
  const std::size_t largest = std::min<std::size_t>(kBodyPiece, end_.requests.max_payload());
  while (exchange.body && !exchange.body->empty() && exchange.body_credit > 0) {
    if (!backlog_.empty()) {  // goes on when the ring has room again
      bodies_wait_ = true;
      return;
    }
    const auto front = exchange.body->front();
    if (front.empty()) return;  // on its way from the file
    const auto length = std::min({front.size(), largest, static_cast<std::size_t>(exchange.body_credit)});
    const bool last = exchange.body_whole && length == exchange.body->size();
    exchange.body_sent = true;
    send(wire::Kind::Body, last ? wire::kEnd : 0, exchange.slot, exchange.generation,
         std::as_bytes(front.first(length)));
    exchange.body->consume(length);
    exchange.body_credit -= length;
    if (last) exchange.body_end_sent = true;
  }
  const bool nothing_left = !exchange.body || exchange.body->empty();
  if (exchange.body_end_sent || !nothing_left || !(exchange.body_whole || exchange.body_aborted)) return;
  // The end takes no credit but waits for the first: before it nobody may have begun the request, and what comes for one that waits
  // is dropped there.
  if (!exchange.body_sent && exchange.body_credit == 0) return;
  exchange.body_end_sent = true;
  exchange.body_sent = true;
  send(wire::Kind::Body, static_cast<std::uint16_t>(wire::kEnd | (exchange.body_aborted ? wire::kAbort : 0)),
       exchange.slot, exchange.generation, {});
}

void WorkerLink::send_credit(http::Exchange& exchange, std::uint64_t bytes) {
  const wire::CreditRecord record{bytes};
  send(wire::Kind::Credit, 0, exchange.slot, exchange.generation, std::as_bytes(std::span(&record, 1)));
}

void WorkerLink::send_message(http::Exchange& exchange, std::span<const std::byte> bytes, bool text) {
  const std::uint16_t kind_flag = text ? wire::kText : 0;
  do {
    const auto length = std::min<std::size_t>({bytes.size(), end_.requests.max_payload(), kBodyPiece});
    const bool more = length < bytes.size();
    send(wire::Kind::Message, static_cast<std::uint16_t>(kind_flag | (more ? wire::kMore : 0)), exchange.slot,
         exchange.generation, bytes.first(length));
    bytes = bytes.subspan(length);
  } while (!bytes.empty());
}

void WorkerLink::send_close(http::Exchange& exchange, std::uint16_t code, std::string_view reason) {
  std::array<std::byte, sizeof(wire::CloseRecord) + 128> bytes{};
  reason = reason.substr(0, 128);
  const wire::CloseRecord record{code, static_cast<std::uint16_t>(reason.size()), 0};
  std::memcpy(bytes.data(), &record, sizeof record);
  if (!reason.empty()) std::memcpy(bytes.data() + sizeof record, reason.data(), reason.size());
  send(wire::Kind::Close, 0, exchange.slot, exchange.generation, std::span(bytes).first(sizeof record + reason.size()));
}

void WorkerLink::cancel(http::Exchange& exchange, wire::CancelReason reason) {
  let_go(exchange);
  if (state_ == State::Dead) return;
  Slot& slot = slots_[exchange.slot];
  slot.exchange = nullptr;
  if (end_.claims.try_revoke(exchange.slot, slot.generation)) {
    ++slot.generation;
    return free_slot(exchange.slot);
  }
  const wire::CancelRecord record{reason, 0};
  send(wire::Kind::Cancel, 0, exchange.slot, slot.generation, std::as_bytes(std::span(&record, 1)));
}

void WorkerLink::send_half_closed(http::Exchange& exchange) {
  const wire::CancelRecord record{wire::CancelReason::HalfClosed, 0};
  send(wire::Kind::Cancel, 0, exchange.slot, exchange.generation, std::as_bytes(std::span(&record, 1)));
}

void WorkerLink::send_drain() { send(wire::Kind::Drain, 0, 0, 0, {}); }

bool WorkerLink::publish() {
  if (dirty_) {
    dirty_ = false;
    unrung_ = true;
    end_.requests.publish();
  }
  return unrung_ && end_.worker_bell.would_wake();
}

void WorkerLink::ring() {
  if (!unrung_) return;
  unrung_ = false;
  end_.worker_bell.ring();
}

bool WorkerLink::try_arm() {
  end_.own_bell.arm();
  if (!end_.replies.anything_now() &&
      (backlog_.empty() || !end_.requests.request_room(static_cast<std::uint32_t>(backlog_.front().bytes.size())))) {
    return true;
  }
  end_.own_bell.disarm();
  return false;
}

// ---------------------------------------------------------------------------------------------------- standing still and dying

std::uint64_t WorkerLink::new_failures() {
  const std::uint64_t before = std::exchange(failed_, end_.counters.get(shm::Counter::Failed));
  return failed_ > before ? failed_ - before : 0;
}

// What a request takes here, seen from outside: the time from the last completion, shared by those that completed.
void WorkerLink::learn_service_time(std::uint64_t now_ns, std::uint64_t completed) {
  if (completed == 0) return;
  finished_ns_ = now_ns;
  patience_ns_ = std::max(kStuckIdleNs, patience_ns_ - patience_ns_ / 8);
  const std::uint64_t sample = (now_ns - std::min(counted_from_ns_, now_ns)) / completed;
  counted_from_ns_ = now_ns;
  service_ns_ = service_ns_ == 0 ? sample : (service_ns_ * 7 + sample) / 8;
  service_ns_ = std::max<std::uint64_t>(service_ns_, 1);
}

void WorkerLink::check_stuck(std::uint64_t now_ns, std::vector<http::Exchange*>& revoked) {
  const auto unclaimed = unclaimed_estimate();
  if (unclaimed == 0 || stuck_ || bad_ != nullptr) return;
  const bool something_started = busy_slots_ > unclaimed;
  if (now_ns - moved_ns_ < (something_started ? kStuckNs : patience_ns_)) return;
  PREFORK_FAULT_POINT("master.revoke");
  // Where every worker takes longer to wake (a processor quota that is used up), a request must not go round for ever.
  if (!something_started) patience_ns_ = std::min(2 * patience_ns_, kMostPatienceNs);
  take_back(now_ns, revoked);
  stuck_ = true;  // no more for it until it moves
}

void WorkerLink::take_back(std::uint64_t now_ns, std::vector<http::Exchange*>& revoked) {
  for (http::Exchange* exchange = held_.front(); exchange != nullptr;) {
    http::Exchange* const next = http::ExchangeList::next(*exchange);
    if (!exchange->body_sent && end_.claims.try_revoke(exchange->slot, exchange->generation)) {
      end_.recorder.note(shm::Event::Revoke, now_ns / 1000, exchange->slot, exchange->generation);
      Slot& slot = slots_[exchange->slot];
      ++slot.generation;
      free_slot(exchange->slot);
      held_.remove(*exchange);
      exchange->link = nullptr;
      revoked.push_back(exchange);
    }
    exchange = next;
  }
}

http::Exchange* WorkerLink::find_started(http::Exchange* from, http::Exchange* (*next)(http::Exchange&)) const {
  while (from != nullptr && !from->body_sent && !end_.claims.claimed(from->slot, from->generation)) from = next(*from);
  return from;
}

std::vector<WorkerLink::Left> WorkerLink::bury() {
  std::vector<Left> left;
  for (http::Exchange* exchange = held_.front(); exchange != nullptr; exchange = http::ExchangeList::next(*exchange)) {
    const bool started = exchange->body_sent || !end_.claims.try_revoke(exchange->slot, exchange->generation);
    left.push_back({exchange, started || exchange->started_reply()});
  }
  state_ = State::Dead;
  return left;
}

void WorkerLink::let_go(http::Exchange& exchange) {
  held_.remove(exchange);
  exchange.link = nullptr;
}

}  // namespace prefork::dispatch

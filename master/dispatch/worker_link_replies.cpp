// The way back of a WorkerLink: records of the worker are checked and become events of their exchanges.
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "master/dispatch/dispatcher.hpp"
#include "master/dispatch/worker_link.hpp"
#include "shm/fault.hpp"

namespace prefork::dispatch {
namespace {

constexpr std::size_t kRecordsPerTurn = 512;

// Reading anything else could keep the loop waiting.
bool is_file(int fd) {
  struct stat facts {};
  return fd >= 0 && ::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
}

bool is_stream_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return fd >= 0 && ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace

bool WorkerLink::drain(std::uint64_t now_ns) {
  if (bad_ != nullptr) return false;
  const auto finished_before = finished_;
  shm::Record record;
  std::size_t records = 0;
  bool more = false;
  for (;; ++records) {
    if (records == kRecordsPerTurn) {
      more = true;
      break;
    }
    const auto seen = end_.replies.peek(record);
    if (seen == shm::Peek::Empty) break;
    if (seen == shm::Peek::Bad) {
      bad_ = "a record of the reply ring has no sane length";
      return false;
    }
    if (!accept(record, now_ns)) {
      if (bad_ == nullptr) bad_ = "a reply makes no sense";
      return false;
    }
    end_.replies.hold();
  }
  if (records != 0) {
    dispatcher_.on_batch_end();
    end_.replies.release_held();
    if (end_.replies.settle()) end_.worker_bell.ring();
  }
  if (!backlog_.empty()) flush_backlog();
  // Also when a send() has emptied it meanwhile.
  if (backlog_.empty() && bodies_wait_) resume_bodies();
  const auto taken = end_.counters.get(shm::Counter::Taken);
  if (taken != taken_ || finished_ != finished_before) {
    taken_ = taken;
    moved_ns_ = now_ns;
    stuck_ = false;
    learn_service_time(now_ns, finished_ - finished_before);
  }
  if (end_.requests.corrupt()) bad_ = "the request ring's reader claims an impossible position";
  return more;
}

bool WorkerLink::accept(const shm::Record& record, std::uint64_t now_ns) {
  const auto kind = static_cast<wire::Kind>(record.tag.kind);
  if (kind == wire::Kind::Ready) return accept_ready(record);
  if (kind == wire::Kind::Retire) {
    dispatcher_.on_retire_wish(*this);
    return true;
  }
  const auto index = record.tag.slot;
  if (index >= slots_.size() || !slots_[index].busy || slots_[index].generation != record.tag.generation) {
    return refuse("a record names a request that is not in flight");
  }
  if (kind == wire::Kind::Credit) return accept_credit(slots_[index], record);
  return accept_reply(index, record, now_ns);
}

bool WorkerLink::accept_ready(const shm::Record& record) {
  PREFORK_FAULT_POINT("master.ready");
  wire::ReadyRecord ready;
  if (greeted_ || !wire::read_record(record.payload, ready)) return refuse("a second or malformed Ready record");
  if (ready.wire_version != wire::kWireVersion) return refuse("the worker speaks another version of the wire format");
  if (ready.interface > wire::Interface::Echo || ready.concurrency == 0) return refuse("a Ready record makes no sense");
  interface_ = ready.interface;
  concurrency_ = ready.concurrency;
  greeted_ = true;
  // It may have been told to end while it started, and have said so before it heard that.
  if (state_ == State::Starting) state_ = State::Ready;
  dispatcher_.on_worker_ready(*this);
  return true;
}

bool WorkerLink::accept_credit(Slot& slot, const shm::Record& record) {
  wire::CreditRecord credit;
  if (!wire::read_record(record.payload, credit) || credit.bytes > (std::uint64_t{1} << 40))
    return refuse("a Credit record makes no sense");
  if (slot.exchange == nullptr) return true;
  http::Exchange& exchange = *slot.exchange;
  exchange.body_credit = std::min(exchange.body_credit + credit.bytes, std::uint64_t{1} << 40);
  pump_body(exchange);
  exchange.sink->on_body_wanted(exchange);
  return true;
}

bool WorkerLink::accept_reply(std::uint32_t index, const shm::Record& record, std::uint64_t now_ns) {
  Slot& slot = slots_[index];
  http::ReplyEvent event;
  if (!read_event(slot, record, event)) return bad_ == nullptr;  // continued by the next record, or bad
  http::Exchange* exchange = slot.exchange;
  if (exchange != nullptr) {
    const bool reply = event.kind != wire::Kind::Socket;  // which is only an offer
    if (reply && exchange->replied_ns == 0) exchange->replied_ns = now_ns;
    if (reply && event.kind != wire::Kind::Interim)
      exchange->stage = event.end ? http::Stage::Done : http::Stage::Replying;
  }
  std::vector<std::byte> kept;  // a reassembled head must outlive its slot
  kept.swap(slot.partial);
  if (event.end) {
    if (exchange != nullptr) {
      held_.remove(*exchange);
      exchange->link = nullptr;
    }
    free_slot(index);
    ++finished_;
  }
  if (exchange == nullptr) return true;
  if (event.end) dispatcher_.on_finished(*exchange);
  return exchange->sink->on_reply(*exchange, event) || refuse("a reply head makes no sense");
}

bool WorkerLink::take_descriptor(std::uint32_t serial, bool (*is_right)(int), http::ReplyEvent& event) {
  auto taken = descriptors_.take(serial);
  if (!taken.came || (taken.fd && !is_right(taken.fd.get()))) return false;
  event.fd = std::move(taken.fd);
  return true;
}

// Reads one record into an event; false while it is continued, or when it is bad (bad_ says so).
bool WorkerLink::read_event(Slot& slot, const shm::Record& record, http::ReplyEvent& event) {
  const auto flags = record.tag.flags;
  event.kind = static_cast<wire::Kind>(record.tag.kind);
  event.end = (flags & wire::kEnd) != 0;
  event.aborted = (flags & wire::kAbort) != 0;
  event.text = (flags & wire::kText) != 0;
  event.more = (flags & wire::kMore) != 0;
  event.bytes = record.payload;
  switch (event.kind) {
    case wire::Kind::Head:
    case wire::Kind::Interim:
    case wire::Kind::Trailers: {
      constexpr std::size_t kLargestHead = 1 << 20;
      if (event.more || !slot.partial.empty()) {
        if (slot.partial.size() + record.payload.size() > kLargestHead)
          return refuse("a reply head is larger than 1 MiB");
        slot.partial.insert(slot.partial.end(), record.payload.begin(), record.payload.end());
        if (event.more) return false;
        event.bytes = slot.partial;
      }
      event.head = wire::ReplyView(event.bytes);
      const char* why = event.head.validate();
      return why == nullptr || refuse(why);
    }
    case wire::Kind::Body:
    case wire::Kind::Message: return true;
    case wire::Kind::Close:
      if (!wire::read_record(record.payload, event.close)) return refuse("a Close record is cut");
      event.bytes = record.payload.subspan(sizeof(wire::CloseRecord));
      return event.bytes.size() == event.close.reason_length || refuse("a Close record's reason lies outside");
    case wire::Kind::File:
      if (!wire::read_record(record.payload, event.file)) return refuse("a File record is cut");
      return take_descriptor(event.file.serial, is_file, event) ||
             refuse("a File record names no descriptor of a file");
    case wire::Kind::Socket: {
      wire::SocketRecord socket;
      if (!wire::read_record(record.payload, socket)) return refuse("a Socket record is cut");
      return take_descriptor(socket.serial, is_stream_socket, event) ||
             refuse("a Socket record names no stream socket");
    }
    default: return refuse("a record of unknown kind");
  }
}

}  // namespace prefork::dispatch

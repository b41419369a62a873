#include "worker/inbox.hpp"

#include "shm/fault.hpp"
#include "worker/clock.hpp"

namespace prefork::worker {
namespace {

constexpr std::size_t kSparesKept = 64;
constexpr std::size_t kLargestSpare = 512 * 1024;

}  // namespace

bool Inbox::pump() {
  shm::Record record;
  bool any = false;
  for (;;) {
    const auto seen = channel_.requests.peek(record);
    if (seen == shm::Peek::Empty) break;
    if (seen == shm::Peek::Bad) {
      broken_ = true;
      return any;
    }
    accept(record);
    PREFORK_FAULT_POINT("worker.pump");  // read, not yet given back
    channel_.requests.release();
    any = true;
  }
  if (any && channel_.requests.settle()) channel_.master_bell.ring();
  return any;
}

void Inbox::accept(const shm::Record& record) {
  const auto kind = static_cast<wire::Kind>(record.tag.kind);
  if (kind == wire::Kind::Head) return accept_head(record);
  if (kind == wire::Kind::Drain) {
    PREFORK_FAULT_POINT("worker.drain");
    draining_ = true;
    channel_.recorder.note(shm::Event::Drain, coarse_us());
    channel_.phase.set(shm::Phase::Draining, coarse_us());
    return;
  }
  if (record.tag.slot >= streams_.size()) return;
  Stream& stream = streams_[record.tag.slot];
  if (!stream.open || stream.generation != record.tag.generation) return accept_early(record);
  switch (kind) {
    case wire::Kind::Body:
      if (!record.payload.empty()) {
        stream.body.push_back(spare());
        stream.body.back().assign(record.payload.begin(), record.payload.end());
        channel_.counters.add(shm::Counter::BodyBytesIn, record.payload.size());
      }
      stream.body_ended |= (record.tag.flags & wire::kEnd) != 0;
      stream.body_aborted |= (record.tag.flags & wire::kAbort) != 0;
      break;
    case wire::Kind::Credit:
      if (wire::CreditRecord credit; wire::read_record(record.payload, credit)) stream.send_credit += credit.bytes;
      break;
    case wire::Kind::Cancel:
      if (wire::CancelRecord cancel; wire::read_record(record.payload, cancel)) stream.cancel_reason = cancel.reason;
      (stream.cancel_reason == wire::CancelReason::HalfClosed ? stream.half_closed : stream.cancelled) = true;
      channel_.recorder.note(shm::Event::Cancel, coarse_us(), record.tag.slot,
                             static_cast<std::uint32_t>(stream.cancel_reason));
      break;
    case wire::Kind::Message: accept_message(stream, record); break;
    case wire::Kind::Close: accept_close(stream, record.payload); break;
    default: break;
  }
  list(stream, record.tag.slot);
}

// For a request that is over, or for one that nobody has taken yet: of that the client's half-close alone is said before.
void Inbox::accept_early(const shm::Record& record) {
  wire::CancelRecord cancel;
  if (static_cast<wire::Kind>(record.tag.kind) != wire::Kind::Cancel || !wire::read_record(record.payload, cancel) ||
      cancel.reason != wire::CancelReason::HalfClosed)
    return;
  for (Waiting& waiting : heads_)
    waiting.half_closed |= waiting.slot == record.tag.slot && waiting.generation == record.tag.generation;
}

void Inbox::accept_head(const shm::Record& record) {
  const auto [kind, flags, slot, generation] = record.tag;
  if (slot >= channel_.claims.slots()) {
    broken_ = true;
    return;
  }
  while (streams_.size() <= slot) streams_.emplace_back();
  Stream& stream = streams_[slot];
  if (!stream.head.empty() && stream.head_generation != generation) stream.head.clear();  // its rest never came
  if ((flags & wire::kMore) != 0 || !stream.head.empty()) {
    stream.head_generation = generation;
    stream.head.insert(stream.head.end(), record.payload.begin(), record.payload.end());
    if ((flags & wire::kMore) != 0) return;
    heads_.push_back({slot, generation, std::move(stream.head), false});
    stream.head = {};
    return;
  }
  heads_.push_back({slot, generation, spare(), false});
  heads_.back().payload.assign(record.payload.begin(), record.payload.end());
}

void Inbox::accept_message(Stream& stream, const shm::Record& record) {
  stream.partial.insert(stream.partial.end(), record.payload.begin(), record.payload.end());
  if ((record.tag.flags & wire::kMore) != 0) return;
  stream.messages.push_back({(record.tag.flags & wire::kText) != 0, std::move(stream.partial)});
  stream.partial = {};
}

void Inbox::accept_close(Stream& stream, std::span<const std::byte> payload) {
  wire::CloseRecord close;
  if (!wire::read_record(payload, close)) return;
  stream.ws_closed = true;
  stream.ws_code = close.code;
  const auto reason = payload.subspan(sizeof close);
  stream.ws_reason = wire::as_text(reason.first(std::min<std::size_t>(reason.size(), close.reason_length)));
}

bool Inbox::take(Job& job) {
  while (!heads_.empty()) {
    Waiting waiting = std::move(heads_.front());
    heads_.pop_front();
    PREFORK_FAULT_POINT("worker.claim");
    channel_.counters.add(shm::Counter::Taken);
    if (!channel_.claims.try_claim(waiting.slot, waiting.generation)) {
      channel_.recorder.note(shm::Event::Skip, coarse_us(), waiting.slot, waiting.generation);
      if (spares_.size() < kSparesKept) spares_.push_back(std::move(waiting.payload));
      continue;
    }
    PREFORK_FAULT_POINT("worker.start");  // claimed: from here on it is ours
    channel_.recorder.note(shm::Event::Take, coarse_us(), waiting.slot, waiting.generation);
    job.slot = waiting.slot;
    job.generation = waiting.generation;
    job.payload = std::move(waiting.payload);
    job.view = wire::RequestView(job.payload);
    if (job.view.validate() != nullptr) {  // the master does not write such a head: memory is not what it was
      broken_ = true;
      return false;
    }
    Stream& stream = open_stream(job.slot, job.generation);
    const auto flags = job.view.head().flags;
    stream.body_ended = (flags & wire::kBodyComplete) != 0 || (flags & wire::kHasBody) == 0;
    stream.half_closed = waiting.half_closed || (flags & wire::kHalfClosed) != 0;
    return true;
  }
  return false;
}

Stream& Inbox::open_stream(std::uint32_t slot, std::uint32_t generation) {
  Stream& stream = streams_[slot];
  if (!stream.body.empty()) stream.body.clear();
  if (!stream.messages.empty()) stream.messages.clear();
  if (!stream.ws_reason.empty()) stream.ws_reason.clear();
  if (!stream.partial.empty()) stream.partial.clear();
  // The one before may still be open here: its end was sent, and the master was quicker than its close().
  if (!stream.open) ++open_streams_;
  stream.open = true;
  stream.generation = generation;
  stream.owner = nullptr;
  stream.body_ended = stream.body_aborted = stream.cancelled = stream.half_closed = stream.ws_closed = false;
  stream.ws_code = 1005;
  stream.send_credit = first_credit_;
  return stream;
}

void Inbox::close(Job& job) {
  Stream& stream = streams_[job.slot];
  if (stream.open && stream.generation == job.generation) {
    stream.open = false;
    stream.owner = nullptr;
    stream.body.clear();
    stream.messages.clear();
    stream.partial.clear();
    --open_streams_;
  }
  job.view = {};
  if (spares_.size() < kSparesKept && job.payload.capacity() <= kLargestSpare)
    spares_.push_back(std::move(job.payload));
  job.payload = {};
}

void Inbox::list(Stream& stream, std::uint32_t slot) {
  if (stream.listed) return;
  stream.listed = true;
  changed_.push_back(slot);
}

void Inbox::clear_changed() {
  for (const auto slot : changed_) streams_[slot].listed = false;
  changed_.clear();
}

Buffer Inbox::spare() {
  if (spares_.empty()) return {};
  Buffer buffer = std::move(spares_.back());
  spares_.pop_back();
  return buffer;
}

}  // namespace prefork::worker

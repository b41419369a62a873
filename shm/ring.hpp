// One direction of a channel: a byte ring of variable-length records with one writer process and one reader process.
// Producer and Consumer are handles over the same RingPositions and bytes; make each once. Neither trusts what the other wrote:
// a position or a length out of bounds makes the handle say so and move nothing.
//
// Invariant: head <= tail <= head + capacity; both only grow; a record is contiguous and 16-aligned.
// Orderings are told operation by operation here and as a table in shm/README.md.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "shm/atomic.hpp"
#include "shm/check.hpp"

namespace prefork::shm {

// What stands before every record's payload.
struct RecordHeader {
  std::uint32_t length;  // header and payload, without the padding to the next multiple of 16
  std::uint16_t kind;
  std::uint16_t flags;
  std::uint32_t slot;
  std::uint32_t generation;
};
static_assert(sizeof(RecordHeader) == 16);

inline constexpr std::uint32_t kRecordAlign = 16;
inline constexpr std::uint16_t kPaddingKind = 0;

// What names a record besides its bytes.
struct Tag {
  std::uint16_t kind = 0;
  std::uint16_t flags = 0;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
};

struct Record {
  Tag tag;
  std::span<const std::byte> payload;  // inside the ring, until release()
};

struct RingPositions {
  alignas(kLine) Atomic<std::uint64_t> tail;       // written by the producer
  alignas(kLine) Atomic<std::uint64_t> head;       // written by the consumer
  alignas(kLine) Atomic<std::uint32_t> want_room;  // set by a refused producer, taken back by the consumer
};
static_assert(sizeof(RingPositions) == 3 * kLine);

// How far records walk through an empty ring at least before they start over: as much as stays in a core's own cache.
inline constexpr std::size_t kHotBytes = 32 * 1024;

constexpr std::uint64_t record_space(std::uint64_t length) {
  return (length + kRecordAlign - 1) & ~std::uint64_t{kRecordAlign - 1};
}

class Producer {
 public:
  // `bytes` has a power of two of bytes, at least 256.
  Producer(RingPositions& positions, std::span<std::byte> bytes)
      : positions_(positions), bytes_(bytes), mask_(bytes.size() - 1), restart_after_(least_restart()) {
    PREFORK_CHECK(bytes.size() >= 256 && (bytes.size() & mask_) == 0, "a ring's capacity is a power of two");
  }

  std::uint32_t max_payload() const { return static_cast<std::uint32_t>(bytes_.size() / 2 - sizeof(RecordHeader)); }

  // Room for a payload of `max` bytes, or an empty span with data() == nullptr: no room now. A refusal moves nothing.
  // What is claimed is private until commit(); claiming again drops an uncommitted claim.
  [[nodiscard]] std::span<std::byte> try_claim(std::uint32_t max) {
    PREFORK_CHECK(max <= max_payload(), "a payload is at most half the ring");
    claimed_ = kNothing;
    const std::uint64_t need = record_space(sizeof(RecordHeader) + std::uint64_t{max});
    const std::uint64_t position = tail_ & mask_;
    const std::uint64_t to_end = bytes_.size() - position;
    // When the ring is empty the record goes to the start again, so that quiet traffic stays in the same few pages and cache lines.
    // Looked at once a batch: the consumer's position is in its cache.
    if (position > restart_after_ && need <= position && batch_begins_) {
      batch_begins_ = false;
      if (load_head(kAcquire) == tail_ && !corrupt_) return start_over(to_end, max);
    }
    if (need <= to_end && has_room(need)) return claim_here(position, max);
    if (need > to_end && has_room(to_end + need)) return claim_at_start(to_end, max);
    // What was stepped over to start over is no room for the rest of its batch: where batches are large, start over later.
    restart_after_ = std::min<std::uint64_t>(2 * restart_after_, bytes_.size() / 2);
    return {};
  }

  // Makes the claimed record, with `used` bytes of payload, visible to the consumer. Rings no bell.
  void commit(const Tag& tag, std::uint32_t used) {
    PREFORK_CHECK(claimed_ != kNothing && used <= claimed_, "commit() follows try_claim() of at least as much");
    const RecordHeader header{static_cast<std::uint32_t>(sizeof(RecordHeader) + used), tag.kind, tag.flags, tag.slot,
                              tag.generation};
    std::memcpy(bytes_.data() + ((tail_ + padding_) & mask_), &header, sizeof header);
    tail_ += padding_ + record_space(header.length);
    claimed_ = kNothing;
    // release: pairs with acquire in Consumer::peek. Publishes the record's bytes before its tail.
    positions_.tail.store(tail_, std::memory_order_release);
  }

  // Before the bell is looked at: orders the last commit before the load of the sleeping flag.
  void publish() {
    // seq_cst: pairs with seq_cst in Consumer::anything_now after the sleeper armed. Either it sees this tail or we see its flag.
    positions_.tail.store(tail_, std::memory_order_seq_cst);
    batch_begins_ = true;
  }

  // After a refusal: asks for a bell when there is room. True when room for `max` came in between: try again instead of waiting.
  // Called after arming, each time anew: the consumer takes the wish back and rings at the first room it makes, however little,
  // and a bell that rings before its sleeper is armed is not heard. A wish that is no longer needed is left standing, because
  // another thread may share it; it costs at most one bell too many.
  [[nodiscard]] bool request_room(std::uint32_t max) {
    // seq_cst: pairs with seq_cst in Consumer::settle. Either the consumer sees the wish or we see its new head below.
    positions_.want_room.store(1, std::memory_order_seq_cst);
    return would_fit(max);
  }

  // True when a claim of `max` would be granted now (re-reads the consumer's position).
  [[nodiscard]] bool would_fit(std::uint32_t max) {
    const std::uint64_t need = record_space(sizeof(RecordHeader) + std::uint64_t{max});
    const std::uint64_t to_end = bytes_.size() - (tail_ & mask_);
    // seq_cst: the re-check behind request_room() must not move before its store.
    const std::uint64_t used = tail_ - load_head(kSeqCst);
    if (corrupt_) return false;
    if (used == 0 && need <= (tail_ & mask_)) return true;
    return used + (need <= to_end ? need : to_end + need) <= bytes_.size();
  }

  bool drained() { return load_head(kAcquire) == tail_; }
  bool corrupt() const { return corrupt_; }  // the consumer's position made no sense: nothing is granted any more
  std::uint64_t tail() const { return tail_; }

 private:
  static constexpr auto kAcquire = std::memory_order_acquire;
  static constexpr auto kSeqCst = std::memory_order_seq_cst;

  // The consumer's position, checked; a bad one freezes the last good one.
  std::uint64_t load_head(std::memory_order order) {
    // acquire (or seq_cst): pairs with release in Consumer::release. The consumer has read what lies before its head.
    const std::uint64_t head = positions_.head.load(order);
    if (head < head_ || head > tail_ || (head & (kRecordAlign - 1)) != 0) {
      corrupt_ = true;
    } else {
      head_ = head;
    }
    return head_;
  }

  bool has_room(std::uint64_t need) {
    if (tail_ + need <= head_ + bytes_.size()) return !corrupt_;
    return tail_ + need <= load_head(kAcquire) + bytes_.size() && !corrupt_;
  }

  std::span<std::byte> claim_here(std::uint64_t position, std::uint32_t max) {
    padding_ = 0;
    claimed_ = max;
    return bytes_.subspan(position + sizeof(RecordHeader), max);
  }

  std::uint64_t least_restart() const { return std::min(bytes_.size() / 4, kHotBytes); }

  // Batches that have become small again find their way back to the few hot bytes.
  std::span<std::byte> start_over(std::uint64_t to_end, std::uint32_t max) {
    restart_after_ = std::max(least_restart(), restart_after_ - restart_after_ / 64);
    return claim_at_start(to_end, max);
  }

  std::span<std::byte> claim_at_start(std::uint64_t to_end, std::uint32_t max) {
    const RecordHeader padding{static_cast<std::uint32_t>(to_end), kPaddingKind, 0, 0, 0};
    std::memcpy(bytes_.data() + (tail_ & mask_), &padding, sizeof padding);
    padding_ = to_end;
    claimed_ = max;
    return bytes_.subspan(sizeof(RecordHeader), max);
  }

  RingPositions& positions_;  // constant after construction
  std::span<std::byte> bytes_;
  std::uint64_t mask_;
  std::uint64_t restart_after_;  // grows with refusals, shrinks with every start over
  std::uint64_t tail_ = 0;       // ours; the shared one is never read back
  std::uint64_t head_ = 0;       // the consumer's, last seen
  std::uint64_t padding_ = 0;
  static constexpr std::uint64_t kNothing = ~std::uint64_t{0};
  std::uint64_t claimed_ = kNothing;  // payload bytes of the uncommitted claim
  bool batch_begins_ = true;
  bool corrupt_ = false;
};

enum class Peek { Empty, Record, Bad };

class Consumer {
 public:
  Consumer(RingPositions& positions, std::span<std::byte> bytes)
      : positions_(positions), bytes_(bytes), mask_(bytes.size() - 1) {
    PREFORK_CHECK(bytes.size() >= 256 && (bytes.size() & mask_) == 0, "a ring's capacity is a power of two");
  }

  // The oldest unreleased record. Every number is copied out of shared memory once, then checked.
  [[nodiscard]] Peek peek(Record& record) {
    RecordHeader header;
    switch (read_header(header)) {
      case Peek::Empty: return Peek::Empty;
      case Peek::Bad: return bad();
      case Peek::Record: break;
    }
    if (header.kind == kPaddingKind) {
      // A producer pads to the end only, and commits the padding together with the record behind it. Anything else would let it
      // keep us in here.
      if (space_ != bytes_.size() - (head_ & mask_) || space_ == tail_ - head_) return bad();
      step_over();
      if (read_header(header) != Peek::Record || header.kind == kPaddingKind) return bad();
    }
    record.tag = {header.kind, header.flags, header.slot, header.generation};
    record.payload = bytes_.subspan((head_ & mask_) + sizeof header, header.length - sizeof header);
    return Peek::Record;
  }

  // Gives the bytes of the last peeked record back to the producer.
  void release() {
    PREFORK_CHECK(space_ != 0, "release() follows peek()");
#ifdef PREFORK_DEBUG
    std::memset(bytes_.data() + (head_ & mask_), 0xA5, space_);
#endif
    step_over();
  }

  // Steps over the last peeked record without giving its bytes back yet: they stay readable until release_held().
  void hold() {
    PREFORK_CHECK(space_ != 0, "hold() follows peek()");
    holding_ = true;
    step_over();
  }
  void release_held() {
    if (!holding_) return;
    holding_ = false;
    // release: pairs with acquire in Producer::load_head. We have read the bytes before they may be written again.
    positions_.head.store(head_, std::memory_order_release);
  }

  // After a batch, with nothing held: true when the producer waits for room and must be rung.
  [[nodiscard]] bool settle() {
    // seq_cst: pairs with seq_cst in Producer::request_room. Either we see its wish or it sees this head.
    positions_.head.store(head_, std::memory_order_seq_cst);
    if (positions_.want_room.load(std::memory_order_seq_cst) == 0) return false;
    return positions_.want_room.exchange(0, std::memory_order_seq_cst) != 0;
  }

  // After arming: true when a record is there that the arming side has not looked at.
  [[nodiscard]] bool anything_now() {
    // seq_cst: pairs with seq_cst in Producer::publish. Must not move before the store of the sleeping flag.
    return positions_.tail.load(std::memory_order_seq_cst) != head_;
  }

  std::uint64_t head() const { return head_; }

  // For a spinning reader, from any thread: the producer has gone past `position`, taken from head() before.
  bool moved_past(std::uint64_t position) const {
    // acquire: pairs with release in Producer::commit.
    return positions_.tail.load(std::memory_order_acquire) != position;
  }

 private:
  // The header at head_, with its space checked against the positions and the ring's end.
  Peek read_header(RecordHeader& header) {
    if (head_ == tail_) {
      // acquire: pairs with release in Producer::commit. The records' bytes are there before their tail.
      tail_ = positions_.tail.load(std::memory_order_acquire);
      if (head_ == tail_) return Peek::Empty;
    }
    const std::uint64_t available = tail_ - head_;
    const std::uint64_t position = head_ & mask_;
    if (available > bytes_.size() || (available & (kRecordAlign - 1)) != 0) return Peek::Bad;
    std::memcpy(&header, bytes_.data() + position, sizeof header);
    space_ = record_space(header.length);
    const bool inside = header.length >= sizeof header && space_ <= available && space_ <= bytes_.size() - position;
    return inside ? Peek::Record : Peek::Bad;
  }

  void step_over() {
    head_ += space_;
    space_ = 0;
    if (holding_) return;
    // release: pairs with acquire in Producer::load_head. We have read the bytes before they may be written again.
    positions_.head.store(head_, std::memory_order_release);
  }

  Peek bad() {
    space_ = 0;
    return Peek::Bad;
  }

  RingPositions& positions_;  // constant after construction
  std::span<std::byte> bytes_;
  std::uint64_t mask_;
  std::uint64_t head_ = 0;  // ours; the shared one is never read back
  std::uint64_t tail_ = 0;  // the producer's, last seen
  std::uint64_t space_ = 0;
  bool holding_ = false;  // the shared head lags behind ours
};

}  // namespace prefork::shm

// What is larger than a record may be (a huge head, a long message) crosses as several records of the same slot and kind, all but
// the last flagged kMoreFlag, and is put together in private memory before anybody validates it.
// FragmentWriter belongs to whoever sends one payload and is resumable: a full ring stops it where it is.
// Reassembler belongs to the reading side, one for a ring: it keeps one unfinished payload a slot and bounds them all together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shm/ring.hpp"

namespace prefork::shm {

inline constexpr std::uint16_t kMoreFlag = 1;  // wire::kMore

class FragmentWriter {
 public:
  FragmentWriter() = default;
  explicit FragmentWriter(std::span<const std::byte> payload) : rest_(payload) {}

  // Commits as many fragments as there is room for; true when the last one is in. The last one carries tag.flags as they are.
  [[nodiscard]] bool push(Producer& ring, const Tag& tag) {
    while (!done_) {
      const auto length = next_length(ring);
      const auto room = ring.try_claim(length);
      if (room.data() == nullptr) return false;
      std::copy_n(rest_.data(), length, room.data());
      rest_ = rest_.subspan(length);
      done_ = rest_.empty();
      auto flagged = tag;
      if (!done_) flagged.flags |= kMoreFlag;
      ring.commit(flagged, length);
    }
    return true;
  }

  // What the next fragment takes: for Producer::request_room() after a refusal.
  std::uint32_t next_length(const Producer& ring) const {
    if (rest_.size() <= ring.max_payload()) return static_cast<std::uint32_t>(rest_.size());
    // Half of the most, so that the reader works on one fragment while the next is written.
    return ring.max_payload() / 2;
  }
  bool done() const { return done_; }

 private:
  std::span<const std::byte> rest_;
  bool done_ = false;
};

class Reassembler {
 public:
  enum class Take {
    Whole,     // payload is complete: in the ring when it came in one record, else here until the next take()
    More,      // kept; release the record
    Bad,       // another kind than the payload began with: the other side is broken
    TooLarge,  // past a limit: the payload is dropped
  };

  // Limits: bytes of one payload, and of all the unfinished ones together.
  Reassembler(std::size_t one_limit, std::size_t all_limit) : one_limit_(one_limit), all_limit_(all_limit) {}

  // Call it for the kinds that may be continued. A payload of a newer generation replaces what is left of an older one.
  [[nodiscard]] Take take(const Record& record, std::span<const std::byte>& payload) {
    whole_.clear();
    const bool more = (record.tag.flags & kMoreFlag) != 0;
    if (partials_.empty() && !more) {  // nearly always
      payload = record.payload;
      return Take::Whole;
    }
    return take_fragment(record, more, payload);
  }

  // Forgets what is unfinished of a stream that has ended.
  void drop(std::uint32_t slot) {
    const auto found = partials_.find(slot);
    if (found == partials_.end()) return;
    held_ -= found->second.bytes.size();
    partials_.erase(found);
  }

  std::size_t held() const { return held_; }

 private:
  struct Partial {
    std::uint16_t kind;
    std::uint32_t generation;
    std::vector<std::byte> bytes;
  };

  Take take_fragment(const Record& record, bool more, std::span<const std::byte>& payload) {
    auto found = partials_.find(record.tag.slot);
    if (found != partials_.end() && found->second.generation != record.tag.generation) {
      drop(record.tag.slot);
      found = partials_.end();
    }
    if (found == partials_.end()) {
      if (!more) {
        payload = record.payload;
        return Take::Whole;
      }
      found = partials_.emplace(record.tag.slot, Partial{record.tag.kind, record.tag.generation, {}}).first;
    }
    Partial& partial = found->second;
    if (partial.kind != record.tag.kind) return refuse(record.tag.slot, Take::Bad);
    if (record.payload.size() > one_limit_ - partial.bytes.size() || record.payload.size() > all_limit_ - held_) {
      return refuse(record.tag.slot, Take::TooLarge);
    }
    partial.bytes.insert(partial.bytes.end(), record.payload.begin(), record.payload.end());
    held_ += record.payload.size();
    if (more) return Take::More;
    whole_ = std::move(partial.bytes);
    held_ -= whole_.size();
    partials_.erase(found);
    payload = whole_;
    return Take::Whole;
  }

  Take refuse(std::uint32_t slot, Take why) {
    drop(slot);
    return why;
  }

  std::size_t one_limit_;  // constant after construction
  std::size_t all_limit_;
  std::unordered_map<std::uint32_t, Partial> partials_;
  std::vector<std::byte> whole_;  // the payload that was completed last
  std::size_t held_ = 0;          // bytes in partials_
};

}  // namespace prefork::shm

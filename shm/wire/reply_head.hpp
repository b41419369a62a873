// A reply on its way to the master: a fixed struct, the field table, bytes, and the first (often the only) piece of body.
// ReplyWriter writes it straight into claimed ring space; ReplyView is how the master reads what it does not believe.
//
//   [ReplyHead 32][Field × field_count][bytes: reason, names, values][body]
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "shm/wire/frame.hpp"
#include "shm/wire/names.hpp"

namespace prefork::wire {

enum ReplyFlags : std::uint8_t {
  kReplyClose = 1,     // the application asked for Connection: close
  kReplyTrailers = 2,  // a Trailers record will come before the end
};

struct ReplyHead {
  std::uint16_t status = 200;
  std::uint16_t field_count = 0;
  std::uint8_t flags = 0;  // ReplyFlags
  std::uint8_t reserved[3] = {};
  Text reason;
  Text body;
  std::uint64_t reserved2 = 0;
};
static_assert(sizeof(ReplyHead) == 32);

// A name always crosses with its bytes, in the application's spelling; name_id tells the known ones.
struct ReplyField {
  std::string_view name;
  std::string_view value;
  Name id = Name::Unknown;
};

constexpr std::size_t reply_head_space(std::size_t fields, std::size_t text_bytes) {
  return sizeof(ReplyHead) + fields * sizeof(Field) + text_bytes;
}

// Writes into memory of at least reply_head_space(fields, all text bytes) + body bytes.
class ReplyWriter {
 public:
  ReplyWriter(std::span<std::byte> memory, std::uint16_t status, std::uint16_t field_count, std::uint8_t flags)
      : memory_(memory), bytes_at_(static_cast<std::uint32_t>(sizeof(ReplyHead) + field_count * sizeof(Field))) {
    head_.status = status;
    head_.field_count = field_count;
    head_.flags = flags;
  }
  void reason(std::string_view text) { head_.reason = put(text); }
  void field(std::string_view name, std::string_view value, Name id) {
    if (fields_ == head_.field_count || name.size() > 0xffff) {
      overflow_ = true;
      return;
    }
    const Text name_at = put(name);
    const Field field{static_cast<std::uint16_t>(id), static_cast<std::uint16_t>(name_at.length), name_at.offset,
                      put(value)};
    if (overflow_) return;
    std::memcpy(memory_.data() + sizeof(ReplyHead) + fields_++ * sizeof(Field), &field, sizeof field);
  }
  void body(std::span<const std::byte> bytes) {
    head_.body.offset = head_.body.length == 0 ? bytes_at_ : head_.body.offset;
    head_.body.length += put(as_text(bytes)).length;
  }
  // The payload's length: hand it to commit(). 0 when the memory or the field table was too small: then nothing can be sent.
  std::uint32_t finish() {
    if (overflow_ || bytes_at_ > memory_.size()) return 0;
    head_.field_count = static_cast<std::uint16_t>(fields_);  // a table announced too large has no names in its rest
    std::memcpy(memory_.data(), &head_, sizeof head_);
    return bytes_at_;
  }

 private:
  Text put(std::string_view text) {
    const Text where{bytes_at_, static_cast<std::uint32_t>(text.size())};
    if (where.offset > memory_.size() || text.size() > memory_.size() - where.offset) {
      overflow_ = true;
      return {};
    }
    if (!text.empty()) std::memcpy(memory_.data() + bytes_at_, text.data(), text.size());
    bytes_at_ += where.length;
    return where;
  }

  std::span<std::byte> memory_;
  ReplyHead head_;
  bool overflow_ = false;
  std::uint32_t fields_ = 0;
  std::uint32_t bytes_at_;
};

class ReplyView {
 public:
  ReplyView() = default;
  explicit ReplyView(std::span<const std::byte> payload) : payload_(payload) {}

  // Nothing when the head and its texts lie inside the payload, else the reason. Each field is checked again when it is read,
  // on a private copy: the worker can write to the payload all the time.
  [[nodiscard]] const char* validate();

  const ReplyHead& head() const { return head_; }
  std::size_t payload_size() const { return payload_.size(); }
  std::string_view reason() const { return text(head_.reason); }
  std::span<const std::byte> body() const { return payload_.subspan(head_.body.offset, head_.body.length); }
  // False when the field's offsets make no sense (now).
  [[nodiscard]] bool field(std::size_t index, ReplyField& out) const;

 private:
  std::string_view text(Text where) const { return as_text(payload_).substr(where.offset, where.length); }

  std::span<const std::byte> payload_;
  ReplyHead head_;
};

}  // namespace prefork::wire

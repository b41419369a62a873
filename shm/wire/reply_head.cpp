#include "shm/wire/reply_head.hpp"

namespace prefork::wire {
namespace {

bool inside(Text text, std::size_t size) { return text.offset <= size && text.length <= size - text.offset; }

}  // namespace

const char* ReplyView::validate() {
  if (payload_.size() < sizeof(ReplyHead)) return "reply head is cut";
  std::memcpy(&head_, payload_.data(), sizeof head_);
  if (head_.status < 100 || head_.status > 999) return "reply status is out of range";
  if (sizeof(ReplyHead) + std::uint64_t{head_.field_count} * sizeof(Field) > payload_.size())
    return "reply field table lies outside";
  if (!inside(head_.reason, payload_.size())) return "reply reason lies outside";
  if (!inside(head_.body, payload_.size())) return "reply body lies outside";
  return nullptr;
}

bool ReplyView::field(std::size_t index, ReplyField& out) const {
  Field field;
  std::memcpy(&field, payload_.data() + sizeof(ReplyHead) + index * sizeof(Field), sizeof field);
  if (!inside({field.name_offset, field.name_length}, payload_.size()) || !inside(field.value, payload_.size()))
    return false;
  out.name = text({field.name_offset, field.name_length});
  out.value = text(field.value);
  out.id = field.name_id < static_cast<std::uint16_t>(Name::kCount) ? static_cast<Name>(field.name_id) : Name::Unknown;
  return true;
}

}  // namespace prefork::wire

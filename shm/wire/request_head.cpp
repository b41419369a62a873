#include "shm/wire/request_head.hpp"

#include <cstring>

namespace prefork::wire {

void RequestBuilder::reset() {
  head = RequestHead{};
  bytes_.resize(sizeof(RequestHead));
  fields_.clear();
  finished_ = false;
}

void RequestBuilder::shrink() {
  std::vector<char>().swap(bytes_);
  std::vector<Field>().swap(fields_);
  reset();
}

Text RequestBuilder::add_text(std::string_view text) {
  const Text where{size(), static_cast<std::uint32_t>(text.size())};
  append(text);
  return where;
}

void RequestBuilder::finish() {
  bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
  head.fields_offset = size();
  head.field_count = static_cast<std::uint16_t>(fields_.size());
  const auto* table = reinterpret_cast<const char*>(fields_.data());
  bytes_.insert(bytes_.end(), table, table + fields_.size() * sizeof(Field));
  head.body = {size(), 0};
  std::memcpy(bytes_.data(), &head, sizeof head);
  finished_ = true;
}

void RequestBuilder::append_body(std::span<const std::byte> body) {
  append(as_text(body));
  head.body.length += static_cast<std::uint32_t>(body.size());
  std::memcpy(bytes_.data(), &head, sizeof head);
}

void RequestBuilder::set_flags(std::uint8_t flags) {
  head.flags = flags;
  std::memcpy(bytes_.data(), &head, sizeof head);
}

namespace {

bool inside(Text text, std::size_t size) { return text.offset <= size && text.length <= size - text.offset; }

}  // namespace

const char* RequestView::validate() {
  if (payload_.size() < sizeof(RequestHead)) return "request head is cut";
  std::memcpy(&head_, payload_.data(), sizeof head_);
  const std::size_t size = payload_.size();
  const Text texts[] = {head_.method_name, head_.target, head_.raw_path, head_.path,       head_.query,      head_.host,
                        head_.client,      head_.server, head_.body,     head_.request_id, head_.script_name};
  for (const Text& text : texts) {
    if (!inside(text, size)) return "request text lies outside";
  }
  const std::uint64_t table = std::uint64_t{head_.field_count} * sizeof(Field);
  if (head_.fields_offset > size || table > size - head_.fields_offset) return "request field table lies outside";
  if (head_.method >= static_cast<std::uint8_t>(Method::kCount)) return "request method is unknown";
  if (head_.scheme > Scheme::Https) return "request scheme is unknown";
  for (std::size_t i = 0; i < head_.field_count; ++i) {
    const Field one = field(i);
    if (one.name_id >= static_cast<std::uint16_t>(Name::kCount)) return "request field name is unknown";
    if (!inside({one.name_offset, one.name_length}, size) || !inside(one.value, size))
      return "request field lies outside";
  }
  return nullptr;
}

std::string_view RequestView::find(Name name) const {
  for (std::size_t i = 0; i < head_.field_count; ++i) {
    const Field one = field(i);
    if (one.name_id == static_cast<std::uint16_t>(name)) return value(one);
  }
  return {};
}

}  // namespace prefork::wire

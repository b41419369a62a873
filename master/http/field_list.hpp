// A look at the fields of a message without knowing how they are stored: a pointer, a count and one function.
// Does not own; the fields must stay where they are while it is used.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "shm/wire/reply_head.hpp"
#include "shm/wire/request_head.hpp"

namespace prefork::http {

struct FieldRef {
  wire::Name id = wire::Name::Unknown;
  std::string_view name;  // any case; of a known name too
  std::string_view value;
};

class FieldList {
 public:
  FieldList() = default;
  FieldList(const wire::RequestBuilder& request)
      : FieldList(&request, request.fields().size(), [](const void* from, std::size_t at) {
          const auto& builder = *static_cast<const wire::RequestBuilder*>(from);
          const wire::Field& field = builder.fields()[at];
          return FieldRef{static_cast<wire::Name>(field.name_id), builder.name(field), builder.text(field.value)};
        }) {}
  FieldList(const wire::RequestView& request)
      : FieldList(&request, request.head().field_count, [](const void* from, std::size_t at) {
          const auto& view = *static_cast<const wire::RequestView*>(from);
          const wire::Field field = view.field(at);
          return FieldRef{static_cast<wire::Name>(field.name_id), view.name(field), view.value(field)};
        }) {}
  // A field whose offsets make no sense any more reads as empty.
  FieldList(const wire::ReplyView& reply)
      : FieldList(&reply, reply.head().field_count, [](const void* from, std::size_t at) {
          wire::ReplyField field;
          if (!static_cast<const wire::ReplyView*>(from)->field(at, field)) return FieldRef{};
          return FieldRef{field.id, field.name, field.value};
        }) {}
  FieldList(std::span<const FieldRef> fields)
      : FieldList(fields.data(), fields.size(),
                  [](const void* from, std::size_t at) { return static_cast<const FieldRef*>(from)[at]; }) {}

  std::size_t size() const { return count_; }
  FieldRef operator[](std::size_t at) const { return at_(fields_, at); }

 private:
  using At = FieldRef (*)(const void* fields, std::size_t at);
  FieldList(const void* fields, std::size_t count, At at) : fields_(fields), count_(count), at_(at) {}

  const void* fields_ = nullptr;
  std::size_t count_ = 0;
  At at_ = nullptr;
};

}  // namespace prefork::http

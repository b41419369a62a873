// A request head as a worker reads it: whatever validate() lets pass can be read to its last byte.
#include <cstdint>
#include <cstdlib>

#include "shm/wire/request_head.hpp"

namespace {

using namespace prefork::wire;

std::uint64_t sum_of(std::string_view text) {
  std::uint64_t sum = text.size();
  for (const char c : text) sum = sum * 31 + static_cast<unsigned char>(c);
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  RequestView view(std::as_bytes(std::span(data, size)));
  if (view.validate() != nullptr) return 0;
  const auto& head = view.head();
  std::uint64_t sum = 0;
  for (const Text& text : {head.method_name, head.target, head.raw_path, head.path, head.query, head.host, head.client,
                           head.server, head.request_id, head.script_name}) {
    sum += sum_of(view.text(text));
  }
  for (std::size_t i = 0; i < head.field_count; ++i) {
    const Field field = view.field(i);
    sum += sum_of(view.name(field)) + sum_of(view.value(field));
  }
  sum += sum_of(as_text(view.body())) + sum_of(view.find(Name::Host)) +
         sum_of(method_text(static_cast<Method>(head.method)));
  if (view.payload().size() != size || method_text(static_cast<Method>(head.method)).size() > 32) std::abort();
  return sum == 1 ? 1 : 0;
}

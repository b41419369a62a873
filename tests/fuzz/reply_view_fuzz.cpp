// A reply head as the master reads it, from memory that the worker writes to meanwhile: the first half of the input is validated, then
// bytes of the second half are put into it, and every field is read.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "shm/wire/reply_head.hpp"

namespace {

using namespace prefork::wire;

// The second half: place, byte, place, byte ...
void scribble(std::span<std::byte> memory, std::span<const std::byte> changes) {
  for (std::size_t at = 0; at + 3 <= changes.size() && !memory.empty(); at += 3) {
    std::uint16_t place;
    std::memcpy(&place, changes.data() + at, sizeof place);
    memory[place % memory.size()] = changes[at + 2];
  }
}

bool inside(std::string_view text, std::span<const std::byte> memory) {
  if (text.empty()) return true;
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return begin >= memory.data() && begin + text.size() <= memory.data() + memory.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto input = std::as_bytes(std::span(data, size));
  std::uint16_t payload_size;
  std::memcpy(&payload_size, data, sizeof payload_size);
  const auto rest = input.subspan(2);
  const auto payload = rest.first(std::min<std::size_t>(payload_size, rest.size()));
  // Of its exact size, so that one byte too far is noticed.
  const auto memory = std::make_unique<std::byte[]>(payload.size());
  if (!payload.empty()) std::memcpy(memory.get(), payload.data(), payload.size());
  const std::span<std::byte> shared(memory.get(), payload.size());

  ReplyView view(shared);
  if (view.validate() != nullptr) return 0;
  const auto status = view.head().status;
  scribble(shared, rest.subspan(payload.size()));
  if (view.head().status != status || status < 100 || status > 999) std::abort();
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < view.head().field_count; ++i) {
    ReplyField field;
    if (!view.field(i, field)) continue;
    if (!inside(field.name, shared) || !inside(field.value, shared)) std::abort();
    for (const char c : field.name) sum += static_cast<unsigned char>(c);
    for (const char c : field.value) sum += static_cast<unsigned char>(c);
  }
  if (!inside(view.reason(), shared) || !inside(as_text(view.body()), shared)) std::abort();
  for (const std::byte byte : view.body()) sum += static_cast<std::uint64_t>(byte);
  return sum == ~std::uint64_t{0} ? 1 : 0;
}

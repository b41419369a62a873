#include "tools/inspect/describe.hpp"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "shm/wire/reply_head.hpp"
#include "shm/wire/request_head.hpp"

namespace prefork::inspect {
namespace {

constexpr std::array<const char*, static_cast<std::size_t>(wire::Kind::kCount)> kKinds{
    "padding", "head", "body",     "credit", "cancel", "message", "close",
    "interim", "file", "trailers", "ready",  "drain",  "retire"};

// What a terminal can show, and not too much of it.
std::string printable(std::string_view text, std::size_t most = 80) {
  std::string shown;
  for (const char c : text.substr(0, most)) shown += c >= ' ' && c <= '~' ? c : '.';
  if (text.size() > most) shown += "... (" + std::to_string(text.size()) + " bytes)";
  return shown;
}

std::string age(std::uint64_t now_ns, std::uint64_t then_ns) {
  if (then_ns == 0 || then_ns > now_ns) return {};
  char text[48];
  std::snprintf(text, sizeof text, ", arrived %.3f ms ago", static_cast<double>(now_ns - then_ns) / 1e6);
  return text;
}

std::string describe_request(std::span<const std::byte> payload, std::uint64_t now_ns) {
  wire::RequestView view(payload);
  if (const char* why = view.validate()) return std::string("INVALID: ") + why;
  const auto& head = view.head();
  std::string text = printable(view.text(head.method_name)) + " " + printable(view.text(head.target)) + ", " +
                     std::to_string(head.field_count) + " fields, body " + std::to_string(head.body.length) +
                     age(now_ns, head.arrived_ns);
  for (std::size_t i = 0; i < head.field_count; ++i) {
    const auto field = view.field(i);
    text += "\n        " + printable(view.name(field)) + ": " + printable(view.value(field));
  }
  return text;
}

std::string describe_reply(std::span<const std::byte> payload) {
  wire::ReplyView view(payload);
  if (const char* why = view.validate()) return std::string("INVALID: ") + why;
  std::string text = std::to_string(view.head().status) + " " + printable(view.reason()) + ", " +
                     std::to_string(view.head().field_count) + " fields, body " +
                     std::to_string(view.head().body.length);
  for (std::size_t i = 0; i < view.head().field_count; ++i) {
    wire::ReplyField field;
    text +=
        "\n        " + (view.field(i, field) ? printable(field.name) + ": " + printable(field.value) : "INVALID field");
  }
  return text;
}

template <class T>
std::string number_of(std::span<const std::byte> payload, const char* what, std::uint64_t (*number)(const T&)) {
  T record;
  if (!wire::read_record(payload, record)) return "INVALID: cut";
  return std::to_string(number(record)) + " " + what;
}

std::string describe_payload(const SeenRecord& record, bool request, std::uint64_t now_ns) {
  using wire::Kind;
  const std::span<const std::byte> payload = record.payload;
  if ((record.tag.flags & wire::kMore) != 0) return std::to_string(payload.size()) + " bytes, continued";
  switch (static_cast<Kind>(record.tag.kind)) {
    case Kind::Head: return request ? describe_request(payload, now_ns) : describe_reply(payload);
    case Kind::Interim:
    case Kind::Trailers: return describe_reply(payload);
    case Kind::Credit:
      return number_of<wire::CreditRecord>(payload, "bytes granted",
                                           [](const wire::CreditRecord& r) { return r.bytes; });
    case Kind::Cancel:
      return number_of<wire::CancelRecord>(payload, "is the reason", [](const wire::CancelRecord& r) {
        return std::uint64_t{static_cast<std::uint32_t>(r.reason)};
      });
    case Kind::Close:
      return number_of<wire::CloseRecord>(payload, "is the code",
                                          [](const wire::CloseRecord& r) { return std::uint64_t{r.code}; });
    case Kind::File:
      return number_of<wire::FileRecord>(payload, "bytes of a file",
                                         [](const wire::FileRecord& r) { return r.length; });
    case Kind::Ready:
      return number_of<wire::ReadyRecord>(payload, "is the pid",
                                          [](const wire::ReadyRecord& r) { return std::uint64_t{r.pid}; });
    case Kind::Body:
    case Kind::Message: return std::to_string(payload.size()) + " bytes: " + printable(wire::as_text(payload), 48);
    default: return std::to_string(payload.size()) + " bytes";
  }
}

}  // namespace

std::string describe(const SeenRecord& record, bool request, std::uint64_t now_ns) {
  const bool known = record.tag.kind < kKinds.size();
  std::string text = known ? kKinds[record.tag.kind] : "UNKNOWN kind " + std::to_string(record.tag.kind);
  if (record.padding) return text + ", " + std::to_string(record.length) + " bytes to the end of the ring";
  text += " slot " + std::to_string(record.tag.slot) + " generation " + std::to_string(record.tag.generation);
  if ((record.tag.flags & wire::kEnd) != 0) text += " end";
  if ((record.tag.flags & wire::kAbort) != 0) text += " abort";
  if ((record.tag.flags & wire::kText) != 0) text += " text";
  return text + ": " + describe_payload(record, request, now_ns);
}

void print_ring(const char* name, const RingSnapshot& ring, bool request, std::uint64_t now_ns) {
  std::printf("%s ring: capacity %" PRIu64 ", head %" PRIu64 ", tail %" PRIu64 ", in use %" PRIu64 " (%.1f %%)%s\n",
              name, ring.capacity, ring.head, ring.tail, ring.used(),
              100.0 * static_cast<double>(ring.used()) / static_cast<double>(ring.capacity),
              ring.want_room ? ", the writer waits for room" : "");
  const char* which = "oldest";
  for (const SeenRecord& record : ring.records) {
    std::printf("  %-6s %" PRIu64 " %s\n", which, record.position, describe(record, request, now_ns).c_str());
    which = "";
  }
  if (!ring.trouble.empty()) std::printf("  CORRUPT: %s\n", ring.trouble.c_str());
}

void print_recorder(const char* name, const shm::Recorder& recorder, std::size_t most, std::uint64_t now_us) {
  const std::uint64_t next = recorder.next.load(std::memory_order_acquire);
  const std::uint64_t shown = std::min<std::uint64_t>({next, most, shm::Recorder::kEvents});
  std::printf("%s recorder: %" PRIu64 " events, the last %" PRIu64 "%s\n", name, next, shown,
              shown != 0 ? " (the very last may be half written)" : "");
  for (std::uint64_t serial = next - shown; serial != next; ++serial) {
    const auto event = recorder.events[serial % shm::Recorder::kEvents];
    const std::uint64_t when = event.when_and_event >> 16;
    std::printf("  %12.3f ms ago  %-12s slot %" PRIu32 " value %" PRIu32 "\n",
                static_cast<double>(static_cast<std::int64_t>(now_us - when)) / 1e3,
                shm::to_string(static_cast<shm::Event>(event.when_and_event & 0xffff)), event.slot, event.value);
  }
}

}  // namespace prefork::inspect

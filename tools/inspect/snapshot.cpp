#include "tools/inspect/snapshot.hpp"

#include <cstring>

namespace prefork::inspect {
namespace {

// The tail after the head: what lies between was published. The head may move on meanwhile; then the oldest bytes are of newer records.
void read_positions(const shm::RingPositions& positions, RingSnapshot& ring) {
  ring.head = positions.head.load(std::memory_order_acquire);
  ring.tail = positions.tail.load(std::memory_order_acquire);
  ring.want_room = positions.want_room.load(std::memory_order_relaxed) != 0;
}

std::string check_positions(const RingSnapshot& ring) {
  if (ring.tail < ring.head) return "the tail is before the head";
  if (ring.used() > ring.capacity) return "more is in use than the ring has";
  if (((ring.head | ring.tail) & (shm::kRecordAlign - 1)) != 0) return "a position is not a multiple of 16";
  return {};
}

}  // namespace

RingSnapshot take_snapshot(const shm::RingPositions& positions, std::span<const std::byte> bytes,
                           std::size_t most_records) {
  RingSnapshot ring;
  ring.capacity = bytes.size();
  read_positions(positions, ring);
  ring.trouble = check_positions(ring);
  const std::vector<std::byte> copy(bytes.begin(), bytes.end());
  for (std::uint64_t at = ring.head; ring.trouble.empty() && at != ring.tail && ring.records.size() < most_records;) {
    shm::RecordHeader header;
    const std::uint64_t place = at & (ring.capacity - 1);
    std::memcpy(&header, copy.data() + place, sizeof header);
    const std::uint64_t space = shm::record_space(header.length);
    if (header.length < sizeof header || space > ring.tail - at || space > ring.capacity - place) {
      ring.trouble = "a record at " + std::to_string(at) + " has length " + std::to_string(header.length);
      break;
    }
    const auto payload = std::span(copy).subspan(place + sizeof header, header.length - sizeof header);
    ring.records.push_back({at,
                            {header.kind, header.flags, header.slot, header.generation},
                            header.length,
                            header.kind == shm::kPaddingKind,
                            {payload.begin(), payload.end()}});
    at += space;
  }
  return ring;
}

}  // namespace prefork::inspect

// The ring as it is after the other side has written whatever it liked: positions and bytes from the input, read by a Consumer, put
// together by a Reassembler, written on by a Producer. The first 16 bytes are tail and head, the rest is repeated over the ring.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "shm/fragments.hpp"
#include "shm/ring.hpp"

namespace {

using namespace prefork::shm;

constexpr std::size_t kCapacity = 1024;
constexpr std::size_t kLimit = 2048;

void read(RingPositions& positions, std::span<std::byte> bytes) {
  Consumer consumer(positions, bytes);
  Reassembler reassembler(kLimit, 2 * kLimit);
  Record record;
  std::size_t records = 0;
  std::uint64_t sum = 0;
  while (consumer.peek(record) == Peek::Record) {
    if (++records > kCapacity / kRecordAlign) std::abort();  // more records than fit: it would never end
    const auto* end = record.payload.data() + record.payload.size();
    if (record.payload.data() < bytes.data() + sizeof(RecordHeader) || end > bytes.data() + bytes.size()) std::abort();
    std::span<const std::byte> whole;
    if (reassembler.take(record, whole) == Reassembler::Take::Whole) {
      for (const std::byte byte : whole) sum += static_cast<std::uint64_t>(byte);
    }
    if (reassembler.held() > 2 * kLimit) std::abort();
    consumer.release();
  }
  (void)consumer.anything_now();
  (void)consumer.settle();
  if (sum == ~std::uint64_t{0}) std::abort();
}

// A producer that has its own records in the ring sees a head that somebody else chose.
void write(RingPositions& positions, std::span<std::byte> bytes, std::uint64_t head) {
  Producer producer(positions, bytes);
  for (std::uint32_t i = 0; i < 3; ++i) {
    const auto room = producer.try_claim(100 + i * 60);
    if (room.data() == nullptr) break;
    std::memset(room.data(), 1, room.size());
    producer.commit({1, 0, 0, 0}, static_cast<std::uint32_t>(room.size()));
    producer.publish();
  }
  positions.head.store(head, std::memory_order_relaxed);
  for (const std::uint32_t length : {0u, 16u, 200u, producer.max_payload()}) {
    const auto room = producer.try_claim(length);
    if (room.data() == nullptr) continue;
    if (producer.corrupt()) std::abort();
    if (room.size() != length || room.data() < bytes.data() || room.data() + length > bytes.data() + bytes.size())
      std::abort();
    std::memset(room.data(), 2, room.size());
    producer.commit({1, 0, 0, 0}, length);
  }
  (void)producer.request_room(10);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 17) return 0;
  std::uint64_t tail, head;
  std::memcpy(&tail, data, 8);
  std::memcpy(&head, data + 8, 8);
  const auto positions = std::make_unique<RingPositions>();
  std::vector<std::byte> bytes(kCapacity);
  for (std::size_t at = 0; at < kCapacity; ++at) bytes[at] = static_cast<std::byte>(data[16 + at % (size - 16)]);
  positions->tail.store(tail, std::memory_order_relaxed);
  read(*positions, bytes);

  const auto other = std::make_unique<RingPositions>();
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  write(*other, bytes, head);
  return 0;
}

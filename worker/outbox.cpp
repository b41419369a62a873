#include "worker/outbox.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "shm/fault.hpp"
#include "worker/clock.hpp"

namespace prefork::worker {
namespace {

// Small enough that the master writes one piece out while the next is copied in, and that the pieces stay in cache.
constexpr std::size_t kPiece = 128 * 1024;
// An end waits for its bell no longer than this: time for a batch of short requests, and nothing that a client notices.
constexpr std::uint64_t kLongestUnrungNs = 500'000;
// From here on a bell is worth its cost when half of what was here is done: the master brings more before the other half is.
constexpr std::uint64_t kHalfUnrungNs = 100'000;

std::size_t text_bytes(const Reply& reply) {
  std::size_t bytes = reply.reason.size();
  for (const auto& field : reply.fields) bytes += field.name.size() + field.value.size();
  return bytes;
}

std::uint32_t write_reply(std::span<std::byte> memory, const Reply& reply, std::span<const std::byte> body) {
  wire::ReplyWriter writer(memory, reply.status, static_cast<std::uint16_t>(reply.fields.size()), reply.flags);
  if (!reply.reason.empty()) writer.reason(reply.reason);
  for (const auto& field : reply.fields) writer.field(field.name, field.value, field.id);
  if (!body.empty()) writer.body(body);
  return writer.finish();
}

}  // namespace

std::span<std::byte> Outbox::claim(StreamId id, std::size_t bytes) {
  const auto space = channel_.replies.try_claim(static_cast<std::uint32_t>(bytes));
  if (space.data() == nullptr) starve(id, bytes);
  return space;
}

void Outbox::starve(StreamId id, std::size_t bytes) {
  wanted_ = static_cast<std::uint32_t>(bytes);
  starved_ = true;
  channel_.counters.add(shm::Counter::RoomWaits);
  channel_.recorder.note(shm::Event::WaitRoom, coarse_us(), id.slot, wanted_);
}

bool Outbox::send(StreamId id, wire::Kind kind, std::uint16_t flags, const void* record, std::size_t size,
                  std::string_view rest) {
  const auto space = claim(id, size + rest.size());
  if (space.data() == nullptr) return false;
  if (size != 0) std::memcpy(space.data(), record, size);
  if (!rest.empty()) std::memcpy(space.data() + size, rest.data(), rest.size());
  channel_.replies.commit({static_cast<std::uint16_t>(kind), flags, id.slot, id.generation},
                          static_cast<std::uint32_t>(size + rest.size()));
  return true;
}

// A head that no single record can hold is written in private memory once and crosses in pieces, as there is room for them. The caller
// comes again with the same until the last piece is in; only then is the head sent.
bool Outbox::head_in_fragments(StreamId id, wire::Kind kind, std::uint16_t flags, const Reply& reply,
                               std::size_t size) {
  auto& head = unfinished_[id.slot];
  if (head.bytes.empty() || head.generation != id.generation || head.kind != kind) {
    head.generation = id.generation;
    head.kind = kind;
    head.bytes.assign(size, std::byte{0});
    PREFORK_CHECK(write_reply(head.bytes, reply, {}) == size, "a head is as long as was worked out");
    head.writer = shm::FragmentWriter(head.bytes);
  }
  if (!head.writer.push(channel_.replies, {static_cast<std::uint16_t>(kind), flags, id.slot, id.generation})) {
    starve(id, head.writer.next_length(channel_.replies));
    ring();  // the pieces that are in the ring make the room for the others
    return false;
  }
  unfinished_.erase(id.slot);
  return true;
}

bool Outbox::try_head(StreamId id, const Reply& reply, std::span<const std::byte> body, bool end, std::uint64_t credit,
                      std::size_t& taken) {
  taken = 0;
  const std::size_t head = wire::reply_head_space(reply.fields.size(), text_bytes(reply));
  const std::size_t room = channel_.replies.max_payload();
  if (head > room) {
    const auto flags = static_cast<std::uint16_t>(end && body.empty() ? wire::kEnd : 0);
    return head_in_fragments(id, wire::Kind::Head, flags, reply, head);
  }
  const std::size_t inline_bytes = std::min({body.size(), room - head, kPiece, static_cast<std::size_t>(credit)});
  const auto space = claim(id, head + inline_bytes);
  if (space.data() == nullptr) return false;
  const auto used = write_reply(space, reply, body.first(inline_bytes));
  PREFORK_FAULT_POINT("worker.reply");  // written, not yet there
  const bool whole = end && inline_bytes == body.size();
  const auto flags = static_cast<std::uint16_t>(whole ? wire::kEnd : 0);
  channel_.replies.commit({static_cast<std::uint16_t>(wire::Kind::Head), flags, id.slot, id.generation}, used);
  PREFORK_FAULT_POINT("worker.replied");
  taken = inline_bytes;
  return true;
}

bool Outbox::try_interim(StreamId id, const Reply& reply) {
  const std::size_t size = wire::reply_head_space(reply.fields.size(), text_bytes(reply));
  if (size > channel_.replies.max_payload()) return head_in_fragments(id, wire::Kind::Interim, 0, reply, size);
  const auto space = claim(id, size);
  if (space.data() == nullptr) return false;
  const auto used = write_reply(space, reply, {});
  channel_.replies.commit({static_cast<std::uint16_t>(wire::Kind::Interim), 0, id.slot, id.generation}, used);
  return true;
}

bool Outbox::try_trailers(StreamId id, std::span<const wire::ReplyField> fields) {
  const Reply reply{200, 0, {}, fields};
  const std::size_t size = wire::reply_head_space(fields.size(), text_bytes(reply));
  if (size > channel_.replies.max_payload()) return head_in_fragments(id, wire::Kind::Trailers, 0, reply, size);
  const auto space = claim(id, size);
  if (space.data() == nullptr) return false;
  const auto used = write_reply(space, reply, {});
  channel_.replies.commit({static_cast<std::uint16_t>(wire::Kind::Trailers), 0, id.slot, id.generation}, used);
  return true;
}

bool Outbox::try_body(StreamId id, std::span<const std::byte> body, bool end, std::uint64_t credit,
                      std::size_t& taken) {
  taken = 0;
  const std::size_t length =
      std::min({body.size(), std::size_t{channel_.replies.max_payload()}, kPiece, static_cast<std::size_t>(credit)});
  if (length == 0 && !body.empty()) {  // no credit: nothing went, and room is not what is missing
    channel_.recorder.note(shm::Event::WaitCredit, coarse_us(), id.slot, id.generation);
    return true;
  }
  const bool last = end && length == body.size();
  PREFORK_FAULT_POINT("worker.body");
  if (!send(id, wire::Kind::Body, last ? wire::kEnd : 0, body.data(), length)) return false;
  taken = length;
  return true;
}

bool Outbox::try_abort(StreamId id) {
  unfinished_.erase(id.slot);
  channel_.recorder.note(shm::Event::Abort, coarse_us(), id.slot, id.generation);
  return send(id, wire::Kind::Body, wire::kEnd | wire::kAbort, nullptr, 0);
}

bool Outbox::try_credit(StreamId id, std::uint64_t bytes) {
  PREFORK_FAULT_POINT("worker.credit");
  channel_.recorder.note(shm::Event::Credit, coarse_us(), id.slot, static_cast<std::uint32_t>(bytes));
  const wire::CreditRecord record{bytes};
  return send(id, wire::Kind::Credit, 0, &record, sizeof record);
}

bool Outbox::try_file(StreamId id, const wire::FileRecord& file, bool end) {
  return send(id, wire::Kind::File, end ? wire::kEnd : 0, &file, sizeof file);
}

bool Outbox::try_socket(StreamId id, const wire::SocketRecord& socket) {
  return send(id, wire::Kind::Socket, 0, &socket, sizeof socket);
}

bool Outbox::try_message(StreamId id, std::span<const std::byte> bytes, bool text, std::size_t& taken) {
  taken = 0;
  const std::size_t length = std::min({bytes.size(), std::size_t{channel_.replies.max_payload()}, kPiece});
  const auto flags = static_cast<std::uint16_t>((text ? wire::kText : 0) | (length < bytes.size() ? wire::kMore : 0));
  if (!send(id, wire::Kind::Message, flags, bytes.data(), length)) return false;
  taken = length;
  return true;
}

bool Outbox::try_close(StreamId id, std::uint16_t code, std::string_view reason) {
  const wire::CloseRecord record{code, static_cast<std::uint16_t>(reason.size()), 0};
  return send(id, wire::Kind::Close, wire::kEnd, &record, sizeof record, reason);
}

void Outbox::ask_to_go() {
  if (channel_.replies.try_claim(0).data() == nullptr) return;
  channel_.replies.commit({static_cast<std::uint16_t>(wire::Kind::Retire), 0, 0, 0}, 0);
  ring();
}

void Outbox::ring() {
  PREFORK_FAULT_POINT("worker.ring");  // published, but nobody told
  channel_.replies.publish();
  channel_.master_bell.ring();
  unrung_ends_ = 0;
}

void Outbox::ring_after_end(std::size_t waiting) {
  if (waiting == 0) return ring();
  const auto now = precise_ns();
  if (unrung_ends_++ == 0) {
    oldest_unrung_ns_ = now;
    return;
  }
  const auto unrung_ns = now - oldest_unrung_ns_;
  if (unrung_ns > kLongestUnrungNs || (unrung_ns > kHalfUnrungNs && waiting <= unrung_ends_)) ring();
}

}  // namespace prefork::worker

// The worker's end of the reply ring: writes replies as records, never waits. What there is no room or no credit for is refused;
// the caller waits (Crew on threads, the bell on an event loop) and comes again. One thread at a time, as the Inbox.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shm/channel.hpp"
#include "shm/fragments.hpp"
#include "shm/wire/frame.hpp"
#include "shm/wire/reply_head.hpp"
#include "worker/inbox.hpp"

namespace prefork::worker {

struct StreamId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
};

// A reply head as the application gave it; views live until the call returns.
struct Reply {
  std::uint16_t status = 200;
  std::uint8_t flags = 0;  // wire::ReplyFlags
  std::string_view reason;
  std::span<const wire::ReplyField> fields;
};

class Outbox {
 public:
  explicit Outbox(shm::WorkerEnd& channel) : channel_(channel) {}

  // The final head with as much of `body` as fits one record; `end` says that `body` is the whole. Returns false, and sends nothing,
  // when there is no room. On success `taken` is how much of the body went (all of it when the record carried the end).
  [[nodiscard]] bool try_head(StreamId id, const Reply& reply, std::span<const std::byte> body, bool end,
                              std::uint64_t credit, std::size_t& taken);
  [[nodiscard]] bool try_interim(StreamId id, const Reply& reply);
  [[nodiscard]] bool try_trailers(StreamId id, std::span<const wire::ReplyField> fields);

  // A piece of body. `taken` bytes went: at most `credit` and at most one record. With `end` the stream ends when all was taken.
  [[nodiscard]] bool try_body(StreamId id, std::span<const std::byte> body, bool end, std::uint64_t credit,
                              std::size_t& taken);
  [[nodiscard]] bool try_abort(StreamId id);  // the reply is broken off: the connection will be cut
  [[nodiscard]] bool try_credit(StreamId id, std::uint64_t bytes);  // so many more request body bytes are welcome
  // True: the try_file() or try_socket() that follows is not refused. A descriptor is sent only then, because the master takes descriptors in the order
  // of their records, and another stream's could come first while this one waits.
  [[nodiscard]] bool has_room_for_descriptor(StreamId id) {
    return claim(id, std::max(sizeof(wire::FileRecord), sizeof(wire::SocketRecord))).data() != nullptr;
  }
  [[nodiscard]] bool try_file(StreamId id, const wire::FileRecord& file, bool end);
  [[nodiscard]] bool try_socket(StreamId id, const wire::SocketRecord& socket);
  // One piece of a WebSocket message: all of it when `taken` == size.
  [[nodiscard]] bool try_message(StreamId id, std::span<const std::byte> bytes, bool text, std::size_t& taken);
  [[nodiscard]] bool try_close(StreamId id, std::uint16_t code, std::string_view reason);

  // Somebody other than the master has told this worker to go: asks to be replaced. Left out when there is no room: then it is replaced
  // when it has gone.
  void ask_to_go();

  // A claim was refused since the last call of fed(). must_wait() asks the master for a bell when there is room again; it says false
  // when room came in between: try again at once. Ask again after arming the bell.
  bool starved() const { return starved_; }
  bool must_wait() { return !channel_.replies.request_room(wanted_); }
  void fed() { starved_ = false; }

  // Rings the master. An end may wait a little while more requests are `waiting` here to be answered: one bell for several replies.
  void ring();
  void ring_after_end(std::size_t waiting);
  bool untold() const { return unrung_ends_ != 0; }  // an end waits for its bell

 private:
  std::span<std::byte> claim(StreamId id, std::size_t bytes);
  void starve(StreamId id, std::size_t bytes);  // there is no room for so many
  bool send(StreamId id, wire::Kind kind, std::uint16_t flags, const void* record, std::size_t size,
            std::string_view rest = {});
  bool head_in_fragments(StreamId id, wire::Kind kind, std::uint16_t flags, const Reply& reply, std::size_t size);

  // A head of which not all pieces are in the ring yet.
  struct UnfinishedHead {
    std::uint32_t generation = 0;
    wire::Kind kind = wire::Kind::Head;
    std::vector<std::byte> bytes;
    shm::FragmentWriter writer;
  };

  shm::WorkerEnd& channel_;
  std::unordered_map<std::uint32_t, UnfinishedHead> unfinished_;  // by slot; nearly always empty
  bool starved_ = false;
  std::uint32_t wanted_ = 0;            // what the last refused claim asked for
  std::size_t unrung_ends_ = 0;         // that no bell told of
  std::uint64_t oldest_unrung_ns_ = 0;  // when the first of them was committed
};

}  // namespace prefork::worker

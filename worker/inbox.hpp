// The worker's end of the request ring: moves records into private queues, one per slot, so that no record is held across a turn
// and a body never starves behind heads. Claiming happens in take(), when a request starts, not when its record is pumped.
// One thread at a time: the Crew's mutex sees to it, or there is only the event loop's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "shm/channel.hpp"
#include "shm/wire/frame.hpp"
#include "shm/wire/request_head.hpp"

namespace prefork::worker {

using Buffer = std::vector<std::byte>;

// A request whose head is here and which this worker has claimed.
struct Job {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  Buffer payload;
  wire::RequestView view;  // over payload, validated
};

struct WsMessage {
  bool text = false;
  Buffer bytes;
};

// What has arrived for a request besides its head. Owned by the Inbox, one a slot, used again and again.
struct Stream {
  bool open = false;
  std::uint32_t generation = 0;
  void* owner = nullptr;  // whoever runs the request may leave itself here

  std::deque<Buffer> body;
  bool body_ended = false;
  bool body_aborted = false;

  std::uint64_t send_credit = 0;  // reply body bytes that may still be sent
  bool cancelled = false;
  bool half_closed = false;  // the client has ended its side and still reads
  wire::CancelReason cancel_reason = wire::CancelReason::ClientGone;

  std::deque<WsMessage> messages;
  bool ws_closed = false;
  std::uint16_t ws_code = 1005;
  std::string ws_reason;

  Buffer partial;       // a Message still continued
  bool listed = false;  // in Inbox::changed()

  // A Head still continued. It may belong to the request that takes the slot over from the open one.
  Buffer head;
  std::uint32_t head_generation = 0;
};

class Inbox {
 public:
  // `first_credit` is the reply window that every stream starts with; both sides know it.
  Inbox(shm::WorkerEnd& channel, std::uint64_t first_credit) : channel_(channel), first_credit_(first_credit) {}

  // Moves every record out of the ring. True when there was one.
  bool pump();

  // The oldest request that the master has not taken back. Its Stream is open until close().
  [[nodiscard]] bool take(Job& job);
  std::size_t heads() const { return heads_.size(); }

  // Null when the request is over: after its end the master may give its slot to another one, even before close().
  Stream* stream(std::uint32_t slot, std::uint32_t generation) {
    Stream& stream = streams_[slot];
    return stream.open && stream.generation == generation ? &stream : nullptr;
  }
  Stream& stream(std::uint32_t slot) { return streams_[slot]; }
  // The request is over. The payload's memory is kept for a later one.
  void close(Job& job);
  std::size_t open_streams() const { return open_streams_; }

  // Slots of started requests that got something since clear_changed(): whom an event loop must wake.
  const std::vector<std::uint32_t>& changed() const { return changed_; }
  void clear_changed();

  bool draining() const { return draining_; }
  shm::Phase idle_phase() const { return draining_ ? shm::Phase::Draining : shm::Phase::Ready; }
  bool broken() const { return broken_; }  // the master's records make no sense, or cannot come any more: exit
  void give_up() { broken_ = true; }

 private:
  struct Waiting {
    std::uint32_t slot;
    std::uint32_t generation;
    Buffer payload;
    bool half_closed = false;  // heard while it waited
  };

  void accept(const shm::Record& record);
  void accept_head(const shm::Record& record);
  void accept_early(const shm::Record& record);
  void accept_message(Stream& stream, const shm::Record& record);
  void accept_close(Stream& stream, std::span<const std::byte> payload);
  Stream& open_stream(std::uint32_t slot, std::uint32_t generation);
  void list(Stream& stream, std::uint32_t slot);
  Buffer spare();

  shm::WorkerEnd& channel_;
  std::uint64_t first_credit_;
  std::deque<Waiting> heads_;
  std::deque<Stream> streams_;  // by slot; the master hands out low slots first
  std::size_t open_streams_ = 0;
  std::vector<Buffer> spares_;
  std::vector<std::uint32_t> changed_;
  bool draining_ = false;
  bool broken_ = false;
};

}  // namespace prefork::worker

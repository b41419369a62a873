// Where the reply to an Exchange goes: a connection, in tests a recorder.
#pragma once

#include <cstdint>
#include <span>

#include "shm/fd.hpp"
#include "shm/wire/frame.hpp"
#include "shm/wire/reply_head.hpp"

namespace prefork::http {

struct Exchange;

// One record of a worker, checked: the slot is in flight, a head's offsets lie inside. The bytes are in the ring until the call
// returns, and the worker can still write to them.
struct ReplyEvent {
  wire::Kind kind = wire::Kind::Body;
  bool end = false;                  // nothing follows
  bool aborted = false;              // with end: the reply is broken off
  bool text = false;                 // of a Message
  bool more = false;                 // of a Message: its next piece follows
  wire::ReplyView head;              // of Head, Interim, Trailers
  std::span<const std::byte> bytes;  // of Body (a Head's inline body is in `head`), Message, or a Close's reason
  wire::CloseRecord close;
  wire::FileRecord file;
  mutable shm::UniqueFd fd;  // of File and Socket; the receiver may take it. Empty: none was free for it
};

class ReplySink {
 public:
  virtual ~ReplySink() = default;

  // False when the record makes no sense: the worker is then replaced. With event.end the exchange has left its worker already.
  [[nodiscard]] virtual bool on_reply(Exchange& exchange, const ReplyEvent& event) = 0;
  // No (further) reply will come: the worker is gone, the time is up, the queue is full.
  virtual void on_failure(Exchange& exchange, std::uint16_t status, const char* why) = 0;
  // The worker takes body bytes now: 100 Continue is due, and reading may go on.
  virtual void on_body_wanted(Exchange& exchange) = 0;
  // The worker gets no more requests and ends when it has served what it has.
  virtual void on_worker_retired(Exchange& exchange) = 0;
};

}  // namespace prefork::http

// One request and the way of its reply, from the first byte of its head to the last of the answer. Made by a Connection, lent to
// the Dispatcher while it is queued or with a worker; plain data with the times and numbers that logs and metrics want.
//
//   Collecting --submit--> Queued --dispatch--> Sent --first reply record--> Replying --end--> Done
//                            ^---- requeued -----'
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "master/http/intrusive_list.hpp"
#include "master/http/reply_sink.hpp"
#include "master/net/deadline.hpp"
#include "master/net/spool.hpp"
#include "shm/wire/request_head.hpp"

namespace prefork::dispatch {
class Dispatcher;
class WorkerLink;
struct Lane;
}  // namespace prefork::dispatch

namespace prefork::http {

enum class Stage : std::uint8_t { Collecting, Queued, Sent, Replying, Done };

struct Exchange : net::Deadline {
  explicit Exchange(ReplySink& owner) : sink(&owner) {}

  ReplySink* sink;
  dispatch::Dispatcher* dispatcher = nullptr;  // while Queued, Sent or Replying
  ListHook<Exchange> hook;                     // in the queue, or in a worker's list of what it has
  wire::RequestBuilder request;
  Stage stage = Stage::Collecting;

  // The body beyond what is inline in `request`.
  std::unique_ptr<net::Spool> body;
  std::uint64_t body_credit = 0;  // bytes the worker takes now
  bool body_whole = true;         // every byte has arrived (or there is none)
  bool body_aborted = false;      // it never will
  bool body_sent = false;         // Body records went out: the request cannot be given to another worker
  bool body_end_sent = false;
  bool body_wanted_told = false;

  // Where it is.
  dispatch::WorkerLink* link = nullptr;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint16_t sticky = 0;        // the bucket of its key and one; 0: any worker does
  dispatch::Lane* lane = nullptr;  // while it waits for the worker of its key
  std::uint8_t crashes = 0;        // workers that died with it started

  // Reply flow control: body bytes that arrived and for which no credit went back.
  std::uint64_t reply_unacknowledged = 0;

  // For logs and metrics.
  std::uint64_t arrived_ns = 0;  // the head was complete
  std::uint64_t queued_ns = 0;
  std::uint64_t sent_ns = 0;     // to the worker that answered it
  std::uint64_t replied_ns = 0;  // the first reply record
  std::uint32_t worker_pid = 0;
  std::uint32_t worker_id = 0;
  std::uint32_t worker_generation = 0;
  std::uint16_t status = 0;
  std::uint64_t body_bytes_sent = 0;
  wire::Text client;        // in `request`: who a trusted proxy says the client is; empty: the peer
  std::string reply_notes;  // what an observer keeps of the reply's head

  bool safe() const { return wire::is_safe(static_cast<wire::Method>(request.head.method)); }
  bool started_reply() const { return stage == Stage::Replying || stage == Stage::Done; }

  void reset();

 protected:
  void on_deadline() override;  // --request-timeout
};

using ExchangeList = IntrusiveList<Exchange, &Exchange::hook>;

}  // namespace prefork::http

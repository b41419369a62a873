// The master's end of one worker: hands it requests, reads its replies, knows what it has. Lives as long as the worker's region;
// made by the Supervisor, used on one loop's thread. It believes nothing that it reads from shared memory.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "master/dispatch/descriptor_post.hpp"
#include "master/http/exchange.hpp"
#include "shm/channel.hpp"
#include "shm/region.hpp"

namespace prefork::dispatch {

class Dispatcher;

struct WorkerIdentity {
  std::uint32_t id = 0;          // 1-based place
  std::uint32_t age = 0;         // workers started before it
  std::uint32_t generation = 0;  // of the configuration it was started with
  int pid = 0;
};

class WorkerLink {
 public:
  enum class State : std::uint8_t { Starting, Ready, Retiring, Dead };

  // `bell_wait_fd` is the loop's one bell for all workers; `bell_signal_fd` wakes the worker; `side_fd` brings descriptors. Borrowed.
  WorkerLink(Dispatcher& dispatcher, shm::Region region, const shm::Geometry& geometry, int bell_wait_fd,
             int bell_signal_fd, int side_fd, const WorkerIdentity& identity);

  const WorkerIdentity& identity() const { return identity_; }
  void set_pid(int pid) { identity_.pid = pid; }
  State state() const { return state_; }
  wire::Interface interface() const { return interface_; }
  std::uint32_t concurrency() const { return concurrency_; }

  // How many more heads this worker may hold now (design: idle threads, plus some ahead while services are short).
  int room_for_heads() const;
  std::size_t in_flight() const { return busy_slots_; }
  std::uint64_t finished() const { return finished_; }

  // One memcpy into the ring; false when it does not fit now.
  [[nodiscard]] bool try_send(http::Exchange& exchange, std::uint64_t now_ns);
  void pump_body(http::Exchange& exchange);
  void send_credit(http::Exchange& exchange, std::uint64_t bytes);
  void send_message(http::Exchange& exchange, std::span<const std::byte> bytes, bool text);
  void send_close(http::Exchange& exchange, std::uint16_t code, std::string_view reason);
  // The exchange needs no reply any more; what the worker still sends for it is dropped.
  void cancel(http::Exchange& exchange, wire::CancelReason reason);
  void send_half_closed(http::Exchange& exchange);  // the client has ended its side; it still reads
  void send_drain();

  // Reads replies. True when there is more for the next turn. A record that makes no sense turns `bad()` on.
  bool drain(std::uint64_t now_ns);
  const char* bad() const { return bad_; }

  // Makes what was sent visible. True: the worker sleeps and must be rung for before the loop does.
  bool publish();
  void ring();  // if something was published since the last bell
  // Before the loop sleeps. False: a reply is there already.
  bool try_arm();
  void disarm() { end_.own_bell.disarm(); }

  // The worker stands still: takes back what it has not claimed, in order.
  void check_stuck(std::uint64_t now_ns, std::vector<http::Exchange*>& revoked);
  // Takes back everything that it has not claimed, in order.
  void take_back(std::uint64_t now_ns, std::vector<http::Exchange*>& revoked);
  // It had nothing to do and did not wake in time: what was taken back it skips without a word.
  bool overslept() const { return stuck_ && busy_slots_ == 0; }
  bool may_get_stuck() const { return state_ != State::Starting && !stuck_ && unclaimed_estimate() > 0; }

  void retire() { state_ = State::Retiring; }
  // The worker is gone: everything it had, in order, with whether it was started. The link is dead afterwards; it holds each until
  // let_go(), so that one whose connection ends meanwhile leaves it.
  struct Left {
    http::Exchange* exchange;
    bool started;
  };
  std::vector<Left> bury();
  void let_go(http::Exchange& exchange);
  http::ExchangeList& held() { return held_; }

  // For the watchdog: the requests that have been running longest and shortest, when something finished here last, and the worker's
  // sign of life.
  http::Exchange* oldest_started() const { return find_started(held_.front(), http::ExchangeList::next); }
  http::Exchange* newest_started() const { return find_started(held_.back(), http::ExchangeList::previous); }
  std::uint64_t last_finished_ns() const { return finished_ns_; }
  // Requests that an exception has ended here since this was asked last.
  std::uint64_t new_failures();
  std::uint64_t heartbeat_us() const { return end_.phase.heartbeat_us(); }
  const shm::Recorder& worker_recorder() const { return end_.worker_recorder; }

  shm::MasterEnd& end() { return end_; }
  const shm::Region& region() const { return region_; }

 private:
  struct Slot {
    http::Exchange* exchange = nullptr;  // null while busy: cancelled, its reply is dropped
    std::uint32_t generation = 0;
    bool busy = false;
    std::vector<std::byte> partial;  // a Head, Interim or Trailers still continued
  };
  struct Frame {
    shm::Tag tag;
    std::vector<std::byte> bytes;
  };

  void send(wire::Kind kind, std::uint16_t flags, std::uint32_t slot, std::uint32_t generation,
            std::span<const std::byte> bytes);
  bool put(const shm::Tag& tag, std::span<const std::byte> bytes);
  void flush_backlog();
  void resume_bodies();
  std::uint32_t take_slot();
  void free_slot(std::uint32_t index);
  http::Exchange* find_started(http::Exchange* from, http::Exchange* (*next)(http::Exchange&)) const;
  std::uint64_t unclaimed_estimate() const;

  bool accept(const shm::Record& record, std::uint64_t now_ns);
  bool accept_ready(const shm::Record& record);
  bool accept_credit(Slot& slot, const shm::Record& record);
  bool accept_reply(std::uint32_t index, const shm::Record& record, std::uint64_t now_ns);
  bool read_event(Slot& slot, const shm::Record& record, http::ReplyEvent& event);
  bool take_descriptor(std::uint32_t serial, bool (*is_right)(int), http::ReplyEvent& event);
  bool refuse(const char* why) {
    bad_ = why;
    return false;
  }
  void learn_service_time(std::uint64_t now_ns, std::uint64_t completed);

  Dispatcher& dispatcher_;
  shm::Region region_;
  shm::MasterEnd end_;
  DescriptorPost descriptors_;
  WorkerIdentity identity_;
  State state_ = State::Starting;
  wire::Interface interface_ = wire::Interface::Echo;
  std::uint32_t concurrency_ = 1;
  bool greeted_ = false;  // its Ready has come

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::size_t busy_slots_ = 0;
  http::ExchangeList held_;    // in the order they were sent
  std::deque<Frame> backlog_;  // what the request ring had no room for
  bool bodies_wait_ = false;   // for the backlog to be gone
  bool dirty_ = false;         // something was sent and is not published
  bool unrung_ = false;        // something was published since the last bell

  std::uint64_t heads_sent_ = 0;
  std::uint64_t finished_ = 0;
  std::uint64_t taken_ = 0;     // the worker's counter, as last read
  std::uint64_t failed_ = 0;    // another
  std::uint64_t moved_ns_ = 0;  // the last time that it took or finished something
  bool stuck_ = false;
  std::uint64_t patience_ns_ = 0;  // with an idle worker that does not take its request
  std::uint64_t service_ns_ = 0;   // EWMA
  std::uint64_t counted_from_ns_ = 0;
  std::uint64_t finished_ns_ = 0;
  const char* bad_ = nullptr;
};

}  // namespace prefork::dispatch

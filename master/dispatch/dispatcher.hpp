// The global queue and who gets its next request: the worker with the least in flight among those that can start one now. Nobody
// waits behind a slow request: what a worker does not start in time is taken back, and what a dead one had not started is given to
// another. Private to one loop; plain code on a list.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "master/dispatch/patience.hpp"
#include "master/dispatch/sticky.hpp"
#include "master/dispatch/worker_link.hpp"
#include "master/http/exchange.hpp"
#include "master/net/deadline.hpp"

namespace prefork::dispatch {

struct Policy {
  std::size_t queue_size = 10'000;  // requests; more get 503
  std::uint64_t queue_timeout_ms = 60'000;
  std::uint64_t hold_timeout_ms = 30'000;  // while no worker is ready
  std::uint64_t request_timeout_ms = 0;
  std::size_t limit_concurrency = 0;  // queued and started together
  bool retry_crashed = false;
  std::string sticky;  // as --sticky has it; empty: off
};

// Who looks after processes.
class WorkerKeeper {
 public:
  virtual ~WorkerKeeper() = default;
  virtual void on_ready(WorkerLink& link) = 0;
  virtual void on_bad_record(WorkerLink& link, const char* why) = 0;  // to be killed and replaced
  virtual void on_retire_wish(WorkerLink& link) = 0;
  virtual void on_request_finished(WorkerLink& link) = 0;  // counts for max-requests
};

class Dispatcher {
 public:
  Dispatcher(net::Loop& loop, net::DeadlineWheel& wheel, const Policy& policy);

  void set_policy(const Policy& policy);
  void set_keeper(WorkerKeeper* keeper) { keeper_ = keeper; }
  net::Loop& loop() { return loop_; }
  net::DeadlineWheel& wheel() { return wheel_; }

  // --- from connections
  // Takes the exchange into the queue, or fails it at once (503).
  void submit(http::Exchange& exchange);
  // Nobody waits for the reply any more. The exchange is free afterwards.
  void cancel(http::Exchange& exchange, wire::CancelReason reason);
  void body_arrived(http::Exchange& exchange);
  void give_reply_credit(http::Exchange& exchange, std::uint64_t bytes);
  void on_request_timeout(http::Exchange& exchange);

  // --- from the supervisor
  void add(WorkerLink& link);
  // The worker is gone: its requests are given to others or failed. `trusted`: its claims can be believed (no bad record).
  // Returns what it was running, for the obituary, before it fails them.
  void bury(WorkerLink& link, bool trusted, const std::function<void(const http::Exchange&, bool started)>& mourn);
  // The worker gets no more requests, what it has not started is given to others, and it is told to finish.
  void retire(WorkerLink& link);
  // The same for one that hangs and is about to be killed: nothing is told to it or, of an orderly end, to its WebSockets.
  void abandon(WorkerLink& link);
  // Fails one request of a worker, or all that a worker still has.
  void give_up(http::Exchange& exchange, std::uint16_t status, const char* why);
  void fail_running(WorkerLink& link, std::uint16_t status, const char* why);
  // Ends the replies that have begun: streams, WebSockets.
  void cut_streams(WorkerLink& link);

  // --- from the server
  // In development. Held: requests wait, also those that a worker has not started. Refusing: they are failed with 500, for there is no
  // code to run. At the end, Stopped: what waits, comes or is given back by a worker that goes gets 503 in the same turn.
  enum class Gate : std::uint8_t { Open, Held, Refusing, Stopped };
  void set_gate(Gate gate);
  Gate gate() const { return gate_; }

  // --- from worker links
  void on_worker_ready(WorkerLink& link);
  void on_retire_wish(WorkerLink& link);
  void on_finished(http::Exchange& exchange);

  // The records of a batch are about to be given back: who keeps pieces of them must let go.
  void on_batch_end() {
    if (batch_end_) batch_end_();
  }
  void set_batch_end(std::function<void()> batch_end) { batch_end_ = std::move(batch_end); }

  // --- once a turn
  bool before_sleep();  // true: do not sleep
  void after_sleep();

  std::size_t queued() const { return queue_.size() + (sticky_ ? sticky_->waiting() : 0); }
  std::size_t in_flight() const { return in_flight_; }
  bool idle() const { return queued() == 0 && in_flight_ == 0; }
  bool any_ready() const;
  // What the application speaks, once a worker has said it; Echo and Wsgi collect request bodies, Asgi streams them.
  bool interface_known() const { return interface_known_; }
  wire::Interface interface() const { return interface_; }
  const std::vector<WorkerLink*>& links() const { return links_; }
  std::uint64_t revoked() const { return revoked_total_; }
  std::uint64_t requeued() const { return requeued_total_; }

 private:
  void dispatch();
  WorkerLink* pick();
  bool send(http::Exchange& exchange, WorkerLink& link);
  void take_out(http::Exchange& exchange);
  void put_in_front(std::vector<http::Exchange*> exchanges);
  void dispatch_lanes();
  bool expire(http::Exchange& exchange, std::uint64_t held_ms);
  bool drain_all();
  bool hold_bells();
  void enqueue_front(http::Exchange& exchange);
  void fail(http::Exchange& exchange, std::uint16_t status, const char* why);
  void fail_queue(std::uint16_t status, const char* why);
  void leave(http::Exchange& exchange);
  void expire_queue();
  void arm_stuck_check();
  void take_back_from_stuck();
  void judge(const WorkerLink::Left& left, bool trusted);

  net::Loop& loop_;
  net::DeadlineWheel& wheel_;
  Policy policy_;
  WorkerKeeper* keeper_ = nullptr;
  http::ExchangeList queue_;
  Gate gate_ = Gate::Open;
  std::unique_ptr<Sticky> sticky_;  // null: off
  std::vector<WorkerLink*> links_;
  std::size_t in_flight_ = 0;  // with a worker
  net::Timer stuck_timer_;
  net::Timer expiry_timer_;
  bool interface_known_ = false;
  wire::Interface interface_ = wire::Interface::Echo;
  std::uint64_t revoked_total_ = 0;
  std::uint64_t requeued_total_ = 0;
  std::uint64_t dispatched_ = 0;
  std::uint64_t dispatched_before_ = 0;  // as of the turn before
  Patience patience_;
  std::uint64_t none_ready_since_ms_ = 0;
  std::function<void()> batch_end_;
};

}  // namespace prefork::dispatch

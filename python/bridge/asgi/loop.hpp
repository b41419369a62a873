// Between the rings and the event loop: takes requests when the bell rings, calls the application for them, wakes what waits.
// One a worker, never taken down. Event loop's thread, GIL held; Inbox and Outbox are used directly, nobody else does.
//
// Invariant (lost wake-ups): turn() ends with the bell armed and everything re-checked and found empty, or with another turn scheduled.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "python/bridge/asgi/caller.hpp"
#include "python/bridge/asgi/conversation.hpp"
#include "python/bridge/asgi/driver.hpp"
#include "python/bridge/ref.hpp"
#include "worker/context.hpp"

namespace prefork::bridge::asgi {

class Loop {
 public:
  explicit Loop(worker::Context& context);

  // Begins to serve on this running or about to run event loop: adds its reader, tells the master that requests may come.
  // False with the error set.
  [[nodiscard]] bool start(PyRef loop, std::unique_ptr<Caller> caller, PyRef call_awaitable);

  // Finishes what is started, then stops the event loop; before start() sets SystemExit. From a signal handler of Python's.
  void stop();
  void give_up();  // takes nothing more; what is started is left as it is
  bool ended() const { return ended_; }
  bool broken() const { return inbox_.broken(); }

  void turn();  // from the bell's reader, or scheduled
  void beat();  // once a second: a sign of life

  // For conversations.
  worker::Context& context() { return context_; }
  worker::Inbox& inbox() { return inbox_; }
  worker::Outbox& outbox() { return outbox_; }
  std::uint64_t body_window() const { return body_window_; }
  std::uint64_t most_messages() const { return most_messages_; }  // of a WebSocket, that wait for its application
  PyRef new_future();
  void ring();  // tells the master of anything but an end
  void wait_for_room(Conversation& conversation);
  void try_again_soon(Conversation& conversation);
  void on_end(Conversation& conversation);       // its end was sent
  void on_finished(Conversation& conversation);  // its application is over
  void on_gone(Conversation& conversation);      // its client is
  PyObject* cancelled_error() const { return runner_->cancelled_error(); }
  void count_failure() { context_.channel().counters.add(shm::Counter::Failed); }

 private:
  using Action = std::function<void()>;

  void take_requests();
  void start_request(worker::Job&& job);
  void wake_changed();
  void feed_hungry();
  void arm();
  void schedule_turn();
  void retire_over();
  void close_stream(Conversation& conversation, bool whole);
  void settle(Conversation& conversation);
  bool done() const;
  void stop_event_loop();
  [[nodiscard]] bool call_soon(Action action);
  [[nodiscard]] bool call_later(double seconds, Action action);

  worker::Context& context_;
  worker::Inbox inbox_;
  worker::Outbox outbox_;
  std::uint64_t body_window_;
  std::uint64_t most_messages_;
  std::size_t most_;      // conversations at a time
  double grace_seconds_;  // from the client's end until its request is cancelled
  bool eager_;

  PyRef loop_;
  PyRef create_future_;
  PyRef call_soon_;
  PyRef call_later_;
  PyRef turn_function_;
  std::unique_ptr<Caller> caller_;
  std::unique_ptr<Runner> runner_;

  std::size_t alive_ = 0;              // conversations that are not over
  std::vector<Conversation*> hungry_;  // each waits for room, and is kept
  std::vector<Conversation*> over_;    // to be let go when nothing of theirs is on the stack
  Conversation* starting_ = nullptr;   // its application is called right now
  bool in_turn_ = false;
  bool scheduled_ = false;
  bool stopping_ = false;
  bool ended_ = false;
};

}  // namespace prefork::bridge::asgi

// One request or WebSocket between the application and the master: what receive() gives, what send() takes, how it ends.
// Counted: its receive and send callables, the Driver that runs the application and the master's open stream each keep it.
// Used on the event loop's thread, GIL held.
//
// Invariant: the master hears exactly one end (kEnd) of every conversation, and nothing after it: the slot may be another's by then.
#pragma once

#include <string>
#include <vector>

#include "python/bridge/ref.hpp"
#include "worker/inbox.hpp"
#include "worker/outbox.hpp"

namespace prefork::bridge::asgi {

class Loop;

enum class Step { Done, Wait, Error };  // Error: the Python error is set

class Conversation {
 public:
  Conversation(Loop& loop, worker::Job&& job);
  virtual ~Conversation() = default;
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  void retain() { ++references_; }
  void release() {
    if (--references_ == 0) delete this;
  }

  // The next event, or Wait: then wait_to_receive() gives what to wait for. `what` is the interface's own: ASGI has one kind, 0.
  virtual Step try_receive(unsigned what, PyRef& event) = 0;
  // Takes a message over. Done says that it will go out; whether it has, flush() says. Wait: come again.
  virtual Step take_message(PyObject* message) = 0;
  // Sends what was taken over, as far as there is room and credit. Done: nothing is left.
  virtual Step flush() = 0;

  // The iterator of a future that is set when it is worth trying again. Empty with the error set.
  PyRef wait_to_receive() { return wait(receivers_); }
  PyRef wait_to_send() { return wait(senders_); }

  // What the application's coroutine has returned. A coroutine given back goes on in its place; empty: it is over, and with the Python
  // error set it failed.
  virtual PyRef on_returned(PyObject*) { return {}; }
  // The application's coroutine is over; with the Python error set it raised. Returns with no error set.
  void on_finished();
  bool finished() const { return finished_; }

  // Something came for the stream: body, credit, a message, the client's end.
  void on_change();
  void on_room();  // the reply ring has room again

  bool ended() const { return ended_; }
  bool gone() const { return gone_; }
  const worker::Job& job() const { return job_; }
  worker::Job& job() { return job_; }
  worker::StreamId id() const { return {job_.slot, job_.generation}; }
  std::string description() const;
  // Somebody else keeps it: what the request said must stay.
  bool shared() const { return references_ > 1; }

  // The application's task is cancelled some time after its client has gone.
  virtual bool ends_with_client() const { return false; }
  void cancel();

  bool settled = false;  // the Loop's: it has let go of this
  PyRef task;            // what runs the application once it has suspended; empty before and after

 protected:
  virtual const char* interface_name() const { return "ASGI"; }
  // The application is over and has not ended its reply: what the client gets. `failed`: it raised.
  virtual void conclude(bool failed) = 0;
  // The client is gone.
  virtual void on_gone() {}
  // Something has come for the stream.
  virtual void on_news() {}

  void end();          // the end was sent: the stream belongs to the master again
  void break_off();    // ends the reply at once, visibly cut
  bool refuse_gone();  // sets the error that send() raises for a client that is gone; false
  Step starved();      // asks for a bell when there is room: Wait
  void wake(std::vector<PyRef>& waiters);

  // While not ended().
  worker::Stream& stream();

  Loop& loop_;
  worker::Job job_;
  std::vector<PyRef> receivers_;  // futures
  std::vector<PyRef> senders_;
  bool ended_ = false;
  bool gone_ = false;      // the client reads no more
  bool breaking_ = false;  // break_off() waits for room
  bool finished_ = false;

 private:
  PyRef wait(std::vector<PyRef>& waiters);
  bool was_cancelled_ = false;  // by cancel()
  bool told_gone_ = false;      // by refuse_gone(): a WebSocket's client may have closed it and still be there

  int references_ = 1;  // the stream's, until end() and the application's end
};

}  // namespace prefork::bridge::asgi

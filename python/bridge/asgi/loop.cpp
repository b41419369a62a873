#include "python/bridge/asgi/loop.hpp"

#include <algorithm>

#include "python/bridge/asgi/operation.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/signals.hpp"
#include "worker/clock.hpp"

namespace prefork::bridge::asgi {
namespace {

constexpr long kFirstCredit = 1 << 20;
constexpr long kBodyWindow = 256 * 1024;
constexpr unsigned kRequestsPerTurn = 64;  // then the application's own tasks have their turn
constexpr double kBeatSeconds = 1.0;
constexpr double kRetrySeconds = 0.002;

constexpr const char* kActionName = "prefork.action";

bool exit_told = false;  // to the event loop, by SystemExit; or it has ended by itself

// A call into the event loop has failed. The signal that ends this worker may come in any: run_action() hands that on.
void report(const char* what) {
  if (!drop_exit(quitting())) log_error(what);
}

PyObject* run_action(PyObject* capsule, PyObject*) {
  auto* const action = static_cast<std::function<void()>*>(PyCapsule_GetPointer(capsule, kActionName));
  if (action == nullptr) return nullptr;
  (*action)();
  if (quitting() && !exit_told) {  // whatever ran here may have swallowed it
    exit_told = true;
    PyErr_SetNone(PyExc_SystemExit);
    return nullptr;
  }
  Py_RETURN_NONE;
}

void drop_action(PyObject* capsule) {
  delete static_cast<std::function<void()>*>(PyCapsule_GetPointer(capsule, kActionName));
}

PyMethodDef kAction{"prefork", run_action, METH_NOARGS, nullptr};

// A function for the event loop to call; it owns the action.
PyRef new_function(std::function<void()> action) {
  auto owned = std::make_unique<std::function<void()>>(std::move(action));
  const PyRef capsule = PyRef::steal(PyCapsule_New(owned.get(), kActionName, drop_action));
  if (!capsule) return {};
  (void)owned.release();
  return PyRef::steal(PyCFunction_New(&kAction, capsule.get()));
}

}  // namespace

Loop::Loop(worker::Context& context)
    : context_(context),
      inbox_(context.channel(), static_cast<std::uint64_t>(context.settings().number("reply_window", kFirstCredit))),
      outbox_(context.channel()),
      body_window_(static_cast<std::uint64_t>(context.settings().number("body_window", kBodyWindow))),
      most_messages_(static_cast<std::uint64_t>(context.settings().number("ws_max_queue", 32))),
      most_(static_cast<std::size_t>(std::max(1L, context.settings().number("worker_connections", 1000)))),
      grace_seconds_(static_cast<double>(context.settings().number("asgi_disconnect_grace_period", 3000)) / 1000),
      eager_(context.settings().get("eager", "1") == "1") {}

bool Loop::start(PyRef loop, std::unique_ptr<Caller> caller, PyRef call_awaitable) {
  loop_ = std::move(loop);
  caller_ = std::move(caller);
  create_future_ = PyRef::steal(PyObject_GetAttrString(loop_.get(), "create_future"));
  call_soon_ = PyRef::steal(PyObject_GetAttrString(loop_.get(), "call_soon"));
  call_later_ = PyRef::steal(PyObject_GetAttrString(loop_.get(), "call_later"));
  turn_function_ = new_function([this] {
    scheduled_ = false;
    turn();
  });
  if (!create_future_ || !call_soon_ || !call_later_ || !turn_function_ || !prepare_operations()) return false;
  runner_ = std::make_unique<Runner>(loop_.share(), std::move(call_awaitable), eager_);
  if (!runner_->prepare()) return false;
  const PyRef on_bell = new_function([this] {
    context_.channel().own_bell.disarm();
    context_.channel().own_bell.drain();
    turn();
  });
  if (!on_bell || !PyRef::steal(PyObject_CallMethod(loop_.get(), "add_reader", "iO", context_.channel().own_bell.fd(),
                                                    on_bell.get())))
    return false;
  if (!call_later(kBeatSeconds, [this] { beat(); }) || !call_soon([this] { turn(); })) return false;
  context_.ready(wire::Interface::Asgi, static_cast<std::uint32_t>(most_));
  return true;
}

bool Loop::call_soon(Action action) {
  const PyRef function = new_function(std::move(action));
  return function && PyRef::steal(PyObject_CallOneArg(call_soon_.get(), function.get()));
}

bool Loop::call_later(double seconds, Action action) {
  const PyRef function = new_function(std::move(action));
  const PyRef delay = PyRef::steal(PyFloat_FromDouble(seconds));
  return function && delay &&
         PyRef::steal(PyObject_CallFunctionObjArgs(call_later_.get(), delay.get(), function.get(), nullptr));
}

PyRef Loop::new_future() { return PyRef::steal(PyObject_CallNoArgs(create_future_.get())); }

void Loop::beat() {
  if (ended_) return;
  context_.channel().phase.set(inbox_.idle_phase(), worker::coarse_us());
  if (!context_.bells_alive()) {
    log(Level::Critical, std::string(kClosedDescriptors));
    inbox_.give_up();
    return stop_event_loop();
  }
  if (!call_later(kBeatSeconds, [this] { beat(); })) report("The worker's heartbeat stops");
}

void Loop::stop() {
  stopping_ = true;
  if (!loop_)
    return PyErr_SetNone(PyExc_SystemExit);  // still in the application's startup, which may wait for anything
  outbox_.ask_to_go();
  shm::signal_bell(context_.channel().own_bell.fd());
}

void Loop::ring() { outbox_.ring(); }

// ---------------------------------------------------------------------------------------------------- a turn

void Loop::turn() {
  if (ended_ || in_turn_) return;
  in_turn_ = true;
  retire_over();
  outbox_.fed();
  inbox_.pump();
  wake_changed();
  feed_hungry();
  take_requests();
  outbox_.ring();
  in_turn_ = false;
  if (inbox_.broken() || done()) return stop_event_loop();
  arm();
}

void Loop::take_requests() {
  if (stopping_) return;
  if (inbox_.heads() != 0) context_.channel().phase.set(shm::Phase::Busy, worker::coarse_us());
  worker::Job job;
  for (unsigned started = 0; started < kRequestsPerTurn && alive_ < most_ && inbox_.take(job); ++started)
    start_request(std::move(job));
}

void Loop::start_request(worker::Job&& job) {
  Conversation* const conversation = caller_->open(*this, std::move(job));
  inbox_.stream(conversation->job().slot).owner = conversation;
  ++alive_;
  starting_ = conversation;
  PyRef coroutine = caller_->call(*conversation);
  if (coroutine) {
    runner_->run(std::move(coroutine), *conversation);
  } else {
    conversation->on_finished();
  }
  starting_ = nullptr;
  if (conversation->ended()) close_stream(*conversation, conversation->finished() && !conversation->shared());
  retire_over();
}

void Loop::wake_changed() {
  if (inbox_.changed().empty()) return;
  const std::vector<std::uint32_t> slots = inbox_.changed();
  inbox_.clear_changed();
  for (const auto slot : slots) {
    worker::Stream& stream = inbox_.stream(slot);
    if (stream.open && stream.owner != nullptr) static_cast<Conversation*>(stream.owner)->on_change();
  }
}

void Loop::feed_hungry() {
  if (hungry_.empty()) return;
  std::vector<Conversation*> hungry;
  hungry.swap(hungry_);
  for (Conversation* conversation : hungry) {
    conversation->on_room();
    conversation->release();
  }
}

void Loop::arm() {
  auto& channel = context_.channel();
  channel.own_bell.arm();
  const bool requests = inbox_.heads() != 0 && alive_ < most_ && !stopping_;
  if (channel.requests.anything_now() || requests || (outbox_.starved() && !outbox_.must_wait())) {
    channel.own_bell.disarm();
    return schedule_turn();
  }
  channel.phase.set(inbox_.idle_phase(), worker::coarse_us());
}

void Loop::schedule_turn() {
  if (scheduled_) return;
  scheduled_ = true;
  if (!PyRef::steal(PyObject_CallOneArg(call_soon_.get(), turn_function_.get())))
    report("The worker's event loop takes no more work");
}

bool Loop::done() const { return (stopping_ || (inbox_.draining() && inbox_.heads() == 0)) && alive_ == 0; }

void Loop::give_up() {
  if (ended_) return;
  ended_ = true;
  exit_told = true;
  const PyRef removed =
      PyRef::steal(PyObject_CallMethod(loop_.get(), "remove_reader", "i", context_.channel().own_bell.fd()));
  if (!removed) report("The worker's bell cannot be left");
}

void Loop::stop_event_loop() {
  if (ended_) return;
  give_up();
  const PyRef stopped = PyRef::steal(PyObject_CallMethod(loop_.get(), "stop", nullptr));
  if (!stopped) report("The event loop cannot be stopped");
}

// ---------------------------------------------------------------------------------------------------- for conversations

// Asks for a bell when there is room. In a turn the question is asked after arming, at its end.
void Loop::wait_for_room(Conversation& conversation) {
  if (std::find(hungry_.begin(), hungry_.end(), &conversation) == hungry_.end()) {
    conversation.retain();
    hungry_.push_back(&conversation);
  }
  if (!in_turn_ && !outbox_.must_wait()) schedule_turn();
}

void Loop::try_again_soon(Conversation& conversation) {
  conversation.retain();
  const bool scheduled = call_later(kRetrySeconds, [&conversation] {
    conversation.on_room();
    conversation.release();
  });
  if (!scheduled) {
    conversation.release();
    report("A request cannot be continued");
  }
}

// The stream is closed at once, because the master may give its slot to another request; the memory of a request that is over is kept.
void Loop::close_stream(Conversation& conversation, bool whole) {
  if (whole) return inbox_.close(conversation.job());
  worker::Job slot_only;
  slot_only.slot = conversation.job().slot;
  slot_only.generation = conversation.job().generation;
  inbox_.close(slot_only);
}

void Loop::on_end(Conversation& conversation) {
  outbox_.ring_after_end(in_turn_ ? inbox_.heads() : 0);
  if (&conversation != starting_) close_stream(conversation, false);
  settle(conversation);
}

void Loop::on_finished(Conversation& conversation) { settle(conversation); }

void Loop::settle(Conversation& conversation) {
  if (!conversation.ended() || !conversation.finished() || conversation.settled) return;
  conversation.settled = true;
  context_.channel().counters.add(shm::Counter::Finished);
  --alive_;
  over_.push_back(&conversation);
  if (!in_turn_ && (done() || inbox_.heads() != 0)) schedule_turn();
}

void Loop::retire_over() {
  if (over_.empty()) return;
  std::vector<Conversation*> over;
  over.swap(over_);
  for (Conversation* conversation : over) conversation->release();
}

void Loop::on_gone(Conversation& conversation) {
  if (conversation.finished() || !conversation.ends_with_client()) return;
  conversation.retain();
  const bool scheduled = call_later(grace_seconds_, [&conversation] {
    if (!conversation.finished()) conversation.cancel();
    conversation.release();
  });
  if (!scheduled) {
    conversation.release();
    report("A request cannot be cancelled");
  }
}

}  // namespace prefork::bridge::asgi

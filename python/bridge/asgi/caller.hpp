// How an application is called for a request: what an interface that runs on the event loop adds to it. Event loop's thread, GIL held.
#pragma once

#include "python/bridge/asgi/conversation.hpp"
#include "python/bridge/asgi/scope.hpp"
#include "python/bridge/ref.hpp"

namespace prefork::bridge::asgi {

class Caller {
 public:
  virtual ~Caller() = default;
  virtual Conversation* open(Loop& loop, worker::Job&& job) = 0;
  // What calling the application returned. Empty with the error set.
  virtual PyRef call(Conversation& conversation) = 0;
};

class AsgiCaller : public Caller {
 public:
  // `state` is the lifespan's. Throws std::runtime_error when Python refuses.
  AsgiCaller(PyRef application, const wire::Settings& settings, PyRef state)
      : application_(std::move(application)), scopes_(settings, std::move(state)) {}

  Conversation* open(Loop& loop, worker::Job&& job) override;
  PyRef call(Conversation& conversation) override;

 private:
  PyRef application_;
  Scopes scopes_;
};

}  // namespace prefork::bridge::asgi

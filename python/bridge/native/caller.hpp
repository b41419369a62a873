// How native and RSGI applications are called for a request. Event loop's thread, GIL held.
#pragma once

#include "python/bridge/asgi/caller.hpp"

namespace prefork::bridge::native {

// application(request, reply)
class NativeCaller : public asgi::Caller {
 public:
  explicit NativeCaller(PyRef application) : application_(std::move(application)) {}
  asgi::Conversation* open(asgi::Loop& loop, worker::Job&& job) override;
  PyRef call(asgi::Conversation& conversation) override;

 private:
  PyRef application_;
};

// application(scope, protocol)
class RsgiCaller : public asgi::Caller {
 public:
  explicit RsgiCaller(PyRef application) : application_(std::move(application)) {}
  asgi::Conversation* open(asgi::Loop& loop, worker::Job&& job) override;
  PyRef call(asgi::Conversation& conversation) override;

 private:
  PyRef application_;
};

}  // namespace prefork::bridge::native

// The seam between the transport and what answers requests on a thread: WSGI, the native sync interface, EchoApp, a test's own.
#pragma once

#include "worker/exchange.hpp"

namespace prefork::worker {

class Application {
 public:
  virtual ~Application() = default;

  // Answers one request on the calling thread. Does not throw. A reply that was not ended when this returns is broken off.
  virtual void handle(Exchange& exchange) = 0;
};

}  // namespace prefork::worker

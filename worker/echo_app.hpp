// A C++ application that exercises the transport and its ceiling without Python: what `prefork --app echo` serves.
//   /          hello                     /path/...   the path itself
//   /status/N  that status               /sleep/S    after S seconds
//   /pid       the worker's process id   /ignore     never reads the body
// /bad/ it hands to the application that misbehaves, and what it does not know to the one that streams.
#pragma once

#include "worker/misbehaving_app.hpp"
#include "worker/stream_app.hpp"

namespace prefork::worker {

class EchoApp : public Application {
 public:
  void handle(Exchange& exchange) override;

 private:
  StreamApp streaming_;
  MisbehavingApp misbehaving_;
};

}  // namespace prefork::worker

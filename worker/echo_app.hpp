// A C++ application that exercises the transport and its ceiling without Python: what `prefork --app echo` serves.
//   /          hello                     /path/...   the path itself
//   /status/N  that status               /sleep/S    after S seconds
//   /pid       the worker's process id   /ignore     never reads the body
// and what misbehaviour.hpp and streaming.hpp list.
#pragma once

#include "worker/application.hpp"

namespace prefork::worker {

class EchoApp : public Application {
 public:
  void handle(Exchange& exchange) override;
};

}  // namespace prefork::worker

// A C++ application that misbehaves on request, for tests:
//   /bad/KIND   kill, exit, abort, hang, no-reply, cut, long, short, bad-record, scribble
#pragma once

#include "worker/application.hpp"

namespace prefork::worker {

class MisbehavingApp : public Application {
 public:
  void handle(Exchange& exchange) override;
};

}  // namespace prefork::worker

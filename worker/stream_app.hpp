// A C++ application that streams. The bytes are the letters in turn, so that a client can check every one by its offset.
//   /len/N   N bytes with a length      /chunks/N/M   N pieces of M bytes, no length
//   /echo    the body back as it comes  /count        the body's length
#pragma once

#include "worker/application.hpp"

namespace prefork::worker {

class StreamApp : public Application {
 public:
  void handle(Exchange& exchange) override;
};

}  // namespace prefork::worker

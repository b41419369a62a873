// The part of the echo application that streams. The bytes are the letters in turn, so that a client can check every one by its offset.
//   /len/N   N bytes with a length      /chunks/N/M   N pieces of M bytes, no length
//   /echo    the body back as it comes  /count        the body's length
#pragma once

#include "worker/exchange.hpp"

namespace prefork::worker {

// 404 for any other path.
void answer_streaming(Exchange& exchange);

}  // namespace prefork::worker

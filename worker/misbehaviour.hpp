// What the echo application does when a test wants it to misbehave, /bad/KIND:
//   kill, exit, abort, hang, no-reply, cut, long, short, bad-record, scribble
#pragma once

#include <string_view>

#include "worker/exchange.hpp"

namespace prefork::worker {

void misbehave(Exchange& exchange, std::string_view kind);

}  // namespace prefork::worker

// A C++ application that exercises the transport and its ceiling without Python. What it answers is told by the path:
//   /            hello            /len/N        N bytes with a length      /chunks/N/M   N pieces of M bytes, no length
//   /echo        the body back    /sha-less     the body's length          /sleep/S      after S seconds
//   /status/N    that status      /ignore       never reads the body       /pid          the worker's process id
//   /path/...    the path itself
//   /bad/KIND    misbehaves: kill, exit, abort, hang, no-reply, cut, long, short, bad-record, scribble (for tests)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/application.hpp"

namespace prefork::worker {

class EchoApp : public Application {
 public:
  void handle(Exchange& exchange) override;

 private:
  void whole(Exchange& exchange, std::uint16_t status, std::string_view body);
  void length(Exchange& exchange, std::string_view count);
  void chunks(Exchange& exchange, std::string_view counts);
  void echo(Exchange& exchange);
  void count(Exchange& exchange);
  void misbehave(Exchange& exchange, std::string_view kind);
  void garbage(Exchange& exchange, bool everywhere);
};

}  // namespace prefork::worker

#include "worker/echo_app.hpp"

#include <unistd.h>

#include <cstdlib>
#include <ctime>

#include "worker/misbehaviour.hpp"
#include "worker/streaming.hpp"
#include "worker/whole_reply.hpp"

namespace prefork::worker {
namespace {

void sleep_for(std::string_view seconds) {
  const double wanted = std::strtod(std::string(seconds).c_str(), nullptr);
  timespec pause{static_cast<time_t>(wanted),
                 static_cast<long>((wanted - static_cast<double>(static_cast<time_t>(wanted))) * 1e9)};
  while (::nanosleep(&pause, &pause) != 0) {
  }
}

}  // namespace

void EchoApp::handle(Exchange& exchange) {
  const auto path = path_of(exchange);
  std::string_view rest;
  if (path == "/") return send_whole(exchange, 200, "Hello, World!");
  if (path == "/ignore") return send_whole(exchange, 200, "ignored");
  if (path == "/pid") return send_whole(exchange, 200, std::to_string(::getpid()));
  if (starts(path, "/path/", rest)) return send_whole(exchange, 200, path);
  if (starts(path, "/status/", rest)) return send_whole(exchange, static_cast<std::uint16_t>(number(rest)), "status");
  if (starts(path, "/sleep/", rest)) {
    sleep_for(rest);
    return send_whole(exchange, 200, "slept");
  }
  if (starts(path, "/bad/", rest)) return misbehave(exchange, rest);
  answer_streaming(exchange);
}

}  // namespace prefork::worker

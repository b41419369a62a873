#include "worker/misbehaviour.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <random>

#include "worker/whole_reply.hpp"

namespace prefork::worker {
namespace {

using wire::Name;

// A record whose head makes no sense, or random bytes over everything that is shared.
void garbage(Exchange& exchange, bool everywhere) {
  auto& replies = exchange.context().channel().replies;
  const auto space = replies.try_claim(64);
  if (everywhere) {
    std::mt19937_64 random(static_cast<std::uint64_t>(::getpid()));
    std::byte* at = space.data() - reinterpret_cast<std::uintptr_t>(space.data()) % 4096;
    for (std::size_t i = 0; i < 16384; ++i) at[i] = static_cast<std::byte>(random());
  }
  std::fill(space.begin(), space.begin() + 64, std::byte{0xff});
  replies.commit({static_cast<std::uint16_t>(wire::Kind::Head), 0, exchange.id().slot, exchange.id().generation}, 64);
  replies.publish();
  exchange.context().channel().master_bell.ring();
  ::sleep(5);
}

}  // namespace

void misbehave(Exchange& exchange, std::string_view kind) {
  const wire::ReplyField ten[] = {{"Content-Length", "10", Name::ContentLength}};
  if (kind == "kill") ::raise(SIGKILL);
  if (kind == "exit") ::_exit(7);
  if (kind == "abort") ::abort();
  if (kind == "hang") ::raise(SIGSTOP);
  if (kind == "no-reply") return;
  if (kind == "cut") {
    (void)exchange.send_head({200, 0, {}, {}}, wire::as_bytes("first"), false);
    return exchange.abort();
  }
  if (kind == "long")
    return static_cast<void>(exchange.send_head({200, 0, {}, ten}, wire::as_bytes("ten bytes, and more"), true));
  if (kind == "short") return static_cast<void>(exchange.send_head({200, 0, {}, ten}, wire::as_bytes("short"), true));
  if (kind == "bad-record") return garbage(exchange, false);
  if (kind == "scribble") return garbage(exchange, true);
  send_whole(exchange, 404, "no such misbehaviour");
}

}  // namespace prefork::worker

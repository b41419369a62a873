#include "master/http/tunnel.hpp"

#include "master/http/connection.hpp"

namespace prefork::http {
namespace {

// What waits for an application that does not read; beyond it the client has to wait.
constexpr std::size_t kMostWaiting = 64 * 1024;

}  // namespace

Tunnel::Tunnel(Connection& connection, H1Exchange& exchange, net::Loop& loop, net::SpoolBudget& budget,
               shm::UniqueFd socket)
    : connection_(connection),
      exchange_(exchange),
      loop_(loop),
      to_application_(loop, budget, [this] { on_writable(); }),
      stream_(loop, socket.release(), *this) {
  want(true);
}

void Tunnel::feed(std::span<const char> in) {
  if (deaf_) return;
  const iovec piece{const_cast<char*>(in.data()), in.size()};
  if (!to_application_.write(stream_, {&piece, 1}, {.memory = kMostWaiting})) deaf_ = true;
  want(wants_bytes_);
}

void Tunnel::client_ended() {
  client_ended_ = true;
  pass_on_end();
}

void Tunnel::pass_on_end() {
  if (client_ended_ && to_application_.empty()) stream_.end_write(net::Stream::Ending::Orderly);
}

bool Tunnel::wants_input() const { return !client_ended_ && (deaf_ || to_application_.size() < kMostWaiting); }

void Tunnel::want(bool bytes) {
  wants_bytes_ = bytes;
  stream_.want(bytes, !deaf_ && to_application_.blocked());
}

void Tunnel::read_rest() {
  for (;;) {
    const auto result = stream_.read(loop_.read_buffer());
    if (result.what != net::Io::Done) return;
    if (!connection_.relay(exchange_, std::span<const char>(loop_.read_buffer()).first(result.bytes))) return;
  }
}

// What the connection does may be the end of this object.
void Tunnel::on_readable() {
  Connection& connection = connection_;
  const auto result = stream_.read(loop_.read_buffer());
  switch (result.what) {
    case net::Io::Done:
      (void)connection.relay(exchange_, std::span<const char>(loop_.read_buffer()).first(result.bytes));
      return connection.on_tunnel_turn();
    case net::Io::WouldBlock: return;
    case net::Io::Eof:
    case net::Io::Failed: break;
  }
  on_reset();
}

void Tunnel::on_writable() {
  deaf_ = deaf_ || !to_application_.flush(stream_);
  if (!deaf_) pass_on_end();
  want(wants_bytes_);
  connection_.on_tunnel_turn();
}

void Tunnel::on_reset() { connection_.on_tunnel_end(exchange_); }

}  // namespace prefork::http

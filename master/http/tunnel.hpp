// The raw bytes of a connection, lent to an application that speaks WebSocket itself (WSGI, through gunicorn.socket): a stream socket
// whose other end is in the worker. What the application writes there goes to the client as it is, and the other way round. Until it
// writes, nothing has happened, and an ordinary reply ends the offer. Owned by the exchange of the handshake.
#pragma once

#include <cstdint>
#include <span>

#include "master/http/out_queue.hpp"
#include "master/net/tcp_stream.hpp"

namespace prefork::http {

class Connection;
struct H1Exchange;

class Tunnel : private net::StreamEvents {
 public:
  Tunnel(Connection& connection, H1Exchange& exchange, net::Loop& loop, net::SpoolBudget& budget, shm::UniqueFd socket);

  void feed(std::span<const char> in);  // from the client
  void client_ended();
  // What the application has written by now, all of it: its request is over.
  void read_rest();
  void want(bool bytes);  // whether the client's side has room for more
  bool wants_input() const;

 private:
  void on_readable() override;
  void on_writable() override;
  void on_reset() override;
  void pass_on_end();

  Connection& connection_;
  H1Exchange& exchange_;
  net::Loop& loop_;
  OutQueue to_application_;
  net::TcpStream stream_;
  bool wants_bytes_ = true;
  bool client_ended_ = false;
  bool deaf_ = false;  // the application takes no more
};

}  // namespace prefork::http

// A listening socket: TCP, unix or inherited. Accepts in batches on its loop and hands each connection over; out of descriptors it
// pauses until one is free again, and says so now and then. Owned by the Server, which may hand the descriptor on to a successor.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "master/bind_address.hpp"
#include "master/net/loop.hpp"
#include "master/net/seldom.hpp"
#include "shm/fd.hpp"

namespace prefork::net {

struct Peer {
  std::string address;  // as text; empty on a unix socket
  std::uint16_t port = 0;
  bool unix_socket = false;
  bool trusted = false;  // a proxy that may speak for others
};

// The socket itself, bound and listening. Throws std::system_error with the address in its text.
struct BoundSocket {
  shm::UniqueFd fd;
  std::string name;         // as in "Listening at: …": http://127.0.0.1:8000 or unix:/path
  std::string unix_path;    // of a socket file that we made and remove
  std::string server_name;  // what SERVER_NAME starts from: the bound address, or the path
  std::uint16_t port = 0;
  bool unix_socket = false;
};
BoundSocket bind_socket(const BindAddress& address, int backlog, bool reuse_port, int umask);
BoundSocket adopt_socket(int fd);  // inherited: from systemd, fd://N, or a predecessor

class Listener {
 public:
  using Accepted = std::function<void(int fd, Peer peer)>;
  using Paused = std::function<void(int error)>;  // seldom, however often it pauses

  Listener(Loop& loop, const BoundSocket& socket, Accepted accepted, Paused paused = {});
  ~Listener();
  void resume();          // a descriptor came free
  void accept_pending();  // everybody who has connected by now
  bool paused() const { return paused_; }

 private:
  bool accept_some();  // true: there may be more
  void pause(int error);

  Loop& loop_;
  const BoundSocket& socket_;
  Accepted accepted_;
  Paused tell_paused_;
  Seldom seldom_;
  UvHandle<uv_poll_t> poll_;
  Timer retry_;
  bool paused_ = false;
};

}  // namespace prefork::net

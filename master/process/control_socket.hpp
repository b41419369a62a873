// Where `prefork reload|stop|status` speaks to a running server: a unix socket, 0600 by default, and another one that is found by the
// process id. One line comes, one answer goes; who asks must be the server's user or root.
//
//   "reload", "reload wait", "stop", "stop wait", "status", "status json"   ->   "0 TEXT\n" or "1 REASON\n"
//
// Owned by the Server, on its loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "master/net/listener.hpp"
#include "master/serve/error_log.hpp"
#include "shm/fd.hpp"

namespace prefork::process {

// Without the leading zero byte of an abstract address.
std::string control_name_of(int pid);

class ControlSocket {
 public:
  // May be called later, once, or never: then the client hears when the server has ended.
  using Answer = std::function<void(bool ok, const std::string& text)>;
  using Handle = std::function<void(const std::string& command, Answer answer)>;

  ControlSocket(net::Loop& loop, serve::ErrorLog& log, Handle handle);
  ~ControlSocket();
  // A path that another server listens at is left to it, with a line in the log.
  void open(const std::string& path, int mode);
  std::vector<std::string> files() const;

 private:
  struct Client;
  void listen(const BindAddress& address, int mode);
  void accept(int fd);
  void read(Client& client);

  net::Loop& loop_;
  serve::ErrorLog& log_;
  Handle handle_;
  std::vector<std::unique_ptr<net::BoundSocket>> sockets_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::vector<std::shared_ptr<Client>> clients_;
};

}  // namespace prefork::process

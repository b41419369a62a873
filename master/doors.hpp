// The addresses that the server listens at: bound or inherited at the start, exchanged by a reload, handed to a successor, closed first
// when the server ends. A closed door is kept for its connections, which refer to it.
// Owned by the Server, on its loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "master/config.hpp"
#include "master/net/listener.hpp"
#include "master/process/successor.hpp"
#include "master/serve/error_log.hpp"

namespace prefork {

class Doors {
 public:
  using Accepted = std::function<void(int fd, net::Peer peer, const net::BoundSocket& local)>;
  // `shared`: another master, before or after us, listens there too, and the files of unix sockets are still its own.
  Doors(net::Loop& loop, serve::ErrorLog& log, Accepted accepted, std::function<bool()> shared);

  // Takes over the sockets of a predecessor or of systemd, which then count instead of the addresses; without any, binds every
  // address. Throws std::system_error with the address.
  void open(const Config& config, const std::vector<process::LeftSocket>& predecessors);
  void listen();

  // A reload's new addresses: prepare() binds them or throws, changing nothing; then one of the others.
  void prepare(const Config& fresh);
  void commit();
  void forget_prepared();

  // Takes in who has connected by now, then accepts nobody any more.
  void close();
  // Accepts nobody until listen().
  void pause();
  std::vector<process::LeftSocket> sockets() const;
  void remove_files();
  std::vector<std::string> files() const;  // of unix sockets

 private:
  struct Door {
    BindAddress address;
    std::unique_ptr<net::BoundSocket> socket;
    std::unique_ptr<net::Listener> listener;
  };

  void adopt(const Config& config, const process::LeftSocket& left);
  Door bind(const BindAddress& address, const Config& config);
  Door bind_patiently(const BindAddress& address, const Config& config);
  void listen(Door& door);
  void close(Door& door);
  void remove_file(const Door& door) const;
  bool has(const std::vector<Door>& doors, const BindAddress& address) const;
  bool wants(const Door& door) const;
  void forget_unwanted();

  net::Loop& loop_;
  serve::ErrorLog& log_;
  Accepted accepted_;
  std::function<bool()> shared_;
  std::vector<Door> doors_;
  std::vector<Door> prepared_;
  std::vector<BindAddress> wanted_;  // by what was prepared
  std::vector<Door> closed_;
};

}  // namespace prefork

#include "master/doors.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <system_error>
#include <thread>

#include "master/process/sd_notify.hpp"

namespace prefork {
namespace {

constexpr int kTries = 5;

}  // namespace

Doors::Doors(net::Loop& loop, serve::ErrorLog& log, Accepted accepted, std::function<bool()> shared)
    : loop_(loop), log_(log), accepted_(std::move(accepted)), shared_(std::move(shared)) {}

Doors::Door Doors::bind(const BindAddress& address, const Config& config) {
  Door door;
  door.address = address;
  door.socket =
      std::make_unique<net::BoundSocket>(net::bind_socket(address, config.backlog, config.reuse_port, config.umask));
  // Workers' user, so that who may talk to them may also connect.
  const auto& path = door.socket->unix_path;
  if (!path.empty() && (config.uid >= 0 || config.gid >= 0)) {
    const auto keep = [](int id) { return id < 0 ? static_cast<unsigned>(-1) : static_cast<unsigned>(id); };
    if (::chown(path.c_str(), keep(config.uid), keep(config.gid)) != 0) {
      throw std::system_error(errno, std::system_category(), "giving " + path + " to another user");
    }
  }
  return door;
}

void Doors::adopt(const Config& config, const process::LeftSocket& left) {
  Door door;
  door.socket = std::make_unique<net::BoundSocket>(net::adopt_socket(left.fd));
  if (!left.foreign && door.socket->unix_socket && !door.socket->server_name.starts_with('@'))
    door.socket->unix_path = door.socket->server_name;
  // A reload keeps it as long as the address stays configured; when there are more sockets than addresses, with the last of them.
  const auto& addresses = config.bind_addresses;
  if (!addresses.empty()) door.address = addresses[std::min(doors_.size(), addresses.size() - 1)];
  doors_.push_back(std::move(door));
}

void Doors::open(const Config& config, const std::vector<process::LeftSocket>& predecessors) {
  for (const auto& left : predecessors) adopt(config, left);
  if (doors_.empty()) {
    for (const auto& socket : process::inherited_sockets()) adopt(config, {socket.fd, true});
  }
  if (!doors_.empty()) return;
  for (const auto& address : config.bind_addresses) doors_.push_back(bind_patiently(address, config));
}

// A predecessor may need a moment to go, and an interface one to come up. Nothing is served yet, so waiting holds nobody up.
Doors::Door Doors::bind_patiently(const BindAddress& address, const Config& config) {
  for (int left = kTries;; --left) {
    try {
      return bind(address, config);
    } catch (const std::system_error& error) {
      const bool in_use = error.code().value() == EADDRINUSE;
      if (!in_use && error.code().value() != EADDRNOTAVAIL) throw;
      log_.error(in_use ? "Connection in use: " : "Invalid address: ", address.text());
      if (left == 1) {
        log_.error("Can't connect to ", address.text());
        throw;
      }
      log_.info("Retrying in 1 second.");
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
  }
}

void Doors::pause() {
  for (auto& door : doors_) door.listener.reset();
}

std::vector<process::LeftSocket> Doors::sockets() const {
  std::vector<process::LeftSocket> all;
  for (const auto& door : doors_)
    all.push_back({door.socket->fd.get(), door.socket->unix_socket && door.socket->unix_path.empty()});
  return all;
}

void Doors::listen() {
  for (auto& door : doors_) {
    if (!door.listener) listen(door);
  }
}

void Doors::listen(Door& door) {
  const net::BoundSocket& socket = *door.socket;
  log_.info("Listening at: ", socket.name, " (", ::getpid(), ")");
  door.listener = std::make_unique<net::Listener>(
      loop_, socket, [this, &socket](int fd, net::Peer peer) { accepted_(fd, std::move(peer), socket); },
      [this, &socket](int error) {
        log_.warning("Clients wait to be accepted at ", socket.name, ": ", std::string_view{std::strerror(error)},
                     error == EMFILE ? " (see ulimit -n)" : "");
      });
}

bool Doors::has(const std::vector<Door>& doors, const BindAddress& address) const {
  return std::any_of(doors.begin(), doors.end(), [&](const Door& door) { return door.address == address; });
}

void Doors::prepare(const Config& fresh) {
  std::vector<Door> bound;
  try {
    for (const auto& address : fresh.bind_addresses) {
      if (!has(doors_, address) && !has(prepared_, address)) bound.push_back(bind(address, fresh));
    }
  } catch (...) {
    for (const auto& door : bound) remove_file(door);
    throw;
  }
  wanted_ = fresh.bind_addresses;
  forget_unwanted();
  std::move(bound.begin(), bound.end(), std::back_inserter(prepared_));
}

void Doors::forget_prepared() {
  wanted_.clear();
  forget_unwanted();
}

void Doors::forget_unwanted() {
  std::erase_if(prepared_, [this](const Door& door) {
    if (wants(door)) return false;
    remove_file(door);
    return true;
  });
}

bool Doors::wants(const Door& door) const {
  return std::find(wanted_.begin(), wanted_.end(), door.address) != wanted_.end();
}

void Doors::commit() {
  for (auto& door : prepared_) {
    listen(door);
    doors_.push_back(std::move(door));
  }
  prepared_.clear();
  for (std::size_t i = 0; i < doors_.size();) {
    if (wants(doors_[i])) {
      ++i;
      continue;
    }
    log_.info("No longer listening at: ", doors_[i].socket->name);
    remove_file(doors_[i]);
    close(doors_[i]);
    doors_.erase(doors_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  // A successor takes them for the addresses of its configuration, one by one.
  const auto place = [this](const Door& door) { return std::find(wanted_.begin(), wanted_.end(), door.address); };
  std::stable_sort(doors_.begin(), doors_.end(),
                   [&](const Door& one, const Door& other) { return place(one) < place(other); });
}

void Doors::close(Door& door) {
  if (door.listener) door.listener->accept_pending();
  door.listener.reset();
  door.socket->fd.reset();
  closed_.push_back(std::move(door));
}

void Doors::close() {
  forget_prepared();
  remove_files();
  for (auto& door : doors_) close(door);
  doors_.clear();
}

void Doors::remove_files() {
  for (const auto& door : doors_) remove_file(door);
}

std::vector<std::string> Doors::files() const {
  std::vector<std::string> all;
  for (const auto& door : doors_) {
    if (!door.socket->unix_path.empty()) all.push_back(door.socket->unix_path);
  }
  return all;
}

void Doors::remove_file(const Door& door) const {
  if (!door.socket->unix_path.empty() && !shared_()) ::unlink(door.socket->unix_path.c_str());
}

}  // namespace prefork

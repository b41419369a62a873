#include "master/process/control_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <string_view>
#include <system_error>

namespace prefork::process {
namespace {

constexpr std::size_t kLongestCommand = 256;

bool may_ask(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

}  // namespace

std::string control_name_of(int pid) { return "prefork-control-" + std::to_string(pid); }

struct ControlSocket::Client {
  shm::UniqueFd fd;
  net::UvHandle<uv_poll_t> poll;
  ControlSocket* owner = nullptr;
  std::string line;
};

ControlSocket::ControlSocket(net::Loop& loop, serve::ErrorLog& log, Handle handle)
    : loop_(loop), log_(log), handle_(std::move(handle)) {}

ControlSocket::~ControlSocket() {
  for (const auto& socket : sockets_) {
    if (!socket->unix_path.empty()) ::unlink(socket->unix_path.c_str());
  }
}

void ControlSocket::listen(const BindAddress& address, int mode) {
  sockets_.push_back(std::make_unique<net::BoundSocket>(net::bind_socket(address, 16, false, 0777 & ~mode)));
  listeners_.push_back(
      std::make_unique<net::Listener>(loop_, *sockets_.back(), [this](int fd, const net::Peer&) { accept(fd); }));
}

void ControlSocket::open(const std::string& path, int mode) {
  BindAddress by_pid;
  by_pid.kind = BindAddress::Kind::AbstractUnix;
  by_pid.path = control_name_of(::getpid());
  BindAddress by_path;
  by_path.kind = BindAddress::Kind::Unix;
  by_path.path = path;
  try {
    listen(by_pid, 0600);
    if (path.empty()) return;
    ::mkdir(path.substr(0, path.rfind('/')).c_str(), 0700);  // ~/.prefork
    listen(by_path, mode);
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::address_in_use)
      log_.info("The control socket ", path,
                " is another server's; this one is asked by its process id: prefork status ", ::getpid());
    else
      log_.info("No control socket at ", path, ": ", std::string_view(error.what()));
  }
}

std::vector<std::string> ControlSocket::files() const {
  std::vector<std::string> all;
  for (const auto& socket : sockets_) {
    if (!socket->unix_path.empty()) all.push_back(socket->unix_path);
  }
  return all;
}

void ControlSocket::accept(int fd) {
  auto client = std::make_shared<Client>();
  client->fd.reset(fd);
  if (!may_ask(fd)) {
    constexpr std::string_view kRefusal = "1 only root and the user that runs this server may ask it\n";
    (void)::send(fd, kRefusal.data(), kRefusal.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  client->owner = this;
  auto* poll = new uv_poll_t;
  uv_poll_init(loop_.uv(), poll, fd);
  client->poll.reset(poll);
  poll->data = client.get();
  clients_.push_back(client);
  uv_poll_start(poll, UV_READABLE, [](uv_poll_t* handle, int, int) {
    auto* one = static_cast<Client*>(handle->data);
    if (one != nullptr) one->owner->read(*one);
  });
}

void ControlSocket::read(Client& client) {
  const auto found =
      std::find_if(clients_.begin(), clients_.end(), [&](const auto& one) { return one.get() == &client; });
  if (found == clients_.end()) return;
  const std::shared_ptr<Client> kept = *found;
  std::array<char, kLongestCommand> piece{};
  const ssize_t got = ::recv(client.fd.get(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (got > 0) client.line.append(piece.data(), static_cast<std::size_t>(got));
  const auto end = client.line.find('\n');
  if (end == std::string::npos) {
    if (got <= 0 || client.line.size() > kLongestCommand) clients_.erase(found);
    return;
  }
  uv_poll_stop(client.poll.get());
  handle_(client.line.substr(0, end), [this, weak = std::weak_ptr<Client>(kept)](bool ok, const std::string& text) {
    const auto asker = weak.lock();
    if (!asker) return;
    const std::string answer = (ok ? "0 " : "1 ") + text + "\n";
    // Short enough for the socket's buffer; who does not read it misses it.
    (void)::send(asker->fd.get(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    std::erase(clients_, asker);
  });
}

}  // namespace prefork::process

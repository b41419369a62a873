#include "master/process/control_client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <system_error>

#include "master/net/unix_address.hpp"
#include "master/process/control_socket.hpp"
#include "master/process/pidfile.hpp"

namespace prefork::process {
namespace {

using Verb = ControlCommand::Verb;
using Clock = std::chrono::steady_clock;

shm::UniqueFd connect_to(const std::string& name, bool abstract) {
  const auto address = net::unix_address(name, abstract);
  if (!address) throw std::runtime_error(name + " is too long for a socket's name");
  shm::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), address->get(), address->length) != 0) {
    throw std::system_error(errno, std::system_category(), "no server answers at " + name);
  }
  return fd;
}

shm::UniqueFd connect_to(const ControlCommand& command) {
  const std::string& target = command.target;
  if (target.empty()) {
    if (command.default_socket.empty())
      throw std::runtime_error("which server? Name its pid file, process id or control socket");
    return connect_to(command.default_socket, false);
  }
  if (std::all_of(target.begin(), target.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return connect_to("prefork-control-" + target, true);
  struct stat status {};
  if (::stat(target.c_str(), &status) != 0) throw std::system_error(errno, std::system_category(), target);
  if (S_ISSOCK(status.st_mode)) return connect_to(target, false);
  const int pid = read_pidfile(target);
  if (pid == 0) throw std::runtime_error(target + " is neither a control socket nor a pid file");
  return connect_to(control_name_of(pid), true);
}

// The process that listens there; empty where the kernel does not tell.
shm::UniqueFd process_behind(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.pid <= 0) return {};
  return shm::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)));
}

// Its connection ends a moment before the process does.
void wait_for_end(const shm::UniqueFd& process, Clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd wait{process.get(), POLLIN, 0};
  if (process) (void)::poll(&wait, 1, static_cast<int>(std::clamp<long long>(left, 0, 1'000'000)));
}

std::string line_of(const ControlCommand& command) {
  std::string line = command.verb == Verb::Reload ? "reload" : command.verb == Verb::Stop ? "stop" : "status";
  if (command.wait) line += " wait";
  if (command.json && command.verb == Verb::Status) line += " json";
  return line + "\n";
}

// Everything until the server closes.
std::string read_answer(int fd, Clock::time_point until) {
  std::string answer;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd wait{fd, POLLIN, 0};
    const int ready = left <= 0 ? 0 : ::poll(&wait, 1, static_cast<int>(std::min<long long>(left, 1'000'000)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) throw std::runtime_error("no answer in time");
    std::array<char, 4096> piece{};
    const ssize_t got = ::recv(fd, piece.data(), piece.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return answer;
    answer.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

int control(const ControlCommand& command) {
  try {
    const shm::UniqueFd server = connect_to(command);
    const shm::UniqueFd process = process_behind(server.get());
    const std::string line = line_of(command);
    // Who is refused may find the connection closed, with the reason in it.
    if (::send(server.get(), line.data(), line.size(), MSG_NOSIGNAL) < 0 && errno != EPIPE)
      throw std::system_error(errno, std::system_category(), "asking the server");
    const auto until = Clock::now() + command.timeout;
    const std::string answer = read_answer(server.get(), until);
    if (answer.empty()) {
      if (command.verb == Verb::Stop) return wait_for_end(process, until), 0;
      throw std::runtime_error("the server ended before it answered");
    }
    const bool ok = answer.front() == '0';
    const std::string text = answer.size() > 2 ? answer.substr(2) : "";
    std::fputs(text.c_str(), ok ? stdout : stderr);
    return ok ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prefork: %s\n", error.what());
    return 1;
  }
}

}  // namespace prefork::process

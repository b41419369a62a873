// ws-echo: WsSession over plain blocking sockets, a thread a connection, echoing every message: what the protocol engine does
// without the rest of the master, for the Autobahn test suite and other WebSocket clients.
//
//   ws-echo [PORT]      listens on 127.0.0.1 and prints the port (default 0: a free one); ends with its standard input
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "master/http/ws_handshake.hpp"
#include "master/http/ws_session.hpp"
#include "shm/fd.hpp"

namespace {

using namespace prefork;
using Clock = std::chrono::steady_clock;

bool send_all(int fd, std::vector<char>& out) {
  std::size_t sent = 0;
  while (sent < out.size()) {
    const auto n = ::send(fd, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  out.clear();
  return true;
}

// The client sees our last bytes and the end of the stream, then ends its side; without this a reset could overtake them.
void end_gently(int fd) {
  ::shutdown(fd, SHUT_WR);
  const timeval patience{2, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::array<char, 65536> rest;
  while (::recv(fd, rest.data(), rest.size(), 0) > 0) {
  }
}

// Reads up to the empty line; what came behind it stays in `rest`.
bool read_head(int fd, std::string& head, std::string& rest) {
  std::array<char, 4096> chunk;
  for (;;) {
    if (const auto end = head.find("\r\n\r\n"); end != std::string::npos) {
      rest = head.substr(end + 4);
      head.resize(end + 2);
      return true;
    }
    const auto n = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (n <= 0 || head.size() > 65536) return false;
    head.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

std::vector<http::WsField> split_fields(std::string_view head) {
  std::vector<http::WsField> fields;
  for (auto at = head.find("\r\n") + 2; at < head.size();) {
    const auto end = head.find("\r\n", at), colon = head.find(':', at);
    if (colon < end) fields.push_back({head.substr(at, colon - at), head.substr(colon + 1, end - colon - 1)});
    at = end + 2;
  }
  return fields;
}

// False when the session has ended.
bool echo(http::WsSession& session, std::span<char> input) {
  while (const auto event = session.feed(input, Clock::now())) {
    if (event.kind != http::WsEvent::Kind::Message) return false;
    if (event.is_text)
      session.send_text(event.bytes);
    else
      session.send_binary(event.bytes);
  }
  return true;
}

void run_session(int fd, const http::WsOptions& options, const http::WsRequest& request, std::string rest) {
  const std::string answer = "HTTP/1.1 101 Switching Protocols\r\n" + http::ws_accept_lines(request) + "\r\n";
  std::vector<char> out(answer.begin(), answer.end());
  http::WsSession session(options, request.deflate, out, Clock::now());
  bool open = echo(session, rest);
  std::vector<char> chunk(65536);
  while (send_all(fd, out) && open) {
    pollfd waiting{fd, POLLIN, 0};
    if (::poll(&waiting, 1, 200) == 0) {
      open = !session.on_tick(Clock::now());
      continue;
    }
    const auto n = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (n <= 0) return;
    open = echo(session, std::span(chunk).first(static_cast<std::size_t>(n)));
  }
}

void serve(shm::UniqueFd fd) {
  std::string head, rest;
  if (!read_head(fd.get(), head, rest)) return;
  const auto fields = split_fields(head);
  const http::WsDeflateWishes wishes;
  const auto request = http::read_ws_request(head.substr(0, head.find(' ')), 11, fields, &wishes);
  http::WsOptions options;
  options.max_message = 64 << 20;
  options.compress_threshold = 0;
  if (request.verdict == http::WsRequest::Verdict::Valid) {
    run_session(fd.get(), options, request, std::move(rest));
  } else {
    std::vector<char> out;
    const std::string answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    out.assign(answer.begin(), answer.end());
    send_all(fd.get(), out);
  }
  end_gently(fd.get());
}

int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd, 128) != 0) {
    std::perror("ws-echo");
    std::exit(1);
  }
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%u\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const shm::UniqueFd listener(listen_on(static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0)));
  for (;;) {
    std::array<pollfd, 2> waiting{pollfd{listener.get(), POLLIN, 0}, pollfd{STDIN_FILENO, POLLIN, 0}};
    ::poll(waiting.data(), waiting.size(), -1);
    char ignored;
    if (waiting[1].revents != 0 && ::read(STDIN_FILENO, &ignored, 1) <= 0) std::_Exit(0);
    if (waiting[0].revents == 0) continue;
    if (shm::UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)); fd)
      std::thread(serve, std::move(fd)).detach();
  }
}

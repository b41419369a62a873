// prefork-floor: the least that a one-threaded epoll server on this kernel can cost for an HTTP request, as the measure that
// the EchoApp figures stand beside. It finds the end of the head and nothing else in it, answers the same bytes to
// everybody, and does one read and one write for each keep-alive request.
//
//   prefork-floor PORT [hello BYTES | echo BYTES | stream COUNT BYTES]
//     hello   every request gets BYTES of body (default: hello 13)
//     echo    every request has a body of BYTES, which comes back
//     stream  every request gets COUNT chunks of BYTES, a write each
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

struct Job {
  enum class Kind { Hello, Echo, Stream } kind = Kind::Hello;
  std::size_t body_bytes = 13;
  std::size_t chunks = 1;
  std::string answer;  // Hello: all of it; Echo, Stream: the head
  std::string chunk;   // Stream: one, framed
};

Job make_job(int argc, char** argv) {
  Job job;
  const std::string_view kind = argc > 2 ? argv[2] : "hello";
  const auto number = [&](int i, std::size_t otherwise) {
    return argc > i ? std::strtoul(argv[i], nullptr, 10) : otherwise;
  };
  job.answer =
      "HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nServer: floor\r\nContent-Type: text/plain\r\n";
  if (kind == "stream") {
    job.kind = Job::Kind::Stream;
    job.chunks = number(3, 100);
    job.body_bytes = number(4, 16'384);
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", job.body_bytes);
    job.chunk = size + std::string(job.body_bytes, 'x') + "\r\n";
    job.answer += "Transfer-Encoding: chunked\r\n\r\n";
    return job;
  }
  job.kind = kind == "echo" ? Job::Kind::Echo : Job::Kind::Hello;
  job.body_bytes = number(3, job.kind == Job::Kind::Echo ? 65'536 : 13);
  job.answer += "Content-Length: " + std::to_string(job.body_bytes) + "\r\n\r\n";
  if (job.kind == Job::Kind::Hello) job.answer += std::string(job.body_bytes, 'x');
  return job;
}

class Connection {
 public:
  Connection(int epoll, int fd, const Job& job)
      : epoll_(epoll), fd_(fd), job_(job), in_(2 * job.body_bytes + 8'192, '\0') {}
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False: the client is gone.
  bool on_readable() {
    const auto got = ::recv(fd_, in_.data() + filled_, in_.size() - filled_, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    filled_ += static_cast<std::size_t>(got);
    std::size_t used = 0;
    while (const auto length = request_length(used)) {
      answer_to(std::string_view(in_).substr(used, length));
      used += length;
    }
    if (used > 0) in_.copy(in_.data(), filled_ - used, used);
    filled_ -= used;
    return flush();
  }

  bool flush() {
    while (sent_ < out_.size() || chunks_left_ > 0) {
      // The head leaves with the first chunk; after that, one chunk is one write.
      if (sent_ == out_.size()) out_.clear(), sent_ = 0;
      if (chunks_left_ > 0 && sent_ == 0) {
        out_ += job_.chunk;
        if (--chunks_left_ == 0) out_ += "0\r\n\r\n";
      }
      const auto sent = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno != EAGAIN) return false;
        watch(EPOLLOUT);
        return true;
      }
      sent_ += static_cast<std::size_t>(sent);
    }
    out_.clear();
    sent_ = 0;
    watch(EPOLLIN);
    return true;
  }

  int fd() const { return fd_; }

 private:
  std::size_t request_length(std::size_t from) const {
    const auto end = std::string_view(in_).substr(from, filled_ - from).find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    const auto length = end + 4 + (job_.kind == Job::Kind::Echo ? job_.body_bytes : 0);
    return length <= filled_ - from ? length : 0;
  }

  void answer_to(std::string_view request) {
    out_ += job_.answer;
    if (job_.kind == Job::Kind::Echo) out_ += request.substr(request.size() - job_.body_bytes);
    if (job_.kind == Job::Kind::Stream) chunks_left_ += job_.chunks;
  }

  void watch(std::uint32_t events) {
    if (events == watched_) return;
    epoll_event event{};
    event.events = watched_ = events;
    event.data.ptr = this;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &event);
  }

  int epoll_;
  int fd_;
  const Job& job_;
  std::string in_;
  std::size_t filled_ = 0;
  std::string out_;
  std::size_t sent_ = 0;
  std::size_t chunks_left_ = 0;
  std::uint32_t watched_ = EPOLLIN;
};

int listen_on(const char* port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // inherited by what is accepted
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::strtoul(port, nullptr, 10)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || ::listen(fd, 4096) < 0) {
    std::perror("prefork-floor: bind");
    std::exit(1);
  }
  return fd;
}

using Connections = std::unordered_map<int, std::unique_ptr<Connection>>;

void accept_all(int listener, int epoll, const Job& job, Connections& connections) {
  while (true) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = (connections[fd] = std::make_unique<Connection>(epoll, fd, job)).get();
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: prefork-floor PORT [hello BYTES | echo BYTES | stream COUNT BYTES]\n", stderr);
    return 2;
  }
  const Job job = make_job(argc, argv);
  const int listener = listen_on(argv[1]);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  Connections connections;
  std::array<epoll_event, 256> events;
  while (true) {
    const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      const auto& one = events[static_cast<std::size_t>(i)];
      if (one.data.ptr == nullptr) {
        accept_all(listener, epoll, job, connections);
        continue;
      }
      auto* connection = static_cast<Connection*>(one.data.ptr);
      const bool lives = one.events & EPOLLOUT ? connection->flush() : connection->on_readable();
      if (!lives) connections.erase(connection->fd());
    }
  }
}

#include "socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runner.hpp"

namespace prefork::load {
namespace {

constexpr auto kConnectPause = std::chrono::milliseconds(10);

void set(int fd, int level, int name, int value) { ::setsockopt(fd, level, name, &value, sizeof value); }

}  // namespace

void Client::open() {
  if (runner_.stopping()) return;
  const auto& address = runner_.address();
  fd_ = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return connect_failed(errno);
  if (address.family() != AF_UNIX) set(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
  // A slow reader's kernel would otherwise take megabytes in its stead.
  if (runner_.options().mode == Mode::SlowRead) set(fd_, SOL_SOCKET, SO_RCVBUF, 4096);
  if (opened_ == Time{}) opened_ = Clock::now();
  state_ = State::Connecting;
  if (::connect(fd_, address.get(), address.length()) < 0 && errno != EINPROGRESS) return connect_failed(errno);
  epoll_event event{};
  event.events = watched_ = EPOLLOUT;
  event.data.ptr = this;
  ::epoll_ctl(runner_.epoll_fd(), EPOLL_CTL_ADD, fd_, &event);
}

void Client::connect_failed(int error) {
  hang_up(false);
  // A unix listener whose backlog is full says EAGAIN where TCP would wait; that alone is no failure.
  const bool backlog_full = error == EAGAIN && Clock::now() - opened_ < runner_.options().timeout;
  if (!backlog_full) {
    opened_ = Time{};
    fail(error == ECONNREFUSED || error == ENOENT ? Failure::ConnectRefused
         : error == ETIMEDOUT                     ? Failure::ConnectTimeout
                                                  : Failure::ConnectFailed,
         std::strerror(error));
  }
  wake_in(kConnectPause);
}

void Client::finish_connecting() {
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return connect_failed(error);
  state_ = State::Open;
  opened_ = Time{};
  ++runner_.tally().connects;
  runner_.note_progress();
  watch(true, false);
  on_open();
}

void Client::on_events(std::uint32_t events) {
  if (state_ == State::Closed) return;
  if (state_ == State::Connecting) return finish_connecting();
  const auto incarnation = incarnation_;
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_some();
  if (incarnation == incarnation_ && (events & EPOLLOUT)) on_writable();
}

void Client::read_some() {
  auto& buffer = runner_.read_buffer();
  const auto got = ::recv(fd_, buffer.data(), std::min(buffer.size(), read_limit_), 0);
  if (got > 0) {
    runner_.tally().bytes_in += static_cast<std::uint64_t>(got);
    return on_bytes({buffer.data(), static_cast<std::size_t>(got)});
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  on_end(got == 0 ? 0 : errno);
}

void Client::on_timer() {
  if (wake_at_ == Time{} || Clock::now() < wake_at_) return;  // overtaken by an earlier one
  wake_at_ = Time{};
  if (state_ == State::Open) return on_drip();
  if (state_ == State::Closed) open();
}

void Client::check_deadline(Time now) {
  if (state_ == State::Open) return on_late(now);
  if (state_ != State::Connecting || now - opened_ < runner_.options().timeout) return;
  fail(Failure::ConnectTimeout, "no connection in time");
  opened_ = Time{};
  reopen();
}

void Client::abandon() {
  runner_.tally().unfinished += under_way();
  hang_up(true);
}

std::size_t Client::send_some(std::string_view bytes) {
  const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  // A broken connection shows again when it is read: an answer may still be waiting there.
  if (sent <= 0) return 0;
  runner_.tally().bytes_out += static_cast<std::uint64_t>(sent);
  return static_cast<std::size_t>(sent);
}

void Client::watch(bool read, bool write) {
  const std::uint32_t wanted = (read ? std::uint32_t{EPOLLIN} : 0u) | (write ? std::uint32_t{EPOLLOUT} : 0u);
  if (wanted == watched_ || fd_ < 0) return;
  epoll_event event{};
  event.events = watched_ = wanted;
  event.data.ptr = this;
  ::epoll_ctl(runner_.epoll_fd(), EPOLL_CTL_MOD, fd_, &event);
}

void Client::wake_in(std::chrono::milliseconds delay) {
  const auto when = Clock::now() + delay;
  if (wake_at_ != Time{} && wake_at_ <= when) return;
  wake_at_ = when;
  runner_.wake_at(when, *this);
}

void Client::hang_up(bool reset) {
  if (fd_ >= 0) {
    if (reset) {
      const linger at_once{1, 0};
      ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    ::close(fd_);
  }
  fd_ = -1;
  watched_ = 0;
  state_ = State::Closed;
  ++incarnation_;
}

void Client::reopen(bool reset) {
  hang_up(reset);
  open();
}

void Client::fail(Failure kind, const char* detail, std::size_t target) {
  runner_.count_failure(kind, id_, detail, target);
}

}  // namespace prefork::load

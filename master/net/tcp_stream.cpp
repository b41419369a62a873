#include "master/net/tcp_stream.hpp"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace prefork::net {
namespace {

IoResult failure() {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Io::WouldBlock, 0};
  return {Io::Failed, 0};
}

}  // namespace

TcpStream::TcpStream(Loop& loop, int fd, StreamEvents& events) : events_(events), fd_(fd) {
  auto* handle = new uv_poll_t;
  if (const int error = uv_poll_init(loop.uv(), handle, fd); error != 0) {
    delete handle;
    throw std::system_error(-error, std::system_category(), "polling a socket");
  }
  handle->data = this;
  poll_.reset(handle);
}

TcpStream::~TcpStream() {
  poll_.reset();  // out of the loop's set at once; the handle itself dies in its close callback
  ::close(fd_);
}

void TcpStream::on_event(uv_poll_t* handle, int status, int events) {
  auto* stream = static_cast<TcpStream*>(handle->data);
  if (stream == nullptr) return;
  if (status < 0) {  // an error of the socket; it has stopped the poll
    const bool reads = (stream->wanted_ & UV_READABLE) != 0;
    stream->wanted_ = 0;
    // What came before it is read first; the read that fails then tells the owner.
    return reads ? stream->events_.on_readable() : stream->events_.on_reset();
  }
  if ((events & UV_PRIORITIZED) != 0) return stream->on_urgent();
  if ((events & UV_WRITABLE) != 0) {
    stream->events_.on_writable();
    if (handle->data == nullptr) return;  // the owner has closed this stream
  }
  if ((events & UV_READABLE) != 0) stream->events_.on_readable();
}

// Urgent data has no meaning in HTTP and is dropped; left where it is, it would be told again and again. Where there is none a hang-up
// is what was told: both directions of a unix socket have ended, and nothing more can happen to it.
void TcpStream::on_urgent() {
  char byte = 0;
  if (::recv(fd_, &byte, 1, MSG_OOB | MSG_DONTWAIT) >= 0) return;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  uv_poll_stop(poll_.get());
  if (error != 0) events_.on_reset();
}

// MSG_DONTWAIT: a socket that a worker has sent may be made to wait by it at any time.
IoResult TcpStream::read(std::span<char> into) {
  const ssize_t got = ::recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
  if (got > 0) return {Io::Done, static_cast<std::size_t>(got)};
  if (got == 0) return {Io::Eof, 0};
  return failure();
}

IoResult TcpStream::write(std::span<const iovec> pieces) {
  ssize_t sent = 0;
  if (pieces.size() == 1) {
    sent = ::send(fd_, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
  } else {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = pieces.size();
    sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (sent < 0) return failure();
  return {Io::Done, static_cast<std::size_t>(sent)};
}

IoResult TcpStream::send_file(int fd, std::uint64_t offset, std::size_t bytes) {
  auto at = static_cast<off_t>(offset);
  const ssize_t sent = ::sendfile(fd_, fd, &at, bytes);
  if (sent < 0) return failure();
  if (sent == 0) return {Io::Eof, 0};
  return {Io::Done, static_cast<std::size_t>(sent)};
}

// Errors are told together with anything else that is polled for, so that a reset is seen while nothing is to be read or written.
// Of what can be polled for, only urgent data never comes: the end of the peer's side would be told all the time.
void TcpStream::want(bool readable, bool writable) {
  int wanted = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  if (wanted == 0) wanted = UV_PRIORITIZED;
  if (wanted == wanted_) return;
  wanted_ = wanted;
  uv_poll_start(poll_.get(), wanted, on_event);
}

void TcpStream::end_write(Ending how) {
  if (how == Ending::Orderly) {
    ::shutdown(fd_, SHUT_WR);
    return;
  }
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace prefork::net

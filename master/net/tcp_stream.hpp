// A Stream over a connected socket, TCP or unix, polled by libuv and read and written directly: libuv's own streams allocate a
// request a write and a buffer a read, which a server of small messages has no use for.
#pragma once

#include "master/net/loop.hpp"
#include "master/net/stream.hpp"

namespace prefork::net {

class TcpStream : public Stream {
 public:
  // Takes the descriptor over. `events` must outlive the stream.
  TcpStream(Loop& loop, int fd, StreamEvents& events);
  ~TcpStream() override;
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  IoResult read(std::span<char> into) override;
  IoResult write(std::span<const iovec> pieces) override;
  IoResult send_file(int fd, std::uint64_t offset, std::size_t bytes) override;
  void want(bool readable, bool writable) override;
  void end_write(Ending how) override;

 private:
  static void on_event(uv_poll_t* handle, int status, int events);
  void on_urgent();

  UvHandle<uv_poll_t> poll_;
  StreamEvents& events_;
  int fd_;
  int wanted_ = 0;
};

}  // namespace prefork::net

// Bytes to and from one client, behind five functions, so that a Connection knows neither sockets nor libuv (and TLS can be a
// Stream over a Stream). Never blocks; used on its loop's thread.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

namespace prefork::net {

enum class Io : std::uint8_t { Done, WouldBlock, Eof, Failed };

struct IoResult {
  Io what = Io::Done;
  std::size_t bytes = 0;
};

// What a Stream tells its owner.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;
  // The peer has broken the connection while nobody read. Also told when nothing is wanted: a half-close is not.
  virtual void on_reset() = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;  // closes

  virtual IoResult read(std::span<char> into) = 0;
  virtual IoResult write(std::span<const iovec> pieces) = 0;
  virtual IoResult send_file(int fd, std::uint64_t offset, std::size_t bytes) = 0;
  virtual void want(bool readable, bool writable) = 0;  // which events are told
  // Orderly: our direction ends, reading goes on. Reset: the peer sees a broken connection.
  enum class Ending { Orderly, Reset };
  virtual void end_write(Ending how) = 0;
};

}  // namespace prefork::net

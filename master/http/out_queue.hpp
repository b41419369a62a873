// What a connection has to send and the socket did not take yet: bytes in memory or spooled to a file, and ranges of files.
// Writes go straight to the stream while nothing waits. Owned by a Connection.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "master/net/spool.hpp"
#include "master/net/stream.hpp"
#include "shm/fd.hpp"

namespace prefork::http {

class OutQueue {
 public:
  OutQueue(net::Loop& loop, net::SpoolBudget& budget, std::function<void()> refilled)
      : loop_(loop), budget_(budget), refilled_(std::move(refilled)) {}

  // Between cork() and flush() everything is gathered, for one write of many small replies.
  void cork() { corked_ = true; }

  // False: the stream has failed. `limits` are of the spool that is made when the reader is slow.
  [[nodiscard]] bool write(net::Stream& stream, std::span<const iovec> pieces, const net::Spool::Limits& limits);
  [[nodiscard]] bool write_file(net::Stream& stream, shm::UniqueFd fd, std::uint64_t offset, std::uint64_t length);
  [[nodiscard]] bool flush(net::Stream& stream);

  bool empty() const { return pending_.empty() && gathered_.empty(); }
  // Wants to be told when the stream takes more.
  bool blocked() const { return !pending_.empty() && !waiting_for_file_; }
  bool full() const;           // no more should be taken in
  std::uint64_t size() const;  // bytes that wait
  std::uint64_t sent() const { return sent_; }

 private:
  struct Segment {
    std::unique_ptr<net::Spool> spool;
    shm::UniqueFd file;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };

  void keep(std::span<const iovec> pieces, std::size_t skip, const net::Spool::Limits& limits);
  net::Spool& tail_spool(const net::Spool::Limits& limits);
  enum class Progress { Done, Blocked, Failed };
  Progress flush_spool(net::Stream& stream, net::Spool& spool);
  Progress flush_file(net::Stream& stream, Segment& segment);

  net::Loop& loop_;
  net::SpoolBudget& budget_;
  std::function<void()> refilled_;
  std::vector<Segment> pending_;  // few: a vector costs an idle connection nothing
  std::vector<char> gathered_;    // while corked; goes before anything that comes later
  net::Spool::Limits gathered_limits_;
  std::uint64_t sent_ = 0;
  bool corked_ = false;
  bool waiting_for_file_ = false;
};

}  // namespace prefork::http

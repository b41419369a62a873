#include "master/http/out_queue.hpp"

#include <algorithm>

#include "shm/fault.hpp"

namespace prefork::http {
namespace {

constexpr std::size_t kFilePiece = 512 * 1024;
constexpr std::size_t kGatherLimit = 128 * 1024;

std::size_t total(std::span<const iovec> pieces) {
  std::size_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.iov_len;
  return bytes;
}

}  // namespace

bool OutQueue::write(net::Stream& stream, std::span<const iovec> pieces, const net::Spool::Limits& limits) {
  PREFORK_FAULT_POINT("master.write");
  if (corked_ && pending_.empty()) {
    gathered_limits_ = limits;
    for (const auto& piece : pieces) {
      const auto* bytes = static_cast<const char*>(piece.iov_base);
      gathered_.insert(gathered_.end(), bytes, bytes + piece.iov_len);
    }
    if (gathered_.size() < kGatherLimit) return true;
    corked_ = false;
    return flush(stream);
  }
  if (!empty()) {
    keep(pieces, 0, limits);
    return true;
  }
  const auto result = stream.write(pieces);
  if (result.what == net::Io::Failed) return false;
  sent_ += result.bytes;
  if (result.bytes < total(pieces)) keep(pieces, result.bytes, limits);
  return true;
}

void OutQueue::keep(std::span<const iovec> pieces, std::size_t skip, const net::Spool::Limits& limits) {
  net::Spool& spool = tail_spool(limits);
  for (const auto& piece : pieces) {
    const auto passed = std::min(skip, piece.iov_len);
    skip -= passed;
    spool.append({static_cast<const char*>(piece.iov_base) + passed, piece.iov_len - passed});
  }
}

net::Spool& OutQueue::tail_spool(const net::Spool::Limits& limits) {
  if (pending_.empty() || !pending_.back().spool) {
    pending_.emplace_back();
    pending_.back().spool = std::make_unique<net::Spool>(loop_, budget_, limits, [this] {
      waiting_for_file_ = false;
      refilled_();
    });
  }
  return *pending_.back().spool;
}

bool OutQueue::write_file(net::Stream& stream, shm::UniqueFd fd, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return true;
  const bool go = pending_.empty();
  if (go && !gathered_.empty()) {
    corked_ = false;
    if (!flush(stream)) return false;
  }
  pending_.emplace_back();
  Segment& segment = pending_.back();
  segment.file = std::move(fd);
  segment.offset = offset;
  segment.length = length;
  return !go || flush(stream);
}

bool OutQueue::flush(net::Stream& stream) {
  corked_ = false;
  if (!gathered_.empty()) {
    std::vector<char> gathered;
    gathered.swap(gathered_);
    const iovec piece{gathered.data(), gathered.size()};
    if (!pending_.empty()) {
      keep({&piece, 1}, 0, gathered_limits_);
    } else {
      const auto result = stream.write({&piece, 1});
      if (result.what == net::Io::Failed) return false;
      sent_ += result.bytes;
      if (result.bytes < gathered.size()) keep({&piece, 1}, result.bytes, gathered_limits_);
      gathered.clear();
      if (gathered_.empty()) gathered_.swap(gathered);  // keeps the memory for the next batch
      return true;
    }
  }
  while (!pending_.empty()) {
    Segment& segment = pending_.front();
    const auto progress = segment.spool ? flush_spool(stream, *segment.spool) : flush_file(stream, segment);
    if (progress == Progress::Failed) return false;
    if (progress == Progress::Blocked) return true;
    pending_.erase(pending_.begin());
  }
  return true;
}

OutQueue::Progress OutQueue::flush_spool(net::Stream& stream, net::Spool& spool) {
  if (spool.failed()) return Progress::Failed;
  while (!spool.empty()) {
    const auto front = spool.front();
    if (front.empty()) {
      waiting_for_file_ = true;
      return Progress::Blocked;
    }
    const iovec piece{const_cast<char*>(front.data()), front.size()};
    const auto result = stream.write({&piece, 1});
    if (result.what == net::Io::Failed) return Progress::Failed;
    if (result.what == net::Io::WouldBlock) return Progress::Blocked;
    sent_ += result.bytes;
    spool.consume(result.bytes);
    if (result.bytes < front.size()) return Progress::Blocked;
  }
  return Progress::Done;
}

OutQueue::Progress OutQueue::flush_file(net::Stream& stream, Segment& segment) {
  while (segment.length > 0) {
    const auto result =
        stream.send_file(segment.file.get(), segment.offset, std::min<std::uint64_t>(segment.length, kFilePiece));
    if (result.what == net::Io::WouldBlock) return Progress::Blocked;
    if (result.what != net::Io::Done) return Progress::Failed;  // Eof: the file is shorter than was said
    sent_ += result.bytes;
    segment.offset += result.bytes;
    segment.length -= result.bytes;
  }
  return Progress::Done;
}

bool OutQueue::full() const { return !pending_.empty() && pending_.back().spool && pending_.back().spool->full(); }

std::uint64_t OutQueue::size() const {
  std::uint64_t bytes = gathered_.size();
  for (const auto& segment : pending_) bytes += segment.spool ? segment.spool->size() : segment.length;
  return bytes;
}

}  // namespace prefork::http

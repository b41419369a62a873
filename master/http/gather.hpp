// Pieces of one connection's reply that arrived in one batch, for one write: they still lie in the reply ring, whose records are
// held until flush_gathered() has run. Owned by the Site; belongs to one connection at a time.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

namespace prefork::http {

class Connection;

class Gather {
 public:
  Connection* owner() const { return owner_; }
  bool has_room(std::size_t pieces) const { return count_ + pieces <= pieces_.size() && bytes_ < kMostBytes; }

  void add(Connection& owner, std::span<const iovec> pieces) {
    owner_ = &owner;
    for (iovec piece : pieces) {
      // Chunk heads live on somebody's stack.
      if (piece.iov_len <= kSmall) {
        std::memcpy(small_[count_].data(), piece.iov_base, piece.iov_len);
        piece.iov_base = small_[count_].data();
      }
      bytes_ += piece.iov_len;
      pieces_[count_++] = piece;
    }
  }

  std::span<const iovec> take() {
    const auto count = count_;
    owner_ = nullptr;
    count_ = bytes_ = 0;
    return std::span<const iovec>(pieces_).first(count);
  }

 private:
  static constexpr std::size_t kSmall = 24;
  static constexpr std::size_t kMostBytes = 1 << 20;

  Connection* owner_ = nullptr;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::array<iovec, 96> pieces_{};
  std::array<std::array<char, kSmall>, 96> small_{};
};

}  // namespace prefork::http

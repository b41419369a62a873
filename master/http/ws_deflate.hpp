// The two directions of permessage-deflate (RFC 7692, section 7.2) over zlib.
// Each belongs to one WsSession, makes its zlib state when the first compressed message needs it, and may give it back
// between messages as soon as the other side expects no memory of earlier ones (no_context_takeover). That state is about
// (1 << window_bits) + 7 KiB for reading and (1 << (window_bits + 2)) + (1 << (mem_level + 9)) bytes for writing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

struct z_stream_s;

namespace prefork::http {

enum class WsInflate : std::uint8_t {
  Ok,
  TooLong,  // more than the limit; not a byte beyond limit + 1 was made
  Corrupt,  // no deflate stream, or one that ends in the middle of a block
};

class WsInflater {
 public:
  WsInflater(int window_bits, bool no_context_takeover);
  ~WsInflater();

  // Decompresses the next piece of a message and appends to `out`, as long as that holds no more than `limit` bytes.
  [[nodiscard]] WsInflate feed(std::span<const char> piece, std::vector<char>& out, std::uint64_t limit);

  // The message's last piece was fed.
  [[nodiscard]] WsInflate finish(std::vector<char>& out, std::uint64_t limit);

  // Frees what the next message can do without; in the middle of a message, nothing.
  void release_idle_memory();

 private:
  struct End {
    void operator()(z_stream_s* stream) const;
  };

  [[nodiscard]] WsInflate run(std::span<const char> in, std::vector<char>& out, std::uint64_t limit);
  [[nodiscard]] bool open();
  [[nodiscard]] bool restart_with_window();

  const std::int8_t window_bits_;
  const bool no_context_takeover_;
  bool began_ = false;               // a byte of the current message came
  bool block_stream_ended_ = false;  // a block with BFINAL was read; what follows is a new stream with the old window
  std::unique_ptr<z_stream_s, End> stream_;
};

class WsDeflater {
 public:
  WsDeflater(int window_bits, bool no_context_takeover, int level, int mem_level);
  ~WsDeflater();

  // Appends the payload of the compressed message. False (and `out` as it was) when there is no memory for it.
  // The message must not be empty, and once it was compressed it must be sent, unless no_context_takeover().
  [[nodiscard]] bool compress(std::span<const char> message, std::vector<char>& out);

  [[nodiscard]] bool no_context_takeover() const { return no_context_takeover_; }

  // Frees what the next message can do without.
  void release_idle_memory();

 private:
  struct End {
    void operator()(z_stream_s* stream) const;
  };

  [[nodiscard]] bool open();

  const std::int8_t window_bits_;
  const bool no_context_takeover_;
  const std::int8_t level_;
  const std::int8_t mem_level_;
  std::unique_ptr<z_stream_s, End> stream_;
};

}  // namespace prefork::http

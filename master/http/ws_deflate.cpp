#include "master/http/ws_deflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

#include "shm/check.hpp"

namespace prefork::http {
namespace {

// What a sync flush ends with; the sender leaves it out and the reader puts it back.
constexpr std::array<char, 4> kTail{'\x00', '\x00', '\xff', '\xff'};

constexpr std::size_t kChunk = 16 * 1024;

Bytef* zlib_bytes(const char* bytes) { return reinterpret_cast<Bytef*>(const_cast<char*>(bytes)); }

// zlib counts input in 32 bits.
std::span<const char> take_countable(std::span<const char>& in) {
  const auto part = in.first(std::min<std::size_t>(in.size(), std::numeric_limits<uInt>::max()));
  in = in.subspan(part.size());
  return part;
}

}  // namespace

// Below 9 only the writer's side is particular; reading with a larger window than agreed upon is always right.
WsInflater::WsInflater(int window_bits, bool no_context_takeover)
    : window_bits_(static_cast<std::int8_t>(std::clamp(window_bits, 9, 15))),
      no_context_takeover_(no_context_takeover) {}

WsInflater::~WsInflater() = default;

void WsInflater::End::operator()(z_stream_s* stream) const {
  inflateEnd(stream);
  delete stream;
}

bool WsInflater::open() {
  auto stream = std::make_unique<z_stream>();
  if (inflateInit2(stream.get(), -window_bits_) != Z_OK) return false;
  stream_.reset(stream.release());
  return true;
}

WsInflate WsInflater::feed(std::span<const char> piece, std::vector<char>& out, std::uint64_t limit) {
  if (piece.empty()) return WsInflate::Ok;
  if (!stream_ && !open()) return WsInflate::Corrupt;
  began_ = true;
  while (!piece.empty()) {
    if (const auto result = run(take_countable(piece), out, limit); result != WsInflate::Ok) return result;
  }
  return WsInflate::Ok;
}

WsInflate WsInflater::finish(std::vector<char>& out, std::uint64_t limit) {
  // Some senders let an empty message's payload be empty; it must be one zero byte (RFC 7692, section 7.2.3.6).
  if (!began_) return WsInflate::Ok;
  began_ = false;
  // A sender that ends with BFINAL owes a zero byte behind it (section 7.2.3.4). Where it is missing, the tail means nothing.
  if (!block_stream_ended_) {
    if (const auto result = run(kTail, out, limit); result != WsInflate::Ok) return result;
    constexpr int kBetweenBlocks = 128;
    if (!(stream_->data_type & kBetweenBlocks)) return WsInflate::Corrupt;
  }
  if (no_context_takeover_) {
    inflateReset(stream_.get());
    block_stream_ended_ = false;
  }
  return WsInflate::Ok;
}

WsInflate WsInflater::run(std::span<const char> in, std::vector<char>& out, std::uint64_t limit) {
  std::array<char, kChunk> chunk;
  stream_->next_in = zlib_bytes(in.data());
  stream_->avail_in = static_cast<uInt>(in.size());
  for (;;) {
    if (block_stream_ended_ && !restart_with_window()) return WsInflate::Corrupt;
    // One byte more than allowed is enough to know that there are more.
    const auto room = static_cast<uInt>(std::min<std::uint64_t>(kChunk, limit - out.size() + 1));
    stream_->next_out = zlib_bytes(chunk.data());
    stream_->avail_out = room;
    const int result = inflate(stream_.get(), Z_SYNC_FLUSH);
    out.insert(out.end(), chunk.data(), chunk.data() + (room - stream_->avail_out));
    if (out.size() > limit) return WsInflate::TooLong;
    if (result == Z_STREAM_END) {
      block_stream_ended_ = true;
      if (stream_->avail_in == 0) return WsInflate::Ok;
      continue;
    }
    if (result == Z_BUF_ERROR) return stream_->avail_in == 0 ? WsInflate::Ok : WsInflate::Corrupt;
    if (result != Z_OK) return WsInflate::Corrupt;
    if (stream_->avail_in == 0 && stream_->avail_out != 0) return WsInflate::Ok;
  }
}

// zlib's reset forgets the window, which RFC 7692 keeps across BFINAL. Rare, so the copy does not matter.
bool WsInflater::restart_with_window() {
  std::array<char, 32 * 1024> window;
  uInt size = 0;
  if (inflateGetDictionary(stream_.get(), zlib_bytes(window.data()), &size) != Z_OK) return false;
  if (inflateReset(stream_.get()) != Z_OK) return false;
  block_stream_ended_ = false;
  return size == 0 || inflateSetDictionary(stream_.get(), zlib_bytes(window.data()), size) == Z_OK;
}

void WsInflater::release_idle_memory() {
  if (no_context_takeover_ && !began_) stream_.reset();
}

// zlib writes no raw stream with a window of 256 bytes. With one of 512 its distances stay below 512 - 262 = 250 (its
// look-ahead is never matched against), so the smallest window of RFC 7692 is kept by the next larger one.
WsDeflater::WsDeflater(int window_bits, bool no_context_takeover, int level, int mem_level)
    : window_bits_(static_cast<std::int8_t>(std::clamp(window_bits, 9, 15))),
      no_context_takeover_(no_context_takeover),
      level_(static_cast<std::int8_t>(std::clamp(level, 0, 9))),
      mem_level_(static_cast<std::int8_t>(std::clamp(mem_level, 1, 9))) {}

WsDeflater::~WsDeflater() = default;

void WsDeflater::End::operator()(z_stream_s* stream) const {
  deflateEnd(stream);
  delete stream;
}

bool WsDeflater::open() {
  auto stream = std::make_unique<z_stream>();
  if (deflateInit2(stream.get(), level_, Z_DEFLATED, -window_bits_, mem_level_, Z_DEFAULT_STRATEGY) != Z_OK)
    return false;
  stream_.reset(stream.release());
  return true;
}

bool WsDeflater::compress(std::span<const char> message, std::vector<char>& out) {
  PREFORK_CHECK(!message.empty(), "an empty message is sent as it is");
  if (!stream_ && !open()) return false;
  std::array<char, kChunk> chunk;
  while (!message.empty()) {
    const auto part = take_countable(message);
    stream_->next_in = zlib_bytes(part.data());
    stream_->avail_in = static_cast<uInt>(part.size());
    do {
      stream_->next_out = zlib_bytes(chunk.data());
      stream_->avail_out = kChunk;
      deflate(stream_.get(), message.empty() ? Z_SYNC_FLUSH : Z_NO_FLUSH);
      out.insert(out.end(), chunk.data(), chunk.data() + (kChunk - stream_->avail_out));
    } while (stream_->avail_out == 0);
  }
  out.erase(out.end() - kTail.size(), out.end());
  if (no_context_takeover_) deflateReset(stream_.get());
  return true;
}

void WsDeflater::release_idle_memory() {
  if (no_context_takeover_) stream_.reset();
}

}  // namespace prefork::http

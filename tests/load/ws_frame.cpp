#include "ws_frame.hpp"

#include <array>

namespace prefork::load {

void append_masked_frame(std::string& out, Opcode opcode, std::string_view payload, std::uint32_t mask) {
  const auto length = payload.size();
  out += static_cast<char>(0x80 | static_cast<unsigned>(opcode));
  const int length_bytes = length < 126 ? 0 : length < 65536 ? 2 : 8;
  out += static_cast<char>(0x80 | (length_bytes == 0 ? length : length_bytes == 2 ? 126 : 127));
  for (int i = length_bytes - 1; i >= 0; --i) out += static_cast<char>(length >> (8 * i));
  const std::array<char, 4> key{static_cast<char>(mask >> 24), static_cast<char>(mask >> 16),
                                static_cast<char>(mask >> 8), static_cast<char>(mask)};
  out.append(key.data(), key.size());
  const auto at = out.size();
  out += payload;
  for (std::size_t i = 0; i < length; ++i) out[at + i] = static_cast<char>(out[at + i] ^ key[i % 4]);
}

FrameReader::Event FrameReader::next(std::string_view& input) {
  std::size_t used = 0;
  if (buffer_.empty()) {
    const auto event = parse(input, used);
    if (event == Event::NeedMore) {
      buffer_ = input;
      input = {};
    } else {
      input.remove_prefix(used);
    }
    return event;
  }
  const auto before = buffer_.size();
  buffer_ += input;
  const auto event = parse(buffer_, used);
  if (event == Event::NeedMore) {
    input = {};
    return event;
  }
  // payload_ points into buffer_, which must be empty for the next frame: hand the bytes over.
  const auto offset = static_cast<std::size_t>(payload_.data() - buffer_.data());
  input.remove_prefix(used - before);
  whole_.swap(buffer_);
  buffer_.clear();
  if (event == Event::Frame) payload_ = std::string_view(whole_).substr(offset, payload_.size());
  return event;
}

FrameReader::Event FrameReader::parse(std::string_view bytes, std::size_t& used) {
  if (bytes.size() < 2) return Event::NeedMore;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  used = bytes.size();
  payload_ = bytes.substr(0, 0);
  if ((byte(0) & 0x70) != 0 || (byte(1) & 0x80) != 0) return Event::Bad;
  opcode_ = static_cast<Opcode>(byte(0) & 0x0f);
  final_ = (byte(0) & 0x80) != 0;
  std::uint64_t length = byte(1) & 0x7f;
  std::size_t header = 2;
  const bool control = static_cast<unsigned>(opcode_) >= 8;
  if (control && (length > 125 || !final_)) return Event::Bad;
  if (length >= 126) {
    const std::size_t extra = length == 126 ? 2 : 8;
    if (bytes.size() < header + extra) return Event::NeedMore;
    length = 0;
    for (std::size_t i = 0; i < extra; ++i) length = length << 8 | byte(header + i);
    header += extra;
  }
  if (length > bytes.size() - header) return Event::NeedMore;
  payload_ = bytes.substr(header, length);
  used = header + length;
  return Event::Frame;
}

}  // namespace prefork::load

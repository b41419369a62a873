#include "master/http/ws_frame.hpp"

#include <algorithm>
#include <cstring>

#include "master/http/utf8.hpp"

namespace prefork::http {
namespace {

constexpr std::uint8_t kFin = 0x80, kRsv1 = 0x40, kRsv2And3 = 0x30, kOpcodeBits = 0x0F;
constexpr std::uint8_t kMasked = 0x80, kLengthBits = 0x7F, kLength16 = 126, kLength64 = 127;

std::uint8_t u8(char byte) { return static_cast<std::uint8_t>(byte); }

// Bytes of a frame head whose second byte is known, the mask included.
std::size_t head_size_of(std::uint8_t second) {
  const auto length = second & kLengthBits;
  return 2 + 4 + (length == kLength16 ? 2 : length == kLength64 ? 8 : 0);
}

std::uint64_t big_endian(const char* at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | u8(at[i]);
  return value;
}

}  // namespace

WsFrameParser::Step WsFrameParser::step(std::span<char>& input) {
  switch (state_) {
    case State::Head: return read_head(input);
    case State::Payload: return read_payload(input);
    case State::Broken: break;
  }
  return Step::Violation;
}

WsFrameParser::Step WsFrameParser::read_head(std::span<char>& input) {
  if (raw_used_ == 0 && input.size() >= 2) {
    const std::size_t size = head_size_of(u8(input[1]));
    if (input.size() >= size) {
      const char* const raw = input.data();
      input = input.subspan(size);
      return take_head(raw, size);
    }
  }
  while (!input.empty()) {
    raw_[raw_used_++] = input.front();
    input = input.subspan(1);
    if (raw_used_ < 2) continue;
    // Judged as soon as the two bytes are there: a peer that broke a rule need not be waited for.
    if (raw_used_ == 2) {
      if (const auto rule = check_start(u8(raw_[0]), u8(raw_[1])); !rule.empty()) return violate(rule);
    }
    const std::size_t size = head_size_of(u8(raw_[1]));
    if (raw_used_ == size) return take_head(raw_.data(), size);
  }
  return Step::NeedMore;
}

// raw holds a complete head. Its last four bytes are the mask.
WsFrameParser::Step WsFrameParser::take_head(const char* raw, std::size_t head_size) {
  const auto first = u8(raw[0]), second = u8(raw[1]);
  if (const auto rule = check_start(first, second); !rule.empty()) return violate(rule);
  std::uint64_t length = second & kLengthBits;
  if (length == kLength16) {
    length = big_endian(raw + 2, 2);
    if (length < kLength16) return violate("length not in its shortest form");
  } else if (length == kLength64) {
    length = big_endian(raw + 2, 8);
    if (length >> 63) return violate("length with its highest bit set");
    if (length <= 0xFFFF) return violate("length not in its shortest form");
  }
  head_ = {static_cast<WsOpcode>(first & kOpcodeBits), (first & kFin) != 0, (first & kRsv1) != 0, length};
  if (!is_control(head_.opcode)) in_message_ = !head_.fin;
  std::memcpy(mask_.data(), raw + head_size - 4, 4);
  mask_phase_ = 0;
  raw_used_ = 0;
  left_ = length;
  state_ = State::Payload;
  return Step::Head;
}

// The rule that a frame's first two bytes break, or nothing.
std::string_view WsFrameParser::check_start(std::uint8_t first, std::uint8_t second) const {
  const auto opcode = first & kOpcodeBits;
  if (first & kRsv2And3) return "reserved bit set";
  const bool control = opcode >= 0x8;
  if (opcode > 0xA || (!control && opcode > 0x2)) return "reserved opcode";
  if ((first & kRsv1) && (!deflate_ || control || opcode == 0)) return "reserved bit set";
  if (!(second & kMasked)) return "frame without a mask";
  if (control) {
    if (!(first & kFin)) return "fragmented control frame";
    if ((second & kLengthBits) > kWsMaxControlPayload) return "control frame too long";
  } else if (opcode == 0 && !in_message_) {
    return "continuation of no message";
  } else if (opcode != 0 && in_message_) {
    return "new message inside a fragmented one";
  }
  return {};
}

WsFrameParser::Step WsFrameParser::read_payload(std::span<char>& input) {
  if (left_ != 0 && input.empty()) return Step::NeedMore;
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
  payload_ = input.first(size);
  input = input.subspan(size);
  ws_mask(payload_, mask_, mask_phase_);
  mask_phase_ = (mask_phase_ + size) & 3;
  left_ -= size;
  if (left_ == 0) state_ = State::Head;
  return Step::Payload;
}

WsFrameParser::Step WsFrameParser::violate(std::string_view rule) {
  violation_ = rule;
  state_ = State::Broken;
  return Step::Violation;
}

void ws_mask(std::span<char> data, std::array<char, 4> mask, std::size_t phase) {
  std::array<char, 8> wide;
  for (std::size_t i = 0; i < wide.size(); ++i) wide[i] = mask[(phase + i) & 3];
  std::uint64_t key = 0;
  std::memcpy(&key, wide.data(), sizeof key);
  char* const bytes = data.data();
  const std::size_t whole = data.size() & ~std::size_t{7};
  for (std::size_t i = 0; i < whole; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i, sizeof word);
    word ^= key;
    std::memcpy(bytes + i, &word, sizeof word);
  }
  for (std::size_t i = whole; i < data.size(); ++i) bytes[i] = static_cast<char>(bytes[i] ^ wide[i & 7]);
}

void append_ws_head(std::vector<char>& out, WsOpcode opcode, std::uint64_t length, bool compressed, bool fin) {
  char head[10];
  std::size_t size = 2;
  head[0] = static_cast<char>((fin ? kFin : 0) | (compressed ? kRsv1 : 0) | static_cast<std::uint8_t>(opcode));
  if (length <= kWsMaxControlPayload) {
    head[1] = static_cast<char>(length);
  } else {
    const std::size_t width = length <= 0xFFFF ? 2 : 8;
    head[1] = static_cast<char>(width == 2 ? kLength16 : kLength64);
    for (std::size_t i = 0; i < width; ++i) head[size++] = static_cast<char>(length >> 8 * (width - 1 - i));
  }
  out.insert(out.end(), head, head + size);
}

void append_ws_frame(std::vector<char>& out, WsOpcode opcode, std::span<const char> payload, bool compressed) {
  append_ws_head(out, opcode, payload.size(), compressed);
  out.insert(out.end(), payload.begin(), payload.end());
}

WsCloseBody read_ws_close(std::span<const char> payload) {
  if (payload.empty()) return {};
  if (payload.size() == 1) return {ws_code::kNoStatus, {}, ws_code::kProtocolError};
  const auto code = static_cast<std::uint16_t>(big_endian(payload.data(), 2));
  if (!is_sendable_close_code(code)) return {code, {}, ws_code::kProtocolError};
  const auto reason = payload.subspan(2);
  if (!is_utf8(reason)) return {code, {}, ws_code::kInvalidData};
  return {code, {reason.data(), reason.size()}, 0};
}

void append_ws_close(std::vector<char>& out, std::uint16_t code, std::string_view reason) {
  if (code == ws_code::kNoStatus) return append_ws_head(out, WsOpcode::Close, 0);
  std::size_t size = std::min(reason.size(), kWsMaxControlPayload - 2);
  if (size < reason.size()) {
    while (size != 0 && (static_cast<std::uint8_t>(reason[size]) & 0xC0) == 0x80) --size;
  }
  append_ws_head(out, WsOpcode::Close, 2 + size);
  out.push_back(static_cast<char>(code >> 8));
  out.push_back(static_cast<char>(code));
  out.insert(out.end(), reason.data(), reason.data() + size);
}

}  // namespace prefork::http

// WebSocket frames (RFC 6455, section 5) as a server reads and writes them: masked ones in, unmasked ones out.
// WsFrameParser belongs to one WsSession and is fed the socket's bytes in whatever pieces they come; it unmasks them where
// they lie and keeps nothing but an incomplete frame head. It judges what one frame and the order of frames may be; what
// the messages mean (text, compression, limits) is WsSession's.
//
//    0               1               2 .. 9              4 bytes   length bytes
//   +-+-+-+-+-------+-+-------------+-------------------+---------+---------+
//   |F|R|R|R| opcode|M| length or   | 16 or 64 bit      | mask    | payload |
//   |I|S|S|S|       |A| 126 or 127  | length, if so     |         |         |
//   |N|1|2|3|       |S|             |                   |         |         |
//   +-+-+-+-+-------+-+-------------+-------------------+---------+---------+
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace prefork::http {

enum class WsOpcode : std::uint8_t {
  Continuation = 0x0,
  Text = 0x1,
  Binary = 0x2,
  Close = 0x8,
  Ping = 0x9,
  Pong = 0xA
};

constexpr bool is_control(WsOpcode opcode) { return static_cast<std::uint8_t>(opcode) >= 0x8; }

constexpr std::size_t kWsMaxControlPayload = 125;

namespace ws_code {
constexpr std::uint16_t kNormal = 1000, kGoingAway = 1001, kProtocolError = 1002, kNoStatus = 1005, kLost = 1006,
                        kInvalidData = 1007, kTooBig = 1009, kInternalError = 1011, kRestart = 1012;
}  // namespace ws_code

struct WsFrameHead {
  WsOpcode opcode = WsOpcode::Continuation;
  bool fin = false;
  bool compressed = false;  // RSV1; only on the first frame of a message
  std::uint64_t length = 0;
};

class WsFrameParser {
 public:
  enum class Step {
    NeedMore,   // the input is used up
    Head,       // head() is known; its payload follows, in one Payload or more
    Payload,    // payload() is the next piece, unmasked; frame_done() on the last (which is empty for an empty frame)
    Violation,  // violation() says which rule; close with 1002 and feed nothing more
  };

  // deflate: permessage-deflate was agreed upon, so RSV1 has a meaning.
  explicit WsFrameParser(bool deflate) : deflate_(deflate) {}

  // Takes bytes from the front of input. They are changed in place, and payload() points into them.
  [[nodiscard]] Step step(std::span<char>& input);

  [[nodiscard]] const WsFrameHead& head() const { return head_; }
  [[nodiscard]] std::span<char> payload() const { return payload_; }
  [[nodiscard]] bool frame_done() const { return left_ == 0; }
  [[nodiscard]] std::string_view violation() const { return violation_; }

 private:
  enum class State : std::uint8_t { Head, Payload, Broken };

  [[nodiscard]] Step read_head(std::span<char>& input);
  [[nodiscard]] Step read_payload(std::span<char>& input);
  [[nodiscard]] Step take_head(const char* raw, std::size_t head_size);
  [[nodiscard]] std::string_view check_start(std::uint8_t first, std::uint8_t second) const;
  [[nodiscard]] Step violate(std::string_view rule);

  const bool deflate_;
  State state_ = State::Head;
  bool in_message_ = false;      // a data frame without FIN was seen, its last fragment was not
  std::uint8_t raw_used_ = 0;    // bytes of an incomplete head in raw_
  std::uint8_t mask_phase_ = 0;  // how many bytes of the payload were unmasked, modulo 4
  std::array<char, 14> raw_{};
  std::array<char, 4> mask_{};
  WsFrameHead head_;
  std::uint64_t left_ = 0;  // payload bytes still to come
  std::span<char> payload_;
  std::string_view violation_;
};

// Masks or unmasks data in place; `phase` is the position of its first byte in the frame's payload, modulo 4.
void ws_mask(std::span<char> data, std::array<char, 4> mask, std::size_t phase);

// Appends the head of an unmasked frame of `length` payload bytes.
void append_ws_head(std::vector<char>& out, WsOpcode opcode, std::uint64_t length, bool compressed = false,
                    bool fin = true);

// Appends a whole unmasked frame.
void append_ws_frame(std::vector<char>& out, WsOpcode opcode, std::span<const char> payload, bool compressed = false);

// True for codes that may stand in a close frame: RFC 6455 section 7.4 and the registry it opens.
[[nodiscard]] constexpr bool is_sendable_close_code(std::uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

// What a close frame's payload says. `error` is 0, or the code with which to answer its breach.
struct WsCloseBody {
  std::uint16_t code = ws_code::kNoStatus;
  std::string_view reason;
  std::uint16_t error = 0;
};
[[nodiscard]] WsCloseBody read_ws_close(std::span<const char> payload);

// Appends a close frame; code 1005 stands for none. A reason that does not fit is cut between two characters.
void append_ws_close(std::vector<char>& out, std::uint16_t code, std::string_view reason);

}  // namespace prefork::http

// WebSocket frames (RFC 6455, section 5) as a client sends and receives them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace prefork::load {

enum class Opcode : unsigned { Continuation = 0, Text = 1, Binary = 2, Close = 8, Ping = 9, Pong = 10 };

void append_masked_frame(std::string& out, Opcode opcode, std::string_view payload, std::uint32_t mask);

// Cuts frames out of what a server sends. Masked frames, reserved bits, long or fragmented control frames are Bad.
class FrameReader {
 public:
  enum class Event { NeedMore, Frame, Bad };

  void reset() { buffer_.clear(); }
  Event next(std::string_view& input);

  Opcode opcode() const { return opcode_; }
  bool final() const { return final_; }
  std::string_view payload() const { return payload_; }  // valid until the next call
  bool partial() const { return !buffer_.empty(); }

 private:
  Event parse(std::string_view bytes, std::size_t& used);

  std::string buffer_;  // a frame that was cut by the end of a read
  std::string whole_;   // keeps payload_ alive when it came from buffer_
  Opcode opcode_ = Opcode::Text;
  bool final_ = true;
  std::string_view payload_;
};

}  // namespace prefork::load

// The client's side of a WebSocket for tests: writes masked frames, cuts them anywhere, and notes what a session made of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "master/http/ws_session.hpp"

namespace prefork::http::ws_testing {

struct FrameShape {
  bool fin = true;
  bool rsv1 = false;
  std::array<char, 4> mask{'\x37', '\xfa', '\x21', '\x3d'};  // the mask of RFC 6455's examples
};

inline std::string masked_frame(std::uint8_t opcode, std::string payload, FrameShape shape = {}) {
  std::string frame;
  frame.push_back(static_cast<char>((shape.fin ? 0x80 : 0) | (shape.rsv1 ? 0x40 : 0) | opcode));
  const std::uint64_t length = payload.size();
  const int width = length < 126 ? 0 : length < 65536 ? 2 : 8;
  frame.push_back(static_cast<char>(0x80 | (width == 0 ? length : width == 2 ? 126 : 127)));
  for (int i = width - 1; i >= 0; --i) frame.push_back(static_cast<char>(length >> 8 * i));
  frame.append(shape.mask.data(), 4);
  for (std::size_t i = 0; i < payload.size(); ++i) frame.push_back(static_cast<char>(payload[i] ^ shape.mask[i % 4]));
  return frame;
}

inline std::string text_frame(std::string payload) { return masked_frame(0x1, std::move(payload)); }
inline std::string binary_frame(std::string payload) { return masked_frame(0x2, std::move(payload)); }
inline std::string ping_frame(std::string payload) { return masked_frame(0x9, std::move(payload)); }
inline std::string pong_frame(std::string payload) { return masked_frame(0xA, std::move(payload)); }
inline std::string first_fragment(std::uint8_t opcode, std::string payload) {
  return masked_frame(opcode, std::move(payload), {.fin = false});
}
inline std::string middle_fragment(std::string payload) {
  return masked_frame(0x0, std::move(payload), {.fin = false});
}
inline std::string last_fragment(std::string payload) { return masked_frame(0x0, std::move(payload)); }

inline std::string close_body(std::uint16_t code, std::string_view reason = {}) {
  std::string body{static_cast<char>(code >> 8), static_cast<char>(code)};
  return body.append(reason);
}
inline std::string close_frame(std::uint16_t code, std::string_view reason = {}) {
  return masked_frame(0x8, close_body(code, reason));
}

// An unmasked frame as the server must send it; short payloads only.
inline std::string server_frame(std::uint8_t opcode, std::string_view payload) {
  std::string frame{static_cast<char>(0x80 | opcode), static_cast<char>(payload.size())};
  return frame.append(payload);
}
inline std::string server_close(std::uint16_t code, std::string_view reason = {}) {
  return server_frame(0x8, close_body(code, reason));
}

// An event that owns its bytes.
struct Seen {
  WsEvent::Kind kind = WsEvent::Kind::None;
  bool is_text = false;
  bool clean = false;
  std::uint16_t code = 0;
  std::string bytes;

  bool operator==(const Seen&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  constexpr std::string_view kNames[] = {"None", "Message", "Closed", "Failed"};
  out << kNames[static_cast<int>(seen.kind)] << (seen.is_text ? " text" : "") << (seen.clean ? " clean " : " ")
      << seen.code;
  return out << " \"" << seen.bytes.substr(0, 60) << "\" (" << seen.bytes.size() << " bytes)";
}

// bytes: of a message, or the reason.
inline Seen note(const WsEvent& event) {
  Seen seen{event.kind, event.is_text, event.clean, event.code, std::string(event.bytes.begin(), event.bytes.end())};
  if (event.kind != WsEvent::Kind::Message) seen.bytes = event.reason;
  return seen;
}
inline Seen text(std::string bytes) { return {WsEvent::Kind::Message, true, false, 0, std::move(bytes)}; }
inline Seen binary(std::string bytes) { return {WsEvent::Kind::Message, false, false, 0, std::move(bytes)}; }
inline Seen closed(std::uint16_t code, std::string reason = {}, bool clean = true) {
  return {WsEvent::Kind::Closed, false, clean, code, std::move(reason)};
}

// A session with the time in the test's hands.
struct Server {
  WsOptions options;
  std::vector<char> out;
  WsTime now{std::chrono::hours(1)};
  WsSession session;

  explicit Server(WsOptions with = {}, std::optional<WsDeflateTerms> deflate = {})
      : options(with), session(options, deflate, out, now) {}

  std::vector<Seen> feed(std::string bytes) {
    std::vector<Seen> seen;
    std::span<char> input(bytes);
    while (const auto event = session.feed(input, now)) seen.push_back(note(event));
    return seen;
  }

  std::string take_output() {
    std::string taken(out.begin(), out.end());
    out.clear();
    return taken;
  }
};

struct Outcome {
  std::vector<Seen> seen;
  std::string output;
  bool operator==(const Outcome&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  for (const auto& seen : outcome.seen) out << seen << "; ";
  return out << "output of " << outcome.output.size() << " bytes";
}

// What a fresh session makes of bytes that come in the given pieces.
inline Outcome outcome_of(const std::vector<std::string>& pieces, const WsOptions& options = {},
                          std::optional<WsDeflateTerms> deflate = {}) {
  Server server(options, deflate);
  Outcome outcome;
  for (const auto& piece : pieces) {
    for (auto& seen : server.feed(piece)) outcome.seen.push_back(std::move(seen));
  }
  outcome.output = server.take_output();
  return outcome;
}

inline std::vector<std::string> byte_by_byte(const std::string& bytes) {
  std::vector<std::string> pieces;
  for (const char byte : bytes) pieces.emplace_back(1, byte);
  return pieces;
}

}  // namespace prefork::http::ws_testing

#include "ws_client.hpp"

#include <cstring>

#include "pattern.hpp"
#include "runner.hpp"

namespace prefork::load {
namespace {

// The key and the answer of the example in RFC 6455, section 1.3: a constant pair needs no SHA-1 here.
constexpr const char* kKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr const char* kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

}  // namespace

void WsClient::on_open() {
  const auto& options = runner_.options();
  upgraded_ = waiting_ = in_message_ = false;
  frames_.reset();
  parser_.begin(false);
  due_ = sent_ = Clock::now();
  out_ = "GET " + runner_.mix()[0].target + " HTTP/1.1\r\nHost: " + options.host + ":" + options.port +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + kKey +
         "\r\n";
  for (const auto& line : options.headers) out_ += line + "\r\n";
  out_ += "\r\n";
  flush();
}

void WsClient::on_bytes(std::string_view bytes) {
  if (!upgraded_ && !finish_handshake(bytes)) return;
  while (!bytes.empty()) {
    const auto event = frames_.next(bytes);
    if (event == FrameReader::Event::NeedMore) break;
    if (event == FrameReader::Event::Bad) return drop(Failure::BadAnswer, "frame");
    if (!on_frame()) return;
  }
  if (!waiting_) start_message();
}

bool WsClient::finish_handshake(std::string_view& bytes) {
  using Event = AnswerParser::Event;
  std::string_view body;
  const auto event = parser_.next(bytes, body);
  if (event == Event::NeedMore) return false;
  const auto& head = parser_.head();
  if (event == Event::HeadDone) ++runner_.tally().statuses[head.status];
  if (event != Event::HeadDone || (head.status == 101 && head.ws_accept != kAccept)) {
    drop(Failure::BadAnswer, "handshake");
    return false;
  }
  if (head.status != 101) {
    drop(head.status >= 500 ? Failure::Status5xx : Failure::WrongStatus, std::to_string(head.status).c_str());
    return false;
  }
  upgraded_ = true;
  return true;
}

bool WsClient::on_frame() {
  switch (frames_.opcode()) {
    case Opcode::Ping:
      append_masked_frame(out_, Opcode::Pong, frames_.payload(), 0x5a5a5a5a);
      flush();
      return true;
    case Opcode::Pong: return true;
    case Opcode::Close: on_close_frame(); return false;
    case Opcode::Text:
    case Opcode::Binary:
    case Opcode::Continuation: return on_message_part();
  }
  drop(Failure::BadAnswer, "opcode");
  return false;
}

bool WsClient::on_message_part() {
  if ((frames_.opcode() == Opcode::Continuation) != in_message_) {
    drop(Failure::BadAnswer, "fragments out of order");
    return false;
  }
  if (!waiting_) {
    drop(Failure::ExtraBytes, "a message that nobody asked for");
    return false;
  }
  if (!in_message_) received_.clear();
  if (!in_message_ && frames_.opcode() != Opcode::Text) {
    drop(Failure::WrongBody, "binary instead of text");
    return false;
  }
  received_ += frames_.payload();
  in_message_ = !frames_.final();
  if (in_message_) return true;
  waiting_ = false;
  if (received_ == expected_) {
    runner_.count_ok(0, due_);
  } else {
    fail(received_.size() == expected_.size() ? Failure::WrongBody : Failure::WrongLength, "message", 0);
  }
  return true;
}

void WsClient::on_close_frame() {
  const auto payload = frames_.payload();
  const int code =
      payload.size() < 2 ? 1005 : static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
  ++runner_.tally().ws_closes[code];
  ++runner_.tally().closes_announced;
  append_masked_frame(out_, Opcode::Close, payload.substr(0, 2), 0x5a5a5a5a);
  flush();
  if (waiting_) return drop(Failure::ResetBeforeAnswer, "close frame before the echo");
  reopen();
}

void WsClient::start_message() {
  const auto due = runner_.next_request(*this);
  if (!due) {
    if (runner_.stopping()) {
      append_masked_frame(out_, Opcode::Close, std::string_view("\x03\xe8", 2), 0x5a5a5a5a);
      flush();
      hang_up(false);
    }
    return;
  }
  const auto number = runner_.tally().started++;
  expected_.clear();
  text_pattern().append(expected_, phase_of(number), runner_.options().message_bytes);
  append_masked_frame(out_, Opcode::Text, expected_, static_cast<std::uint32_t>(number * 2654435761u));
  waiting_ = true;
  due_ = *due;
  sent_ = Clock::now();
  flush();
}

void WsClient::flush() {
  const auto sent = send_some(out_);
  out_.erase(0, sent);
  watch(true, !out_.empty());
}

void WsClient::on_end(int error) {
  const char* detail = error == 0 ? "closed" : std::strerror(error);
  if (waiting_)
    return drop(frames_.partial() || in_message_ ? Failure::ResetInBody : Failure::ResetBeforeAnswer, detail);
  if (!upgraded_) return drop(Failure::ResetBeforeAnswer, "closed in the handshake");
  ++runner_.tally().closed_idle;  // without a close frame
  reopen();
}

void WsClient::drop(Failure kind, const char* detail) {
  fail(kind, detail, 0);
  waiting_ = false;
  // A refused handshake is not tried again at once: that would measure refusals and nothing else.
  if (upgraded_) return reopen(true);
  hang_up(true);
  wake_in(std::chrono::milliseconds(10));
}

void WsClient::on_late(Time now) {
  if ((waiting_ || !upgraded_) && now - sent_ > runner_.options().timeout)
    return drop(Failure::Timeout, "no message in time");
  if (!waiting_ && upgraded_ && runner_.stopping()) start_message();
}

}  // namespace prefork::load

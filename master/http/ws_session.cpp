#include "master/http/ws_session.hpp"

#include <algorithm>

namespace prefork::http {
namespace {

// An assembled message's buffer above this size is given back at once instead of waiting for the next message.
constexpr std::size_t kKeptBuffer = 64 * 1024;

// Of zlib: the fastest, in memory that ten thousand sessions can have.
constexpr int kCompressLevel = 1;
constexpr int kCompressMemLevel = 5;

// The most bytes that a message of `limit` bytes can be compressed to by zlib's worst parameters; what needs more is a
// stream of empty blocks, made to keep us busy.
std::uint64_t longest_compressed(std::uint64_t limit) { return limit + limit / 8 + limit / 64 + 1024; }

std::uint16_t sendable(std::uint16_t code) {
  return code == ws_code::kNoStatus || is_sendable_close_code(code) ? code : ws_code::kInternalError;
}

}  // namespace

WsSession::WsSession(const WsOptions& options, const std::optional<WsDeflateTerms>& deflate, std::vector<char>& out,
                     WsTime now)
    : options_(options), out_(out), parser_(deflate.has_value()), since_(now) {
  if (!deflate) return;
  inflater_.emplace(deflate->client_window_bits, deflate->client_no_context_takeover);
  deflater_.emplace(deflate->server_window_bits, deflate->server_no_context_takeover, kCompressLevel,
                    kCompressMemLevel);
}

WsEvent WsSession::feed(std::span<char>& input, WsTime now) {
  forget_delivered();
  if (state_ == State::Open && !input.empty()) {
    since_ = now;
    waiting_for_sign_ = false;
    answer_held_ping();
  }
  while (state_ != State::Closed) {
    WsEvent event;
    switch (parser_.step(input)) {
      case WsFrameParser::Step::NeedMore: return {};
      case WsFrameParser::Step::Head: event = on_head(); break;
      case WsFrameParser::Step::Payload: event = on_payload(); break;
      case WsFrameParser::Step::Violation: event = fail(ws_code::kProtocolError, parser_.violation()); break;
    }
    if (event) return event;
  }
  input = {};
  return {};
}

// Everything that can be known to be wrong before the payload comes.
WsEvent WsSession::on_head() {
  const WsFrameHead& head = parser_.head();
  if (is_control(head.opcode)) {
    control_used_ = 0;
    return {};
  }
  if (state_ != State::Open) return {};
  if (head.opcode != WsOpcode::Continuation) {
    is_text_ = head.opcode == WsOpcode::Text;
    compressed_ = head.compressed;
    compressed_bytes_ = 0;
    utf8_.reset();
  }
  const std::uint64_t have = compressed_ ? compressed_bytes_ : message_.size();
  const std::uint64_t most = compressed_ ? longest_compressed(options_.max_message) : options_.max_message;
  if (head.length > most - have) return fail(ws_code::kTooBig, "message too big");
  if (compressed_) compressed_bytes_ += head.length;
  return {};
}

WsEvent WsSession::on_payload() {
  const std::span<const char> piece = parser_.payload();
  const bool frame_done = parser_.frame_done();
  if (is_control(parser_.head().opcode)) {
    std::copy(piece.begin(), piece.end(), control_.begin() + control_used_);
    control_used_ = static_cast<std::uint8_t>(control_used_ + piece.size());
    return frame_done ? on_control() : WsEvent{};
  }
  // What arrives behind our close frame is for nobody.
  if (state_ != State::Open) return {};
  const bool message_done = frame_done && parser_.head().fin;
  if (compressed_) return on_compressed(piece, message_done);
  if (is_text_ && !utf8_.feed(piece)) return fail(ws_code::kInvalidData, "text is not UTF-8");
  // Most messages lie whole in the input: these are handed out where they are.
  const bool in_place = message_done && message_.empty();
  if (!in_place) message_.insert(message_.end(), piece.begin(), piece.end());
  return message_done ? on_message(in_place ? piece : std::span<const char>(message_)) : WsEvent{};
}

WsEvent WsSession::on_compressed(std::span<const char> piece, bool message_done) {
  const std::size_t before = message_.size();
  auto result = inflater_->feed(piece, message_, options_.max_message);
  if (result == WsInflate::Ok && message_done) result = inflater_->finish(message_, options_.max_message);
  // The text first, whatever came of the rest: so it does not matter how much of it was in this piece.
  if (is_text_ && !utf8_.feed(std::span<const char>(message_).subspan(before))) {
    return fail(ws_code::kInvalidData, "text is not UTF-8");
  }
  if (result == WsInflate::TooLong) return fail(ws_code::kTooBig, "message too big");
  if (result == WsInflate::Corrupt) return fail(ws_code::kInvalidData, "compressed data is corrupt");
  return message_done ? on_message(message_) : WsEvent{};
}

WsEvent WsSession::on_message(std::span<const char> bytes) {
  if (is_text_ && !utf8_.complete()) return fail(ws_code::kInvalidData, "text is not UTF-8");
  delivered_ = true;
  WsEvent event;
  event.kind = WsEvent::Kind::Message;
  event.is_text = is_text_;
  event.bytes = bytes;
  return event;
}

WsEvent WsSession::on_control() {
  const std::span<const char> body(control_.data(), control_used_);
  switch (parser_.head().opcode) {
    case WsOpcode::Close: return on_close(body);
    case WsOpcode::Ping:
      if (state_ == State::Open) answer_ping(body);
      return {};
    default: return {};  // a pong has done its work by arriving
  }
}

// The client's close frame ends the session: it answers ours, or is answered with its own code.
WsEvent WsSession::on_close(std::span<const char> body) {
  const WsCloseBody close = read_ws_close(body);
  if (close.error != 0) {
    return fail(close.error,
                close.error == ws_code::kInvalidData ? "close reason is not UTF-8" : "close frame is malformed");
  }
  if (state_ == State::Open) append_ws_close(out_, close.code, {});
  state_ = State::Closed;
  WsEvent event;
  event.kind = WsEvent::Kind::Closed;
  event.clean = true;
  event.code = close.code;
  event.reason = close.reason;
  return event;
}

WsEvent WsSession::fail(std::uint16_t code, std::string_view reason) {
  if (state_ == State::Open) append_ws_close(out_, code, reason);
  state_ = State::Closed;
  WsEvent event;
  event.kind = WsEvent::Kind::Failed;
  event.code = code;
  event.reason = reason;
  return event;
}

bool WsSession::send(WsOpcode opcode, std::span<const char> message) {
  if (state_ != State::Open) return false;
  answer_held_ping();
  if (deflater_ && message.size() >= std::max<std::size_t>(options_.compress_threshold, 1)) {
    std::vector<char> packed;
    packed.reserve(message.size() / 2);
    if (deflater_->compress(message, packed)) {
      // What the client's context must contain is sent compressed even when that is longer.
      if (packed.size() < message.size() || !deflater_->no_context_takeover()) {
        append_ws_frame(out_, opcode, packed, true);
        return true;
      }
    }
  }
  append_ws_frame(out_, opcode, message);
  return true;
}

bool WsSession::send_ping(std::span<const char> payload) {
  if (state_ != State::Open) return false;
  append_ws_frame(out_, WsOpcode::Ping, payload.first(std::min(payload.size(), kWsMaxControlPayload)));
  return true;
}

// A client that pings without reading must not fill our memory: then only its latest ping counts (RFC 6455, section 5.5.3).
void WsSession::answer_ping(std::span<const char> payload) {
  if (is_backed_up()) {
    held_ping_.emplace(payload.data(), payload.size());
    return;
  }
  held_ping_.reset();
  append_ws_frame(out_, WsOpcode::Pong, payload);
}

void WsSession::answer_held_ping() {
  if (!held_ping_ || state_ != State::Open || is_backed_up()) return;
  append_ws_frame(out_, WsOpcode::Pong, *held_ping_);
  held_ping_.reset();
}

void WsSession::close(std::uint16_t code, std::string_view reason, WsTime now) {
  if (state_ != State::Open) return;
  append_ws_close(out_, sendable(code), reason);
  state_ = State::Closing;
  since_ = now;
  // A message that is half there will never be handed out.
  message_ = {};
  inflater_.reset();
  deflater_.reset();
}

WsEvent WsSession::connection_lost() {
  if (state_ == State::Closed) return {};
  state_ = State::Closed;
  WsEvent event;
  event.kind = WsEvent::Kind::Closed;
  event.code = ws_code::kLost;
  return event;
}

WsEvent WsSession::on_tick(WsTime now) {
  if (now < deadline()) return {};
  if (state_ == State::Closing) return connection_lost();
  if (waiting_for_sign_) return fail(ws_code::kInternalError, "keepalive ping timeout");
  answer_held_ping();
  send_ping();
  waiting_for_sign_ = options_.ping_timeout.count() != 0;
  since_ = now;
  release_idle_memory();
  return {};
}

WsTime WsSession::deadline() const {
  if (state_ == State::Closed) return WsTime::max();
  const auto wait = state_ == State::Closing ? options_.close_timeout
                    : waiting_for_sign_      ? options_.ping_timeout
                                             : options_.ping_interval;
  return wait.count() == 0 ? WsTime::max() : since_ + wait;
}

void WsSession::forget_delivered() {
  if (!delivered_) return;
  delivered_ = false;
  message_.clear();
  if (message_.capacity() > kKeptBuffer) message_ = {};
}

void WsSession::release_idle_memory() {
  forget_delivered();
  if (message_.empty()) message_ = {};
  if (inflater_) inflater_->release_idle_memory();
  if (deflater_) deflater_->release_idle_memory();
}

}  // namespace prefork::http

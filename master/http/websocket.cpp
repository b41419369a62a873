#include "master/http/websocket.hpp"

#include <algorithm>

#include "master/http/connection.hpp"

namespace prefork::http {
namespace {

constexpr std::size_t kLargestReply = 256 << 20;
constexpr std::chrono::milliseconds kLastWord{1'000};  // for the client's close frame when the server stops

}  // namespace

WebSocket::WebSocket(Connection& connection, WsRequest handshake)
    : connection_(connection), handshake_(std::move(handshake)) {
  const auto& policy = connection_.site_.websocket;
  options_.max_message = policy.max_message;
  options_.ping_interval = std::chrono::milliseconds(policy.ping_interval_ms);
  options_.ping_timeout = std::chrono::milliseconds(policy.ping_timeout_ms);
  handshake_.subprotocols.clear();  // views into the request, which the application has now
}

WsTime WebSocket::now() const { return WsTime(std::chrono::nanoseconds(connection_.site_.loop.now_ns())); }

Refusal WebSocket::accept(Exchange& exchange, const wire::ReplyView& head, const ReplyFacts& facts) {
  if (const Refusal refusal = write_switching_reply(head, facts, ws_accept_lines(handshake_), out_)) return refusal;
  session_ = std::make_unique<WsSession>(options_, handshake_.deflate, out_, now());
  exchange_ = &exchange;
  exchange.body_credit = wire::kMessageWindow;
  flush();
  return {};
}

void WebSocket::feed(std::span<char> in) {
  if (!held_.empty()) return (void)held_.insert(held_.end(), in.begin(), in.end());
  session_->set_unsent(connection_.out_.size());
  while (!over_ && wants_input()) {
    const WsEvent event = session_->feed(in, now());
    if (!event) break;
    handle(event);
  }
  if (!over_) held_.assign(in.begin(), in.end());
  flush();
}

void WebSocket::on_credit() {
  if (held_.empty()) return;
  std::vector<char> bytes;
  bytes.swap(held_);
  feed(bytes);
}

void WebSocket::handle(const WsEvent& event) {
  if (event.kind == WsEvent::Kind::Message) {
    if (exchange_ == nullptr || exchange_->link == nullptr) return;
    const auto charge = wire::message_charge(event.bytes.size(), connection_.site_.websocket.max_queue);
    exchange_->body_credit -= std::min(exchange_->body_credit, charge);
    exchange_->link->send_message(*exchange_, std::as_bytes(event.bytes), event.is_text);
    return;
  }
  over_ = true;
  if (told_close_ || exchange_ == nullptr || exchange_->link == nullptr) return;
  told_close_ = true;
  exchange_->link->send_close(*exchange_, event.code, event.reason);
}

bool WebSocket::on_reply(Exchange& exchange, const ReplyEvent& event) {
  switch (event.kind) {
    case wire::Kind::Message: {
      exchange.reply_unacknowledged += event.bytes.size();
      if (event.more || !partial_.empty()) {
        if (partial_.size() + event.bytes.size() > kLargestReply) return false;
        partial_.insert(partial_.end(), event.bytes.begin(), event.bytes.end());
        if (event.more) break;
      }
      const auto whole = partial_.empty() ? event.bytes : std::span<const std::byte>(partial_);
      const std::span<const char> message(reinterpret_cast<const char*>(whole.data()), whole.size());
      exchange.body_bytes_sent += whole.size();
      (void)(event.text ? session_->send_text(message) : session_->send_binary(message));
      partial_.clear();
      break;
    }
    case wire::Kind::Close: session_->close(event.close.code, wire::as_text(event.bytes), now()); break;
    case wire::Kind::Body:
      if (event.end) session_->close(event.aborted ? ws_code::kInternalError : ws_code::kNormal, {}, now());
      break;
    default: return false;
  }
  if (event.end) exchange_ = nullptr;
  flush();
  return true;
}

void WebSocket::close(std::uint16_t code, std::string_view reason) {
  if (session_ == nullptr) {
    early_close_ = code;
    return;
  }
  if (connection_.site_.draining) options_.close_timeout = std::min(options_.close_timeout, kLastWord);
  session_->close(code, reason, now());
  if (exchange_ != nullptr && exchange_->link != nullptr && !told_close_) {
    told_close_ = true;
    exchange_->link->send_close(*exchange_, code, reason);
  }
  flush();
}

void WebSocket::close_if_told_early() {
  if (early_close_ != 0) close(early_close_, {});
}

void WebSocket::on_eof() {
  if (const WsEvent event = session_->connection_lost()) handle(event);
  over_ = true;
}

void WebSocket::on_tick() {
  if (const WsEvent event = session_->on_tick(now())) handle(event);
  flush();
}

std::uint64_t WebSocket::due_ms() const {
  const auto due = session_->deadline();
  if (due == WsTime::max()) return 0;
  return static_cast<std::uint64_t>(
             std::chrono::duration_cast<std::chrono::milliseconds>(due.time_since_epoch()).count()) +
         1;
}

// Not while the application leaves too much unreceived, nor while the client does not take what is sent to it.
bool WebSocket::wants_input() const { return exchange_ == nullptr || exchange_->body_credit > 0; }

void WebSocket::on_written() {
  session_->set_unsent(connection_.out_.size());
  session_->on_output_sent();
  flush();
}

void WebSocket::flush() {
  if (!out_.empty()) {
    connection_.put_raw(out_);
    out_.clear();
    if (out_.capacity() > 64 * 1024) std::vector<char>().swap(out_);
  }
  if (over_ || session_->state() == WsSession::State::Closed) connection_.conversation_over();
}

}  // namespace prefork::http

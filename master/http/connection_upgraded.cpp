// A Connection that changes what it speaks: a WebSocket of ours, or a tunnel to an application that speaks for itself.
#include <charconv>
#include <string_view>
#include <utility>

#include "master/http/connection.hpp"

namespace prefork::http {
namespace {

// What the log is to say of what an application wrote for itself: "HTTP/1.1 101 …".
std::uint16_t status_of(std::span<const char> first) {
  const std::string_view line(first.data(), first.size());
  if (!line.starts_with("HTTP/1.1 ") || line.size() < 12) return 101;
  unsigned status = 0;
  const auto [end, error] = std::from_chars(line.data() + 9, line.data() + 12, status);
  return error == std::errc{} && end == line.data() + 12 ? static_cast<std::uint16_t>(status) : 101;
}

}  // namespace

// A WebSocket handshake is judged before an application sees it. False: it was refused. Applications that cannot speak WebSocket
// get the request as any other, and so does one of which nobody knows yet whether it can, when the handshake is not valid. A WSGI
// application may speak it through its tunnel.
bool Connection::read_upgrade(H1Exchange& exchange) {
  std::vector<WsField> fields;
  for (const auto& field : exchange.request.fields())
    fields.push_back({exchange.request.name(field), exchange.request.text(field.value)});
  const WsDeflateWishes wishes;
  const auto& head = exchange.request.head;
  WsRequest handshake = read_ws_request(exchange.request.text(head.method_name), head.http_version, fields,
                                        site_.websocket.deflate ? &wishes : nullptr);
  if (handshake.verdict != WsRequest::Verdict::Valid && site_.sync_workers()) return true;
  switch (handshake.verdict) {
    case WsRequest::Verdict::NotWebSocket: return true;
    case WsRequest::Verdict::BadRequest: refuse({400, handshake.reason}); return false;
    case WsRequest::Verdict::UpgradeRequired: refuse({426, handshake.reason}); return false;
    case WsRequest::Verdict::Valid: break;
  }
  if (parser_.body_expected()) {
    if (site_.may_tunnel()) return true;
    refuse({400, "A WebSocket handshake has no body"});
    return false;
  }
  exchange.request.head.flags |= wire::kWebSocket;
  if (site_.may_tunnel()) return true;
  websocket_ = std::make_unique<WebSocket>(*this, std::move(handshake));
  if (drained_) websocket_->close(ws_code::kGoingAway, {});
  return true;
}

Connection::Head Connection::accept_websocket(H1Exchange& exchange, const ReplyEvent& event) {
  if (!is_front(exchange) || event.end) return Head::Senseless;
  ReplyFacts facts = reply_facts(exchange);
  std::string lines;
  observe_head(exchange, event, facts, lines);
  if (const Refusal refusal = websocket_->accept(exchange, event.head, facts))
    return refuse_head(exchange, event, refusal);
  state_ = State::WebSocket;
  exchange.head_written = true;
  exchange.status = 101;
  head_due_ms_ = idle_due_ms_ = half_close_due_ms_ = 0;
  if (leftover_) websocket_->feed(std::exchange(leftover_, nullptr)->rest());
  if (state_ == State::WebSocket) websocket_->close_if_told_early();
  return Head::Written;
}

void Connection::put_raw(std::span<const char> bytes) {
  if (state_ == State::Closed) return;
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  if (!out_.write(*stream_, {&piece, 1}, {site_.buffers.reply_memory, 0})) broken_ = true;
}

// The closing handshake is done, or given up, or the application has ended: what waits is sent, then the connection ends.
void Connection::conversation_over() {
  if (state_ != State::WebSocket && state_ != State::Tunnel) return;
  state_ = State::Closing;
  for (auto& exchange : exchanges_) {
    if (!exchange->ended) site_.dispatcher.cancel(*exchange, wire::CancelReason::ClientGone);
    if (site_.observer != nullptr) site_.observer->on_done(*exchange, peer_);
    site_.recycle(std::move(exchange));
  }
  exchanges_.clear();
}

bool Connection::on_websocket_reply(H1Exchange& exchange, const ReplyEvent& event) {
  replying_ = true;
  const bool fine = websocket_->on_reply(exchange, event);
  replying_ = false;
  if (event.end) exchange.ended = true;
  if (broken_) on_gone();
  if (state_ == State::WebSocket) give_credit();
  if (state_ != State::Closed) after_write();
  return fine;
}

// A WebSocket would keep the worker for as long as the client likes: its client comes again, and gets a new one.
void Connection::on_worker_retired(Exchange& base) {
  if (websocket_ == nullptr || !as_h1(base).handshake()) return;
  websocket_->close(ws_code::kRestart, {});
  if (state_ != State::WebSocket) return;
  if (broken_) on_gone();
  if (state_ != State::Closed) after_write();
}

// ---------------------------------------------------------------------------------------------------- tunnels

bool Connection::offer_tunnel(H1Exchange& exchange, const ReplyEvent& event) {
  if (!exchange.handshake() || exchange.head_written || exchange.tunnel || event.end) return false;
  // Without a descriptor the worker's end is closed already: its application finds nobody there.
  if (event.fd)
    exchange.tunnel = std::make_unique<Tunnel>(*this, exchange, site_.loop, site_.request_spools, std::move(event.fd));
  return true;
}

// The application's bytes to the client. The first of them make this connection a tunnel. False: it is none, and may be gone.
bool Connection::relay(H1Exchange& exchange, std::span<const char> bytes) {
  if (state_ != State::Tunnel && !enter_tunnel(exchange, bytes)) {
    if (state_ != State::Closed) exchange.tunnel.reset();  // it must not wait for anybody
    return false;
  }
  exchange.body_bytes_sent += bytes.size();
  put_raw(bytes);
  return true;
}

// False: there is nobody to speak to, or something else was said already.
bool Connection::enter_tunnel(H1Exchange& exchange, std::span<const char> first) {
  if (state_ != State::Open || !is_front(exchange) || exchange.head_written) return false;
  flush_gathered();
  if (state_ == State::Closed) return false;
  state_ = State::Tunnel;
  websocket_.reset();
  exchange.head_written = true;
  exchange.stage = Stage::Replying;
  exchange.replied_ns = site_.loop.now_ns();
  exchange.status = status_of(first);
  head_due_ms_ = idle_due_ms_ = half_close_due_ms_ = 0;
  if (leftover_) exchange.tunnel->feed(std::exchange(leftover_, nullptr)->rest());
  return true;
}

void Connection::on_tunnel_turn() {
  if (state_ != State::Tunnel) return;
  if (broken_) return on_gone();
  after_write();
}

// A record of an ordinary reply. True: the application speaks for itself, or did so a moment ago: whatever else it says is too late.
bool Connection::is_spoken_for(H1Exchange& exchange, const ReplyEvent& event) {
  exchange.tunnel->read_rest();
  if (state_ == State::Closed) return true;
  if (state_ != State::Tunnel) {
    if (event.kind != wire::Kind::Interim) exchange.tunnel.reset();
    return false;
  }
  if (event.end) exchange.ended = true;
  on_tunnel_end(exchange);
  return true;
}

// The application's end of it is closed, or its worker is gone.
void Connection::on_tunnel_end(H1Exchange& exchange) {
  if (state_ != State::Tunnel) return exchange.tunnel.reset();  // not wanted
  conversation_over();
  if (broken_) return on_gone();
  after_write();
}

}  // namespace prefork::http

#include "master/http/connection.hpp"

#include <algorithm>

#include "shm/fault.hpp"

namespace prefork::http {
namespace {

// How long a client may go on sending what nobody reads any more, in all and without a pause.
constexpr std::uint64_t kLingerMs = 30'000;
constexpr std::uint64_t kLingerPauseMs = 2'000;
constexpr std::uint64_t kLastRequestMs = 500;  // for an idle connection when the server stops
constexpr std::uint64_t kHalfCloseMs = 1'000;

std::uint64_t earliest(std::initializer_list<std::uint64_t> times) {
  std::uint64_t first = 0;
  for (const auto time : times) {
    if (time != 0 && (first == 0 || time < first)) first = time;
  }
  return first;
}

}  // namespace

void H1Exchange::reset_h1() {
  reset();
  plan = {};
  framer = {};
  keep_alive = true;
  expects_continue = received = submitted = head_written = trailers_written = ended = cut = stalled = false;
  early_files.clear();
  tunnel.reset();
  rate.stop();
  if (early.capacity() > 64 * 1024) {
    std::vector<char>().swap(early);
  } else {
    early.clear();
  }
}

Connection::Connection(Site& site, net::Peer peer, const net::BoundSocket& local)
    : site_(site),
      peer_(std::move(peer)),
      local_(local),
      parser_(site.limits),
      out_(site.loop, site.reply_spools, [this] { on_writable(); }) {}

Connection::~Connection() { cancel_all(); }

void Connection::start(std::unique_ptr<net::Stream> stream) {
  stream_ = std::move(stream);
  if (site_.observer != nullptr) peer_.trusted = site_.observer->trusts(peer_);
  parser_.trust_forwarder(peer_.trusted);
  if (site_.proxy_protocol != ProxyMode::Off) {
    proxy_ = std::make_unique<ProxyProtocol>(
        site_.proxy_protocol, site_.proxy_allow_ips.trusts({peer_.address, peer_.port, peer_.unix_socket}));
    proxy_due_ = true;
  }
  // A connection made ahead of its first request is not an idle one yet.
  idle_due_ms_ = site_.loop.now_ms() + std::max(site_.timing.keepalive_ms, site_.timing.header_ms);
  update_interest();
  schedule();
}

// ---------------------------------------------------------------------------------------------------- events

void Connection::on_readable() {
  if (state_ == State::Closed) return;
  PREFORK_FAULT_POINT("master.read");
  auto& buffer = site_.loop.read_buffer();
  const auto result = stream_->read(buffer);
  switch (result.what) {
    case net::Io::Done:
      if (state_ == State::WebSocket) {
        websocket_->feed(std::span<char>(buffer).first(result.bytes));
      } else if (state_ == State::Tunnel) {
        tunnel().feed(std::span<const char>(buffer).first(result.bytes));
      } else {
        consume(std::span<const char>(buffer).first(result.bytes));
        submit_streamed();
      }
      break;
    case net::Io::WouldBlock: break;
    case net::Io::Eof: on_eof(); break;
    case net::Io::Failed: return on_gone();
  }
  if (state_ == State::Closed) return;
  if (state_ == State::Closing && exchanges_.empty()) return after_write();  // a WebSocket's closing handshake is done
  update_interest();
  schedule();
}

void Connection::on_writable() {
  if (state_ == State::Closed) return;
  flush();
}

void Connection::on_reset() {
  if (state_ != State::Closed) on_gone();
}

void Connection::flush() {
  corked_ = false;
  if (state_ == State::Closed) return;
  flush_gathered();
  if (!out_.flush(*stream_)) return on_gone();
  if (state_ == State::WebSocket) websocket_->on_written();
  after_write();
  if (state_ != State::Closed) give_credit();
}

// ---------------------------------------------------------------------------------------------------- the end

// Also where a turn's work on a connection ends: what it waits for now, and until when.
void Connection::update_interest() {
  if (state_ == State::Closed || !stream_) return;
  stream_->want(wants_input(), out_.blocked());
  if (state_ == State::Tunnel) tunnel().want(out_.size() < site_.buffers.reply_memory);
}

bool Connection::wants_input() const {
  switch (state_) {
    case State::Lingering: return true;
    case State::HalfClosed:
    case State::Closed: return false;
    case State::Closing: return true;  // discarded: an error answer must not be lost to a reset
    case State::WebSocket: return websocket_->wants_input();
    case State::Tunnel: return exchanges_.front()->tunnel->wants_input();
    case State::Open: break;
  }
  if (leftover_) return false;
  const bool body_waits = reading_ != nullptr && !reading_->ended && reading_->body &&
                          reading_->body->size() > site_.buffers.request_memory && !reading_->body_whole &&
                          (reading_->submitted || reading_->body->full());
  return !body_waits;
}

// A connection that reads no more requests, but still answers those it has.
void Connection::stop_reading_requests() {
  if (state_ != State::Open) return;
  state_ = State::Closing;
  if (reading_ != nullptr && !reading_->submitted && !reading_->ended) {
    reading_ = nullptr;
    site_.recycle(std::move(exchanges_.back()));
    exchanges_.pop_back();
  }
}

// Everything is written: the client must be able to read it before our side disappears (RFC 9112 9.6).
void Connection::linger_or_close() {
  if (state_ == State::Closed || state_ == State::Lingering) return;
  if (state_ == State::HalfClosed || broken_) return close_now();
  PREFORK_FAULT_POINT("master.linger");
  state_ = State::Lingering;
  stream_->end_write(net::Stream::Ending::Orderly);
  linger_due_ms_ = site_.loop.now_ms() + (site_.draining ? kLingerPauseMs : kLingerMs);
  idle_due_ms_ = site_.loop.now_ms() + kLingerPauseMs;
  head_due_ms_ = send_due_ms_ = websocket_due_ms_ = 0;
  update_interest();
  schedule();
}

// The client still sends, and has not read its answer yet: a reset would take that away from it.
void Connection::on_discarded() { idle_due_ms_ = site_.loop.now_ms() + kLingerPauseMs; }

void Connection::on_gone() {
  broken_ = true;
  close_now();
}

void Connection::close_now() {
  if (state_ == State::Closed) return;
  flush_gathered();
  if (state_ == State::Closed) return;
  PREFORK_FAULT_POINT("master.close");
  state_ = State::Closed;
  cancel_all();
  stream_.reset();
  cancel();
  site_.close(*this);
}

void Connection::cancel_all() {
  reading_ = nullptr;
  for (auto& exchange : exchanges_) {
    site_.dispatcher.cancel(*exchange, wire::CancelReason::ClientGone);
    if (exchange->submitted && !exchange->ended && site_.observer != nullptr) {
      if (exchange->status == 0) exchange->status = 499;  // the client closed before there was an answer
      site_.observer->on_done(*exchange, peer_);
    }
    site_.recycle(std::move(exchange));
  }
  exchanges_.clear();
}

void Connection::drain() {
  drained_ = true;
  if (websocket_ != nullptr && !websocket_->accepted()) websocket_->close(ws_code::kGoingAway, {});
  if (state_ == State::Open && idle()) on_readable();  // what has arrived by now is answered
  if (state_ == State::Open && idle()) {
    // A request may be on its way; an answer that ends the connection tells the client what a reset would not.
    idle_due_ms_ = site_.loop.now_ms() + kLastRequestMs;
    return schedule();
  }
  if (state_ == State::Lingering) {
    linger_due_ms_ = std::min(linger_due_ms_, site_.loop.now_ms() + kLingerPauseMs);
    return schedule();
  }
  if (state_ == State::WebSocket) {
    websocket_->close(ws_code::kGoingAway, {});
    if (broken_) return on_gone();
    after_write();
  }
}

// The client's side has ended. Between messages that is a half-close: what was asked is answered (RFC 9112 9.5 allows both).
void Connection::on_eof() {
  if (state_ == State::Lingering) return close_now();
  if (state_ == State::WebSocket) {
    websocket_->on_eof();
    return close_now();
  }
  if (state_ == State::Tunnel) return tunnel().client_ended();
  if (websocket_) {  // nobody waits for the handshake's answer any more
    if (exchanges_.size() <= 1) return close_now();
    drop_last();
    websocket_.reset();
  }
  if (state_ == State::Closing) {
    state_ = State::HalfClosed;
    if (exchanges_.empty() && out_.empty()) close_now();
    return;
  }
  state_ = State::HalfClosed;
  abandon_incomplete();
  if (state_ == State::Closed) return;
  if (exchanges_.empty() && out_.empty()) return close_now();
  half_close_due_ms_ = site_.loop.now_ms() + kHalfCloseMs;
  for (auto& exchange : exchanges_) {
    if (exchange->link != nullptr) exchange->link->send_half_closed(*exchange);
    // For whoever gets it, now or when it is taken back and sent again.
    if (exchange->request.finished()) exchange->request.set_flags(exchange->request.head.flags | wire::kHalfClosed);
  }
}

void Connection::drop_last() {
  site_.dispatcher.cancel(*exchanges_.back(), wire::CancelReason::ClientGone);
  site_.recycle(std::move(exchanges_.back()));
  exchanges_.pop_back();
}

// The request that was still arriving never will: no answer may look as if it had been read whole (RFC 9112 8). A worker that
// reads it is told that the client is gone.
void Connection::abandon_incomplete() {
  H1Exchange* exchange = reading_;
  reading_ = nullptr;
  if (exchange == nullptr) return;
  if (!exchange->ended) return drop_last();
  // Answered already, and nothing can follow.
  exchange->received = true;
  exchange->plan.keep_alive = false;
  finish_front();
}

// Answered, but the rest of its body does not come: the connection ends, and nothing behind is taken for a request.
void Connection::give_up_unread() {
  unread_due_ms_ = 0;
  if (exchanges_.empty() || reading_ != exchanges_.front().get()) return;
  reading_->received = true;
  reading_->plan.keep_alive = false;
  reading_ = nullptr;
  stop_reading_requests();
  finish_front();
}

// ---------------------------------------------------------------------------------------------------- time

void Connection::schedule() {
  if (state_ == State::Closed) return;
  const auto now = site_.loop.now_ms();
  if (state_ == State::Open) {
    const bool nothing = exchanges_.empty() || (exchanges_.size() == 1 && reading_ != nullptr && parser_.idle());
    const bool in_head = parser_.in_head() || (proxy_due_ && proxy_begun_);
    if (!in_head) head_due_ms_ = 0;
    if (in_head && head_due_ms_ == 0) head_due_ms_ = now + site_.timing.header_ms;
    if (!nothing || in_head) {
      idle_due_ms_ = 0;
    } else if (idle_due_ms_ == 0) {
      idle_due_ms_ = now + site_.timing.keepalive_ms;
    }
  }
  websocket_due_ms_ = state_ == State::WebSocket ? websocket_->due_ms() : 0;
  if (out_.empty() || state_ == State::Lingering) {
    send_due_ms_ = 0;
  } else if (send_due_ms_ == 0 || out_.sent() != sent_mark_) {
    send_due_ms_ = site_.timing.send_ms == 0 ? 0 : now + site_.timing.send_ms;
    sent_mark_ = out_.sent();
  }
  const bool rated = watches_rate();
  if (rated && reading_->rate.due_ms() == 0) reading_->rate.watch(now, parser_.body_received());
  const auto first = earliest({head_due_ms_, idle_due_ms_, rated ? reading_->rate.due_ms() : 0, send_due_ms_,
                               linger_due_ms_, half_close_due_ms_, websocket_due_ms_, unread_due_ms_});
  if (first == 0) {
    disarm();
  } else {
    set(site_.wheel, first);
  }
}

bool Connection::too_slow() {
  const bool waits_for_us = !wants_input() || continue_due_;
  return reading_->rate.too_slow(site_.loop.now_ms(), parser_.body_received(), site_.timing.body_min_rate,
                                 waits_for_us);
}

void Connection::on_deadline() {
  const auto now = site_.loop.now_ms();
  const auto due = [now](std::uint64_t time) { return time != 0 && time <= now; };
  if (due(linger_due_ms_) || due(idle_due_ms_)) return close_now();
  if (due(send_due_ms_)) {
    stream_->end_write(net::Stream::Ending::Reset);
    return close_now();
  }
  if (due(head_due_ms_)) {
    head_due_ms_ = 0;
    return refuse({408, "The request head did not arrive in time"});
  }
  if (watches_rate() && due(reading_->rate.due_ms()) && too_slow()) {
    reading_->rate.stop();
    if (!hand_over_stalled()) return refuse({408, kBodyTooSlow});
    if (state_ == State::Closed) return;
  }
  if (due(websocket_due_ms_)) {
    websocket_due_ms_ = 0;
    websocket_->on_tick();
    if (state_ == State::Closed) return;
    if (broken_) return on_gone();
    if (state_ == State::Closing) return after_write();  // it gave the client up, who may never say a word again
  }
  if (due(unread_due_ms_)) return give_up_unread();
  if (due(half_close_due_ms_)) {
    half_close_due_ms_ = 0;
    // Nobody may be there any more: what has not been started by now is not started for nobody.
    while (!exchanges_.empty() &&
           (exchanges_.back()->stage == Stage::Queued || exchanges_.back()->stage == Stage::Collecting) &&
           !exchanges_.back()->ended) {
      drop_last();
    }
    if (exchanges_.empty() && out_.empty()) return close_now();
  }
  schedule();
}

}  // namespace prefork::http

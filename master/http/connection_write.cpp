// The writing half of a Connection: replies go out in the order of their requests, framed and counted.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "master/http/connection.hpp"
#include "shm/fault.hpp"

namespace prefork::http {
namespace {

constexpr std::uint64_t kUnreadMs = 1'000;

// A small body is copied behind its head: one piece is cheaper for the kernel than two.
constexpr std::size_t kMerged = 4096;

void append(std::vector<char>& to, std::string_view text) { to.insert(to.end(), text.begin(), text.end()); }
iovec piece_of(std::string_view text) { return {const_cast<char*>(text.data()), text.size()}; }
iovec piece_of(std::span<const std::byte> bytes) { return {const_cast<std::byte*>(bytes.data()), bytes.size()}; }

}  // namespace

net::Spool::Limits Connection::spool_limits() const {
  return {site_.buffers.reply_memory, site_.sync_workers() ? site_.buffers.reply_spool : 0};
}

// To the socket when it is this reply's turn, else into its own buffer.
void Connection::put(H1Exchange& exchange, std::span<const iovec> pieces, Lifetime lifetime) {
  if (state_ == State::Closed) return;
  if (!is_front(exchange)) {
    for (const auto& piece : pieces) {
      const auto* bytes = static_cast<const char*>(piece.iov_base);
      exchange.early.insert(exchange.early.end(), bytes, bytes + piece.iov_len);
    }
    return;
  }
  // Several requests of this connection are under way: their replies go out in one write at the end of the turn.
  if (exchanges_.size() > 1 && !corked_) {
    corked_ = true;
    out_.cork();
    site_.cork(*this);
  }
  // Pieces of a reply that come in one batch go out in one write; its last piece takes them along.
  const bool gathered = site_.gather.owner() == this;
  if (!corked_ && lifetime == Lifetime::InRing && (more_follows_ || gathered)) {
    if (!gathered || !site_.gather.has_room(pieces.size())) site_.flush_gathered();
    site_.gather.add(*this, pieces);
    if (!more_follows_) site_.flush_gathered();
    return;
  }
  flush_gathered();
  if (!out_.write(*stream_, pieces, spool_limits())) broken_ = true;
}

// Mostly one or two of the pieces have bytes.
void Connection::put_from_ring(H1Exchange& exchange, std::initializer_list<iovec> pieces) {
  std::array<iovec, 4> used{};
  std::size_t count = 0;
  for (const iovec& piece : pieces) {
    if (piece.iov_len != 0) used[count++] = piece;
  }
  if (count != 0) put(exchange, std::span(used).first(count), Lifetime::InRing);
}

void Connection::write_gathered(std::span<const iovec> pieces) {
  if (state_ == State::Closed) return;
  if (!out_.write(*stream_, pieces, spool_limits())) broken_ = true;
  if (replying_) return;  // on_reply() looks at broken_ when it is done with its exchange
  if (broken_) return on_gone();
  update_interest();
  schedule();
}

bool Connection::on_reply(Exchange& base, const ReplyEvent& event) {
  H1Exchange& exchange = as_h1(base);
  PREFORK_FAULT_POINT("master.drain");
  if (exchange.ended) return true;
  bool fine = true;
  bool answered = false;  // by ourselves: the exchange may be another request's already
  if (state_ == State::WebSocket) return on_websocket_reply(exchange, event);
  if (event.kind == wire::Kind::Socket) return offer_tunnel(exchange, event);
  if (exchange.tunnel && is_spoken_for(exchange, event)) return true;
  replying_ = true;
  more_follows_ = !event.end && event.kind != wire::Kind::Interim;
  switch (event.kind) {
    case wire::Kind::Head: {
      const Head head = write_head(exchange, event);
      fine = head != Head::Senseless;
      answered = head == Head::Replaced;
      break;
    }
    case wire::Kind::Interim: fine = write_interim(exchange, event); break;
    case wire::Kind::Body: fine = write_body(exchange, event.bytes, event.end && !event.aborted); break;
    case wire::Kind::Trailers: fine = write_trailer_section(exchange, event); break;
    case wire::Kind::File:
      answered = !event.fd && exchange.head_written;
      if (answered) {
        give_up_file(exchange, event);
      } else {
        fine = write_file(exchange, event);
      }
      break;
    default: fine = false;
  }
  more_follows_ = false;
  if (!fine) {
    replying_ = false;
    write_error(exchange, 502, "The worker sent a reply that makes no sense");
    return false;
  }
  if (event.end && !answered && !exchange.ended) end_reply(exchange, event.aborted);
  replying_ = false;
  if (broken_) on_gone();
  if (state_ != State::Closed) after_write();
  return true;
}

ReplyFacts Connection::reply_facts(const H1Exchange& exchange) {
  ReplyFacts facts;
  facts.head_request = exchange.request.head.method == static_cast<std::uint8_t>(wire::Method::HEAD);
  facts.http_version = exchange.request.head.http_version;
  facts.trailers_accepted = (exchange.request.head.flags & wire::kTrailersAccepted) != 0;
  facts.date = site_.date_text();
  facts.server = site_.server;
  facts.extra = site_.extra_lines;
  // A body that still arrives is read to its end only when that is little; a client that waits for 100 Continue sends none.
  const bool length_known = exchange.request.head.content_length != wire::kUnknownLength;
  const bool much =
      length_known && !exchange.received &&
      exchange.request.head.content_length - std::min(exchange.request.head.content_length, parser_.body_received()) >
          kUnreadBody;
  // A connection that ends does so with the last of its replies: those before it must not say that nothing follows.
  const bool ends = state_ != State::Open || site_.draining || site_.timing.keepalive_ms == 0;
  const bool last = exchanges_.back().get() == &exchange && !leftover_;
  facts.keep_alive =
      exchange.keep_alive && !(ends && last) && !much && !(exchange.expects_continue && !exchange.received);
  return facts;
}

Connection::Head Connection::write_head(H1Exchange& exchange, const ReplyEvent& event) {
  if (exchange.head_written) return Head::Senseless;
  if (exchange.stalled && event.head.head().status >= 500) {  // it wanted the body
    if (!event.end) site_.dispatcher.cancel(exchange, wire::CancelReason::ClientGone);
    if (site_.observer != nullptr) site_.observer->on_error(&exchange, &peer_, 408, kBodyTooSlow);
    write_error(exchange, 408, kBodyTooSlow);
    return Head::Replaced;
  }
  if (websocket_ && exchange.handshake() && event.head.head().status == 101) return accept_websocket(exchange, event);
  ReplyFacts facts = reply_facts(exchange);
  const auto body = event.head.body();
  if (event.end && !event.aborted) facts.complete_length = body.size();
  std::string lines;
  if (exchange.handshake()) websocket_.reset();  // refused, with an ordinary reply
  observe_head(exchange, event, facts, lines);
  site_.flush_gathered();  // it may still have the last head
  auto& head = site_.head_buffer;
  head.clear();
  if (const Refusal refusal = write_reply_head(event.head, facts, exchange.plan, head))
    return refuse_head(exchange, event, refusal);
  exchange.head_written = true;
  exchange.status = exchange.plan.status;
  exchange.framer = BodyFramer(exchange.plan);
  const auto framed = exchange.framer.put(body.size(), event.end && !event.aborted && !exchange.plan.trailers);
  exchange.body_bytes_sent += framed.take;
  exchange.reply_unacknowledged += body.size();
  const auto taken = body.first(framed.take);
  if (taken.size() <= kMerged) {
    append(head, framed.prefix());
    append(head, wire::as_text(taken));
    append(head, framed.suffix);
    put_from_ring(exchange, {iovec{head.data(), head.size()}});
  } else {
    put_from_ring(exchange, {iovec{head.data(), head.size()}, piece_of(framed.prefix()), piece_of(taken),
                             piece_of(framed.suffix)});
  }
  if (!event.end) give_credit();  // the body behind a head may be all that a small window allows
  return Head::Written;
}

// What an observer adds to a reply's head goes into `lines`, which must live until it is written.
void Connection::observe_head(H1Exchange& exchange, const ReplyEvent& event, ReplyFacts& facts, std::string& lines) {
  if (site_.observer == nullptr) return;
  site_.observer->on_reply_head(exchange, event.head);
  if (!site_.observer->wants_reply_fields()) return;
  lines = site_.extra_lines;
  site_.observer->reply_fields(exchange, lines);
  facts.extra = lines;
}

Connection::Head Connection::refuse_head(H1Exchange& exchange, const ReplyEvent& event, const Refusal& refusal) {
  if (site_.observer != nullptr)
    site_.observer->on_error(&exchange, &peer_, 500,
                             std::string("the application's reply is not valid HTTP: ") + refusal.reason);
  if (!event.end) site_.dispatcher.cancel(exchange, wire::CancelReason::ClientGone);
  write_error(exchange, 500, "The application's reply is not valid HTTP");
  return Head::Replaced;
}

bool Connection::write_interim(H1Exchange& exchange, const ReplyEvent& event) {
  if (exchange.head_written || exchange.request.head.http_version == 10) return !exchange.head_written;
  std::vector<char> bytes;
  if (write_interim_reply(event.head, bytes)) return true;  // a hint that is not valid is not worth a reply
  const iovec piece{bytes.data(), bytes.size()};
  put(exchange, {&piece, 1});
  return true;
}

bool Connection::write_body(H1Exchange& exchange, std::span<const std::byte> bytes, bool last) {
  if (!exchange.head_written) return bytes.empty();  // an end without a head: no reply was made
  exchange.reply_unacknowledged += bytes.size();
  const auto framed = exchange.framer.put(bytes.size(), last && !exchange.trailers_written);
  exchange.body_bytes_sent += framed.take;
  put_from_ring(exchange, {piece_of(framed.prefix()), piece_of(bytes.first(framed.take)), piece_of(framed.suffix)});
  give_credit();
  return true;
}

bool Connection::write_trailer_section(H1Exchange& exchange, const ReplyEvent& event) {
  if (!exchange.head_written || exchange.trailers_written) return false;
  if (!exchange.plan.trailers || exchange.framer.framing() != Framing::Chunked) return true;
  std::vector<char> bytes;
  if (write_trailers(event.head, bytes)) return true;  // the ordinary last chunk follows instead
  exchange.trailers_written = true;
  const iovec piece{bytes.data(), bytes.size()};
  put(exchange, {&piece, 1});
  return true;
}

bool Connection::write_file(H1Exchange& exchange, const ReplyEvent& event) {
  if (!exchange.head_written) return false;
  shm::UniqueFd fd = std::move(event.fd);
  const auto framed = exchange.framer.put(event.file.length, event.end);
  exchange.body_bytes_sent += framed.take;
  more_follows_ = false;
  const auto prefix = piece_of(framed.prefix());
  if (prefix.iov_len != 0) put(exchange, {&prefix, 1});
  if (is_front(exchange)) {
    put_file(std::move(fd), event.file.offset, framed.take);
  } else {
    exchange.early_files.push_back({exchange.early.size(), std::move(fd), event.file.offset, framed.take});
  }
  const auto suffix = piece_of(framed.suffix);
  if (suffix.iov_len != 0) put(exchange, {&suffix, 1});
  return true;
}

// Clients hold every descriptor that this process may have: the file is lost, and the reply breaks off.
void Connection::give_up_file(H1Exchange& exchange, const ReplyEvent& event) {
  constexpr const char* kWhy = "no descriptor is free for the file of its reply (see ulimit -n)";
  if (!event.end) site_.dispatcher.cancel(exchange, wire::CancelReason::ClientGone);
  if (site_.observer != nullptr) site_.observer->on_error(&exchange, &peer_, 0, kWhy);
  write_error(exchange, 500, kWhy);
}

void Connection::put_file(shm::UniqueFd fd, std::uint64_t offset, std::uint64_t length) {
  flush_gathered();
  if (state_ == State::Closed) return;
  if (!out_.write_file(*stream_, std::move(fd), offset, length)) broken_ = true;
}

// A reply whose turn has come: what was ready before.
void Connection::put_early(H1Exchange& exchange) {
  const auto put_bytes = [&](std::size_t from, std::size_t to) {
    const iovec piece{exchange.early.data() + from, to - from};
    if (piece.iov_len != 0) put(exchange, {&piece, 1});
  };
  std::size_t written = 0;
  for (auto& file : exchange.early_files) {
    put_bytes(written, file.at);
    written = file.at;
    put_file(std::move(file.fd), file.offset, file.length);
  }
  put_bytes(written, exchange.early.size());
  exchange.early.clear();
  exchange.early_files.clear();
}

void Connection::end_reply(H1Exchange& exchange, bool aborted) {
  if (!exchange.head_written) return write_error(exchange, aborted ? 500 : 502, "The application gave no reply");
  exchange.ended = true;
  exchange.cut = aborted || exchange.framer.is_short();
  if (site_.observer != nullptr) {
    if (exchange.framer.is_short() && !aborted)
      site_.observer->on_error(&exchange, &peer_, 0, "the reply is shorter than its Content-Length");
    if (exchange.framer.cut())
      site_.observer->on_error(&exchange, &peer_, 0, "the reply is longer than its Content-Length: cut");
  }
  if (is_front(exchange)) finish_front();
}

void Connection::on_failure(Exchange& base, std::uint16_t status, const char* why) {
  H1Exchange& exchange = as_h1(base);
  if (exchange.ended) return;
  const bool paged = status == 500 && site_.failure_page != nullptr;  // the log has the traceback already
  if (site_.observer != nullptr && !paged) site_.observer->on_error(&exchange, &peer_, status, why);
  if (state_ == State::WebSocket) {
    // 503: its worker was replaced in good order.
    websocket_->close(status == 503 ? ws_code::kRestart : ws_code::kInternalError, {});
    return after_write();
  }
  if (state_ == State::Tunnel) return on_tunnel_end(exchange);
  if (paged && !exchange.head_written) {
    exchange.stage = Stage::Done;
    write_whole(exchange, status, "text/html; charset=utf-8", site_.failure_page(exchange),
                "Cache-Control: no-store\r\n");
  } else {
    write_error(exchange, status, why);
  }
  if (broken_) on_gone();
  if (state_ != State::Closed) after_write();
}

// An answer of our own; a reply that has begun can only be broken off.
void Connection::write_error(H1Exchange& exchange, std::uint16_t status, const char* why) {
  exchange.stage = Stage::Done;
  if (exchange.head_written) {
    exchange.ended = exchange.cut = true;
    if (is_front(exchange)) finish_front();
    return;
  }
  const ReplyFacts facts = reply_facts(exchange);
  ErrorReply error;
  error.status = status;
  error.message = why;
  error.head_request = facts.head_request;
  error.http_version = facts.http_version;
  error.keep_alive = facts.keep_alive && exchange.request.finished();
  error.date = facts.date;
  error.server = facts.server;
  std::string extra = site_.extra_lines;
  if (status == 503) extra += "Retry-After: 1\r\n";
  if (status == 426) extra += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
  error.extra = extra;
  std::vector<char> bytes;
  write_error_reply(error, bytes);
  finish_own(exchange, status, error.keep_alive, bytes);
}

void Connection::write_whole(H1Exchange& exchange, std::uint16_t status, std::string_view content_type,
                             std::string_view body, std::string_view extra) {
  ReplyFacts facts = reply_facts(exchange);
  facts.complete_length = body.size();
  std::string lines = site_.extra_lines;
  lines += extra;
  facts.extra = lines;
  std::vector<std::byte> memory(wire::reply_head_space(1, content_type.size() + 16));
  wire::ReplyWriter writer(memory, status, 1, 0);
  writer.field("Content-Type", content_type, wire::Name::ContentType);
  wire::ReplyView view(std::span<const std::byte>(memory).first(writer.finish()));
  std::vector<char> bytes;
  if (view.validate() != nullptr || write_reply_head(view, facts, exchange.plan, bytes))
    return write_error(exchange, 500, "internal");
  if (!facts.head_request) {
    bytes.insert(bytes.end(), body.begin(), body.end());
    exchange.body_bytes_sent = body.size();
  }
  finish_own(exchange, status, exchange.plan.keep_alive, bytes);
}

void Connection::finish_own(H1Exchange& exchange, std::uint16_t status, bool keep_alive, std::span<const char> bytes) {
  exchange.head_written = exchange.ended = true;
  exchange.status = status;
  exchange.plan.keep_alive = keep_alive;
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  put(exchange, {&piece, 1});
  if (is_front(exchange)) finish_front();
}

// Takes off what is answered, lets the next reply out, and ends the connection when the reply said so.
void Connection::finish_front() {
  while (!exchanges_.empty() && exchanges_.front()->ended && state_ != State::Closed) {
    H1Exchange& front = *exchanges_.front();
    const bool last = front.cut || !front.plan.keep_alive;
    if (!last && !front.received) {  // the rest of its request is read first
      if (unread_due_ms_ == 0) unread_due_ms_ = site_.loop.now_ms() + kUnreadMs;
      return schedule();
    }
    unread_due_ms_ = 0;
    if (site_.observer != nullptr && front.submitted) site_.observer->on_done(front, peer_);
    flush_gathered();
    if (state_ == State::Closed) return;
    if (front.cut) return break_off();
    if (&front == reading_) reading_ = nullptr;
    if (front.handshake()) websocket_.reset();  // refused, whoever did it: the connection goes on
    site_.recycle(std::move(exchanges_.front()));
    exchanges_.erase(exchanges_.begin());
    if (last) {
      cancel_all();
      if (state_ == State::Open) state_ = State::Closing;
      return after_write();
    }
    if (exchanges_.empty()) break;
    H1Exchange& next = *exchanges_.front();
    if (!next.early.empty()) {  // its head at least, when anything is ready
      put_early(next);
      give_credit();  // nobody else does where the socket takes it all
    }
    if (continue_due_) send_continue();
  }
  if (state_ == State::Closed) return;
  submit_ready();
  parse_leftover();
}

// What was written still reaches the client, and the replies before it whole. With a length or with chunks it can tell that this one
// is not complete. A client of HTTP/1.0 cannot; a reset would say it, but takes with it what the client has not read yet.
void Connection::break_off() {
  cancel_all();
  if (state_ == State::Open) state_ = State::Closing;
  after_write();
}

void Connection::after_write() {
  if (state_ != State::Open || site_.draining) flush_gathered();
  if (broken_) return on_gone();
  if (exchanges_.empty() && out_.empty()) {
    if (state_ == State::Closing) return linger_or_close();
    if (state_ == State::HalfClosed) return close_now();
    if (site_.draining && state_ == State::Open) return linger_or_close();
  }
  update_interest();
  schedule();
}

// Half a window at a time, and only while what the reader leaves is bounded.
void Connection::give_credit() {
  if (exchanges_.empty()) return;
  H1Exchange& front = *exchanges_.front();
  const auto window = site_.buffers.reply_memory;
  if (front.link == nullptr || front.reply_unacknowledged < window / 2) return;
  const bool room = site_.sync_workers() ? !out_.full() : out_.size() < window / 2;
  if (!room) return;
  site_.dispatcher.give_reply_credit(front, front.reply_unacknowledged);
  front.reply_unacknowledged = 0;
}

void Connection::on_body_wanted(Exchange& base) {
  H1Exchange& exchange = as_h1(base);
  if (&exchange == reading_ && exchange.expects_continue && !exchange.head_written) send_continue();
  if (state_ == State::WebSocket) websocket_->on_credit();
  if (broken_) return on_gone();
  update_interest();
}

}  // namespace prefork::http

// The reading half of a Connection: bytes become requests, and requests are submitted when their turn has come.
#include <algorithm>

#include "master/http/connection.hpp"
#include "shm/fault.hpp"

namespace prefork::http {

void Connection::consume(std::span<const char> in) {
  if (state_ == State::Lingering) return on_discarded();
  if (state_ == State::Closing) return;
  PREFORK_FAULT_POINT("master.parse");
  if (proxy_due_ && !read_proxy(in)) return;
  parse(in);
  if (!in.empty()) leftover_ = std::make_unique<Leftover>(Leftover{{in.begin(), in.end()}, 0});
}

// What the look-ahead has no room for stays in `in`.
void Connection::parse(std::span<const char>& in) {
  while ((state_ == State::Open || state_ == State::HalfClosed) && step(in)) {
  }
  if (last_request_ || (state_ != State::Open && state_ != State::HalfClosed)) in = {};
}

// The look-ahead has room again.
void Connection::parse_leftover() {
  if (!leftover_ || look_ahead_full()) return;
  auto leftover = std::move(leftover_);
  std::span<const char> rest = leftover->rest();
  parse(rest);
  if (!rest.empty()) {
    leftover->taken = leftover->bytes.size() - rest.size();
    leftover_ = std::move(leftover);
  }
  submit_streamed();
}

// What a load balancer writes in front of the first request. False: nothing of HTTP has come yet, or never will.
bool Connection::read_proxy(std::span<const char>& in) {
  using Status = ProxyProtocol::Status;
  const Status status = proxy_->feed(in);
  proxy_begun_ = true;
  if (status == Status::NeedMore) return false;
  proxy_due_ = false;
  switch (status) {
    case Status::Forbidden: refuse({403, "PROXY protocol from a peer that is not in proxy_allow_ips"}); return false;
    case Status::Malformed: refuse({400, proxy_->reason()}); return false;
    case Status::NotProxy: {
      std::span<const char> first = proxy_->replay();
      parse(first);
      break;
    }
    default: break;
  }
  if (status == Status::Done && proxy_->has_address()) {
    peer_.address = proxy_->client();
    peer_.port = proxy_->client_port();
    peer_.unix_socket = false;
  }
  return state_ == State::Open || state_ == State::HalfClosed;
}

// One event of the parser. False: nothing more to do with these bytes.
bool Connection::step(std::span<const char>& in) {
  if (reading_ == nullptr) {
    if (in.empty() || last_request_) return false;  // behind the last request nothing is read as one
    // What follows a handshake may be another protocol's.
    if (look_ahead_full() || (!exchanges_.empty() && exchanges_.back()->handshake())) return false;
    exchanges_.push_back(site_.make_exchange(*this));
    reading_ = exchanges_.back().get();
    parser_.begin(reading_->request);
  }
  switch (parser_.feed(in)) {
    case Feed::NeedMore: return false;
    case Feed::HeadDone: on_head_done(); return true;
    case Feed::BodyPiece: on_body(parser_.piece()); return true;
    case Feed::MessageDone: on_message_done(); return true;
    case Feed::BadRequest: refuse(parser_.refusal()); return false;
  }
  return false;
}

void Connection::complete_request_facts(H1Exchange& exchange) {
  wire::RequestBuilder& request = exchange.request;
  exchange.arrived_ns = site_.loop.now_ns();
  request.head.arrived_ns = exchange.arrived_ns;
  // On a unix socket the PROXY header knows the server's address too.
  const bool proxied = local_.unix_socket && !peer_.unix_socket;
  request.head.server = request.add_text(proxied ? proxy_->server() : std::string_view{local_.server_name});
  request.head.server_port = proxied ? proxy_->server_port() : local_.port;
  if (peer_.unix_socket) request.head.flags |= wire::kUnixPeer;
  request.head.client = request.add_text(peer_.address);
  request.head.client_port = peer_.port;
}

void Connection::on_head_done() {
  H1Exchange& exchange = *reading_;
  exchange.keep_alive = parser_.keep_alive();
  exchange.expects_continue = parser_.expects_continue() && parser_.body_expected();
  exchange.body_whole = !parser_.body_expected();
  complete_request_facts(exchange);
  if (site_.observer != nullptr) {
    if (const Refusal refusal = site_.observer->on_head(exchange, peer_)) return refuse(refusal);
  }
  if (parser_.upgrade() && (site_.may_speak_websocket() || site_.may_tunnel()) && !read_upgrade(exchange)) return;
  exchange.request.finish();
  if (site_.observer != nullptr && site_.observer->answers() && answer_here()) return;
  if (!parser_.body_expected()) return;  // MessageDone follows at once
  if (collects()) {
    if (exchange.expects_continue) send_continue();
    return;
  }
  if (exchange.expects_continue)
    submit_ready();  // or nothing will follow; else what is here goes along: submit_streamed()
}

// A request whose body the application takes as it comes starts when everything that the socket had of it is parsed: most bodies are
// whole then, and cross with their head.
void Connection::submit_streamed() {
  if (reading_ != nullptr && !reading_->submitted && reading_->request.finished() && !collects()) submit_ready();
}

// 100 Continue, when it is this request's turn to be answered (RFC 9110 10.1.1).
void Connection::send_continue() {
  if (reading_ == nullptr || !reading_->expects_continue) return;
  if (!is_front(*reading_)) {
    continue_due_ = true;
    return;
  }
  continue_due_ = false;
  reading_->expects_continue = false;
  const iovec piece{const_cast<char*>(kContinueReply.data()), kContinueReply.size()};
  put(*reading_, {&piece, 1});
}

void Connection::on_body(std::span<const char> piece) {
  H1Exchange& exchange = *reading_;
  exchange.expects_continue = false;
  if (exchange.ended || exchange.stage == Stage::Done) {  // answered without it: read on, up to a cap
    discarded_ += piece.size();
    if (discarded_ > kUnreadChunks && is_front(exchange)) give_up_unread();
    return;
  }
  if (exchange.stalled) return;  // too late
  auto& request = exchange.request;
  if (!exchange.submitted && !exchange.body && request.head.body.length + piece.size() <= site_.buffers.inline_body) {
    // Room for the whole body at once, unless a client only announces it: memory follows what has come.
    const std::uint64_t whole = request.head.content_length;
    if (request.head.body.length == 0 && whole <= site_.buffers.inline_body && whole / 4 <= piece.size())
      request.reserve_body(static_cast<std::size_t>(whole));
    request.append_body(std::as_bytes(piece));
    return;
  }
  PREFORK_FAULT_POINT("master.collect");
  if (!exchange.body) {
    net::Spool::Limits limits{.memory = site_.buffers.request_memory};
    if (collects()) {
      limits.file = ~std::uint64_t{0};
      limits.loan = site_.buffers.request_loan;
    }
    exchange.body = std::make_unique<net::Spool>(site_.loop, site_.request_spools, limits, [this, &exchange] {
      if (exchange.body->failed()) exchange.body_aborted = true;
      site_.dispatcher.body_arrived(exchange);
      if (!exchange.submitted && exchange.body->stuck())
        submit_ready();  // the write under way was the last there is room for
      update_interest();
    });
  }
  exchange.body->append(piece);
  if (exchange.submitted) {
    site_.dispatcher.body_arrived(exchange);
  } else if (exchange.body->stuck()) {
    submit_ready();  // it cannot be collected here: the worker takes it as it comes
  }
}

void Connection::on_message_done() {
  H1Exchange& exchange = *reading_;
  reading_ = nullptr;
  exchange.received = true;
  exchange.body_whole = true;
  last_request_ = !exchange.keep_alive;
  if (exchange.ended || exchange.stage == Stage::Done) {
    discarded_ = 0;
    return finish_front();
  }
  if (exchange.submitted) {
    site_.dispatcher.body_arrived(exchange);
    return;
  }
  submit_ready();
}

// A request that is answered here, without a worker.
bool Connection::answer_here() {
  H1Exchange& exchange = *reading_;
  const Observer::Answer answer = site_.observer->answer(exchange);
  if (answer.status == 0) return false;
  exchange.submitted = true;
  exchange.stage = Stage::Done;
  write_whole(exchange, answer.status, answer.content_type, answer.body, {});
  return true;
}

// Submits what may run now. Safe requests of one connection run beside each other; any other waits for those before it, and those
// behind it wait for it: the client may rely on the order.
void Connection::submit_ready() {
  bool only_safe_before = true;
  for (std::size_t i = 0; i < exchanges_.size(); ++i) {
    H1Exchange& exchange = *exchanges_[i];
    const bool last_arriving = &exchange == reading_;
    const bool streamed = last_arriving && exchange.request.finished() &&
                          (!collects() || (exchange.body && exchange.body->stuck()) || exchange.stalled);
    if (last_arriving && !streamed) return;
    if (!exchange.submitted && !exchange.ended) {
      // A handshake changes what the connection speaks: it waits for the replies before it, too.
      if (i != 0 && (!exchange.safe() || !only_safe_before || exchange.handshake())) return;
      exchange.submitted = true;
      std::uint8_t flags = exchange.request.head.flags;
      if (exchange.body_whole && (!exchange.body || exchange.body->empty())) flags |= wire::kBodyComplete;
      if (state_ == State::HalfClosed) flags |= wire::kHalfClosed;
      exchange.request.set_flags(flags);
      site_.dispatcher.submit(exchange);
      if (state_ == State::Closed || i >= exchanges_.size() || exchanges_[i].get() != &exchange)
        return;  // refused and gone
    }
    only_safe_before = only_safe_before && exchange.safe();
  }
}

// A body that was collected here and comes too slowly: the application gets the request all the same, with a body that breaks off.
// One that does not want the body answers; one that reads it gets an error at once, so the client holds no worker. False: nothing
// is being collected.
bool Connection::hand_over_stalled() {
  if (reading_ == nullptr || reading_->submitted || !site_.sync_workers() || !site_.buffers.collect) return false;
  H1Exchange& exchange = *reading_;
  exchange.stalled = exchange.body_aborted = true;
  exchange.keep_alive = exchange.expects_continue = false;
  continue_due_ = false;
  submit_ready();
  return true;
}

// A message that is no request, or one that is not wanted: one answer after those before it, then no byte more is read as a request.
void Connection::refuse(Refusal refusal) {
  if (reading_ == nullptr) {
    exchanges_.push_back(site_.make_exchange(*this));
    reading_ = exchanges_.back().get();
  }
  H1Exchange& exchange = *reading_;
  exchange.keep_alive = false;
  exchange.received = true;
  if (exchange.submitted) site_.dispatcher.cancel(exchange, wire::CancelReason::ClientGone);
  if (exchange.arrived_ns == 0) exchange.arrived_ns = site_.loop.now_ns();
  if (site_.observer != nullptr) site_.observer->on_error(&exchange, &peer_, refusal.status, refusal.reason);
  exchange.submitted = true;
  reading_ = nullptr;
  last_request_ = true;
  stop_reading_requests();
  head_due_ms_ = 0;
  if (exchange.ended) return finish_front();
  write_error(exchange, refusal.status, refusal.reason);
}

}  // namespace prefork::http

// What all connections of one loop share: the dispatcher, limits, times, texts, and whom to tell. Owned by the Server; a reload
// changes what it may change in place.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "master/dispatch/dispatcher.hpp"
#include "master/http/date.hpp"
#include "master/http/gather.hpp"
#include "master/http/limits.hpp"
#include "master/http/proxy_protocol.hpp"
#include "master/http/refusal.hpp"
#include "master/http/trust_list.hpp"
#include "master/net/deadline.hpp"
#include "master/net/listener.hpp"
#include "master/net/loop.hpp"
#include "master/net/spool.hpp"

namespace prefork::http {

class Connection;
struct H1Exchange;

struct Timing {
  std::uint64_t header_ms = 10'000;     // from a head's first byte to its last
  std::uint64_t keepalive_ms = 75'000;  // between messages
  std::uint64_t send_ms = 60'000;       // without progress of a write
  std::uint64_t body_min_rate = 500;    // bytes a second of an upload; 0 is off
};

struct Buffers {
  std::uint64_t request_memory = 256 * 1024;  // of a body, then a file or the end of the client's credit
  std::uint64_t request_loan = 0;  // on top for a collected body, while there is enough for all (net::SpoolBudget)
  std::uint64_t reply_memory = 1024 * 1024;  // of a reply that its reader does not take; also the worker's reply window
  std::uint64_t reply_spool = 64 * 1024 * 1024;  // then so much in a file, for sync applications
  std::size_t inline_body = 256 * 1024;          // travels with its head
  std::size_t pipeline = 16;                     // requests of one connection at once
  bool collect = true;                           // sync applications get a request when its body is complete
};

struct WebSocketPolicy {
  std::uint64_t max_message = 16 << 20;
  std::uint64_t ping_interval_ms = 20'000;
  std::uint64_t ping_timeout_ms = 20'000;
  bool deflate = true;
  std::size_t max_queue = 32;  // messages that the application has not received
};

// What a request meets before it is given to a worker, and who hears of its end. Null members cost nothing.
class Observer {
 public:
  virtual ~Observer() = default;
  // A connection begins: whether its peer is a proxy that may speak for others.
  virtual bool trusts(const net::Peer& peer) = 0;
  // The head is complete: may look at who the client is behind a proxy, give the request an id, or refuse it. Texts may be added.
  virtual Refusal on_head(Exchange& exchange, const net::Peer& peer) = 0;
  // An answer that needs no worker (health, metrics): its whole reply, or empty.
  struct Answer {
    std::uint16_t status = 0;  // 0: none
    std::string content_type;
    std::string body;
  };
  virtual bool answers() const = 0;
  virtual Answer answer(const Exchange& exchange) = 0;
  // Field lines to add to this reply ("Name: value\r\n").
  virtual void reply_fields(const Exchange& exchange, std::string& lines) = 0;
  virtual bool wants_reply_fields() const = 0;
  // The reply's head as the application gave it (for the access log's {x}o).
  virtual void on_reply_head(Exchange& exchange, const wire::ReplyView& head) = 0;
  virtual void on_done(const Exchange& exchange, const net::Peer& peer) = 0;
  // `status`: what is answered; 0 when the reply is out already.
  virtual void on_error(const Exchange* exchange, const net::Peer* peer, std::uint16_t status,
                        const std::string& what) = 0;
};

struct Site {
  Site(net::Loop& the_loop, net::DeadlineWheel& the_wheel, dispatch::Dispatcher& the_dispatcher);

  net::Loop& loop;
  net::DeadlineWheel& wheel;
  dispatch::Dispatcher& dispatcher;
  Limits limits;
  Timing timing;
  Buffers buffers;
  WebSocketPolicy websocket;
  net::SpoolBudget request_spools;
  net::SpoolBudget reply_spools;
  std::string server = "prefork";  // empty: no Server field
  bool date = true;
  // In development, while no code can run: the page that says why. Else empty.
  std::function<std::string(const Exchange&)> failure_page;
  std::string extra_lines;  // "Name: value\r\n" of --header
  bool draining = false;    // replies announce the end of their connection
  // A client may be there before the first worker has said what it is.
  bool may_speak_websocket() const { return !dispatcher.interface_known() || !sync_workers(); }
  bool may_tunnel() const { return dispatcher.interface_known() && dispatcher.interface() == wire::Interface::Wsgi; }
  bool sync_workers() const { return !dispatcher.interface_known() || dispatcher.interface() != wire::Interface::Asgi; }
  Observer* observer = nullptr;
  ProxyMode proxy_protocol = ProxyMode::Off;  // connections may start with a PROXY header
  TrustList proxy_allow_ips;                  // from these peers
  std::vector<char> head_buffer;              // where a reply's head is written before it goes out
  Gather gather;
  void flush_gathered();

  std::string_view date_text();  // of an HTTP Date field, made once a second; empty when there is to be none

  // The connections, in no order; owned here. close() ends one when the turn ends, so that no frame of its own is on the stack.
  Connection& adopt(std::unique_ptr<Connection> connection);
  void close(Connection& connection);
  void cork(Connection& connection);  // flushes it when the turn ends
  void finish_turn();
  std::size_t connections() const { return connections_.size(); }
  std::size_t websockets() const;  // of them
  void for_each(const std::function<void(Connection&)>& visit);

  std::unique_ptr<H1Exchange> make_exchange(ReplySink& sink);
  void recycle(std::unique_ptr<H1Exchange> exchange);
  ~Site();

 private:
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> corked_;
  std::vector<Connection*> closed_;
  std::vector<std::unique_ptr<H1Exchange>> spare_exchanges_;
  std::uint64_t date_turn_ms_ = 0;  // the wall clock is asked once a millisecond of the loop's
  std::int64_t unix_seconds_ = 0;
  DateText date_text_;
};

}  // namespace prefork::http

// One client: reads requests, submits them in the order that is right, writes their replies in order, keeps the deadlines.
// A newcomer starts here: on_readable() is where a request begins its way, on_reply() where its answer comes back.
// Owned by the Site, used on its loop's thread.
//
//   Open ---client's EOF---> HalfClosed --last reply--> closed
//     | \--no more requests--> Closing --all written--> Lingering --client's EOF or cap--> closed
//     \--accepted handshake--> WebSocket, or Tunnel where the application speaks it itself
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "master/http/exchange.hpp"
#include "master/http/h1_parser.hpp"
#include "master/http/h1_writer.hpp"
#include "master/http/out_queue.hpp"
#include "master/http/site.hpp"
#include "master/http/tunnel.hpp"
#include "master/http/upload_rate.hpp"
#include "master/http/websocket.hpp"
#include "master/net/listener.hpp"
#include "master/net/stream.hpp"

namespace prefork::http {

inline constexpr const char* kBodyTooSlow = "The request body arrives too slowly";
// An answered request whose body still arrives: so much is read to keep the connection; more, and the connection ends. Where the
// length is known the answer says so; chunks that do not end come after it.
inline constexpr std::uint64_t kUnreadBody = 256 * 1024;
inline constexpr std::uint64_t kUnreadChunks = 16 << 20;

// An Exchange with what HTTP/1 must know to write its reply.
struct H1Exchange : Exchange {
  using Exchange::Exchange;

  ReplyPlan plan;
  BodyFramer framer;
  bool keep_alive = true;  // as the client asked
  bool expects_continue = false;
  bool received = false;  // the request's last byte is here
  bool submitted = false;
  bool head_written = false;
  bool trailers_written = false;
  bool ended = false;    // nothing more will be written for it
  bool stalled = false;  // its body broke off for the application; the client may still be there
  bool cut = false;      // its reply is broken off: the connection ends here
  // What is ready before its turn: bytes, and the files behind the first `at` of them.
  struct EarlyFile {
    std::size_t at;
    shm::UniqueFd fd;
    std::uint64_t offset;
    std::uint64_t length;
  };
  std::vector<char> early;
  std::vector<EarlyFile> early_files;
  UploadRate rate;
  std::unique_ptr<Tunnel> tunnel;  // while its application may speak for itself

  bool handshake() const { return (request.head.flags & wire::kWebSocket) != 0; }
  void reset_h1();
};

// Bytes behind a full look-ahead. They are not moved while the requests among them are taken off one by one.
struct Leftover {
  std::vector<char> bytes;
  std::size_t taken = 0;
  std::span<char> rest() { return std::span(bytes).subspan(taken); }
};

class Connection : public net::StreamEvents, public ReplySink, private net::Deadline {
 public:
  Connection(Site& site, net::Peer peer, const net::BoundSocket& local);
  ~Connection() override;

  // The stream calls back into this object, so it is made after it.
  void start(std::unique_ptr<net::Stream> stream);

  const net::Peer& peer() const { return peer_; }
  bool idle() const { return exchanges_.empty() && out_.empty() && parser_.idle(); }
  // The server stops: an idle connection ends now, another one with its last reply.
  void drain();
  void flush();  // what was corked
  void close_now();

  // StreamEvents
  void on_readable() override;
  void on_writable() override;
  void on_reset() override;
  // ReplySink
  bool on_reply(Exchange& base, const ReplyEvent& event) override;
  void on_failure(Exchange& base, std::uint16_t status, const char* why) override;
  void on_body_wanted(Exchange& base) override;
  void on_worker_retired(Exchange& base) override;

 private:
  friend class Site;
  friend class WebSocket;
  friend class Tunnel;
  enum class State : std::uint8_t { Open, HalfClosed, Closing, Lingering, WebSocket, Tunnel, Closed };

  // reading (connection_read.cpp)
  void consume(std::span<const char> in);
  void parse(std::span<const char>& in);
  void parse_leftover();
  bool read_proxy(std::span<const char>& in);
  bool step(std::span<const char>& in);
  void on_head_done();
  void on_body(std::span<const char> piece);
  void on_message_done();
  void refuse(Refusal refusal);
  bool answer_here();
  void complete_request_facts(H1Exchange& exchange);
  void on_eof();
  void abandon_incomplete();
  void drop_last();
  void give_up_unread();
  bool hand_over_stalled();
  void submit_ready();
  void submit_streamed();
  // Bodies are whole before an application sees them.
  bool collects() const { return site_.sync_workers() && site_.buffers.collect; }
  void send_continue();
  bool wants_input() const;
  bool look_ahead_full() const { return exchanges_.size() >= site_.buffers.pipeline; }

  // writing (connection_write.cpp)
  // Replaced: by an answer of our own, the reply is over.
  enum class Head : std::uint8_t { Senseless, Written, Replaced };
  Head write_head(H1Exchange& exchange, const ReplyEvent& event);
  bool write_body(H1Exchange& exchange, std::span<const std::byte> bytes, bool last);
  bool write_interim(H1Exchange& exchange, const ReplyEvent& event);
  bool write_trailer_section(H1Exchange& exchange, const ReplyEvent& event);
  bool write_file(H1Exchange& exchange, const ReplyEvent& event);
  void give_up_file(H1Exchange& exchange, const ReplyEvent& event);
  void put_file(shm::UniqueFd fd, std::uint64_t offset, std::uint64_t length);
  void put_early(H1Exchange& exchange);
  void write_whole(H1Exchange& exchange, std::uint16_t status, std::string_view content_type, std::string_view body,
                   std::string_view extra);
  void finish_own(H1Exchange& exchange, std::uint16_t status, bool keep_alive, std::span<const char> bytes);
  ReplyFacts reply_facts(const H1Exchange& exchange);
  void observe_head(H1Exchange& exchange, const ReplyEvent& event, ReplyFacts& facts, std::string& lines);
  Head refuse_head(H1Exchange& exchange, const ReplyEvent& event, const Refusal& refusal);
  void end_reply(H1Exchange& exchange, bool aborted);
  void write_error(H1Exchange& exchange, std::uint16_t status, const char* why);
  // InRing: the bytes outlive the call, until the batch ends. Otherwise they are gone with it.
  enum class Lifetime { Call, InRing };
  void put(H1Exchange& exchange, std::span<const iovec> pieces, Lifetime lifetime = Lifetime::Call);
  void put_from_ring(H1Exchange& exchange, std::initializer_list<iovec> pieces);
  void write_gathered(std::span<const iovec> pieces);
  void flush_gathered() {
    if (site_.gather.owner() == this) site_.flush_gathered();
  }
  void finish_front();
  void break_off();
  void after_write();
  void give_credit();
  net::Spool::Limits spool_limits() const;
  bool is_front(const Exchange& exchange) const { return !exchanges_.empty() && exchanges_.front().get() == &exchange; }
  H1Exchange& as_h1(Exchange& exchange) { return static_cast<H1Exchange&>(exchange); }

  // when it no longer speaks HTTP (connection_upgraded.cpp)
  bool read_upgrade(H1Exchange& exchange);
  Head accept_websocket(H1Exchange& exchange, const ReplyEvent& event);
  bool on_websocket_reply(H1Exchange& exchange, const ReplyEvent& event);
  void put_raw(std::span<const char> bytes);
  bool offer_tunnel(H1Exchange& exchange, const ReplyEvent& event);
  bool is_spoken_for(H1Exchange& exchange, const ReplyEvent& event);
  bool relay(H1Exchange& exchange, std::span<const char> bytes);
  bool enter_tunnel(H1Exchange& exchange, std::span<const char> first);
  void on_tunnel_turn();
  void on_tunnel_end(H1Exchange& exchange);
  Tunnel& tunnel() { return *exchanges_.front()->tunnel; }
  void conversation_over();

  // the end, and time
  void stop_reading_requests();
  void linger_or_close();
  void on_discarded();
  void on_gone();
  void cancel_all();
  void update_interest();
  void schedule();
  bool watches_rate() const {
    return reading_ != nullptr && parser_.in_body() && site_.timing.body_min_rate != 0 && state_ == State::Open;
  }
  bool too_slow();
  void on_deadline() override;

  Site& site_;
  std::size_t site_index_ = 0;  // where the Site has it
  net::Peer peer_;
  const net::BoundSocket& local_;
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<ProxyProtocol> proxy_;  // only where --proxy-protocol allows it
  H1Parser parser_;
  State state_ = State::Open;
  bool proxy_due_ = false;    // the first bytes may be a PROXY header
  bool proxy_begun_ = false;  // some of it is here
  bool corked_ = false;
  bool continue_due_ = false;
  bool last_request_ = false;  // the client said that it sends no more
  bool drained_ = false;       // a WebSocket that is still to come ends at once
  bool replying_ = false;      // in on_reply(): its exchange must not go away under it
  bool more_follows_ = false;  // the record at hand is not its reply's last
  bool broken_ = false;        // the stream failed

  std::vector<std::unique_ptr<H1Exchange>> exchanges_;  // oldest first; the last may still be arriving
  H1Exchange* reading_ = nullptr;                       // the one that is arriving
  std::unique_ptr<Leftover> leftover_;                  // only while the look-ahead is full
  OutQueue out_;
  std::unique_ptr<WebSocket> websocket_;  // from a valid handshake on

  // Times, in milliseconds of the loop's clock; 0 is off.
  std::uint64_t head_due_ms_ = 0;
  std::uint64_t idle_due_ms_ = 0;
  std::uint64_t send_due_ms_ = 0;
  std::uint64_t sent_mark_ = 0;
  std::uint64_t linger_due_ms_ = 0;
  std::uint64_t half_close_due_ms_ = 0;
  std::uint64_t websocket_due_ms_ = 0;
  std::uint64_t unread_due_ms_ = 0;  // for the rest of a body whose request is answered already
  std::uint64_t discarded_ = 0;      // of that body
};

}  // namespace prefork::http

// One WebSocket as the server sees it, from the end of the opening handshake to the close: frames in, whole messages out,
// and the other way round. No socket, no event loop, no clock.
// Owned by a Connection and used on its loop thread only. The options and the output buffer must outlive it.
//
//   Open --close()----------------> Closing --the client's close frame, or close_timeout--> Closed
//   Open --the client's close frame (answered), a broken rule, a lost connection--------> Closed
//
// The owner
//   feeds what the socket gave and handles each event; sends what has been appended to the output (pongs and close frames
//   are appended while feeding, too); calls on_tick() when deadline() has come, which close() can bring nearer;
//   after Closed or Failed sends the rest of the output and ends the connection gently (a reset could cost the client the
//   close frame); calls connection_lost() when the connection ends by itself.
// Invariant: the events do not depend on how the bytes are cut into buffers.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "master/http/utf8.hpp"
#include "master/http/ws_deflate.hpp"
#include "master/http/ws_deflate_terms.hpp"
#include "master/http/ws_frame.hpp"

namespace prefork::http {

using WsTime = std::chrono::steady_clock::time_point;

// Shared by all sessions of a server. A duration of zero switches its part off.
struct WsOptions {
  std::uint64_t max_message = 16 << 20;             // bytes, after decompression
  std::chrono::milliseconds ping_interval{20'000};  // of silence, after which a ping is sent and idle memory released
  std::chrono::milliseconds ping_timeout{20'000};   // for any byte to come after it
  std::chrono::milliseconds close_timeout{10'000};  // for the client's close frame after ours
  std::size_t max_pong_backlog = 64 * 1024;         // with more unsent output only the latest ping is remembered
  std::size_t compress_threshold = 512;             // shorter messages are sent as they are
};

struct WsEvent {
  enum class Kind : std::uint8_t {
    None,     // the input is used up
    Message,  // text() or not, bytes
    Closed,  // code and reason are the client's, or 1005 without one, or 1006 when no close frame came; clean: both sides closed
    Failed,  // a rule was broken; code and reason were sent to the client, if nothing was sent before
  };
  Kind kind = Kind::None;
  bool is_text = false;
  bool clean = false;
  std::uint16_t code = 0;
  std::span<const char> bytes;  // valid until the next feed, close, tick or release, and as long as the input
  std::string_view reason;      // likewise

  explicit operator bool() const { return kind != Kind::None; }
};

class WsSession {
 public:
  enum class State : std::uint8_t { Open, Closing, Closed };

  // deflate: what the handshake agreed upon. Output is appended to `out`; the owner removes what it has sent.
  WsSession(const WsOptions& options, const std::optional<WsDeflateTerms>& deflate, std::vector<char>& out, WsTime now);

  // Takes bytes from the front of input up to the next event; None only when the input is used up. The bytes are unmasked
  // in place. After the end everything is swallowed.
  [[nodiscard]] WsEvent feed(std::span<char>& input, WsTime now);

  // False, and nothing is sent, unless the session is Open. Text must be UTF-8: it is not checked again.
  bool send_text(std::span<const char> text) { return send(WsOpcode::Text, text); }
  bool send_binary(std::span<const char> bytes) { return send(WsOpcode::Binary, bytes); }
  bool send_ping(std::span<const char> payload = {});

  // Begins the closing handshake, once. Code 1005 sends none; a code that may not be sent becomes 1011.
  void close(std::uint16_t code, std::string_view reason, WsTime now);

  // The connection ended, or only the client's direction of it.
  [[nodiscard]] WsEvent connection_lost();

  // Pings, gives up waiting, releases memory, as the time demands. At most one event, Closed or Failed.
  [[nodiscard]] WsEvent on_tick(WsTime now);

  // When on_tick() has something to do; WsTime::max() for never. Only close() can bring it nearer.
  [[nodiscard]] WsTime deadline() const;

  [[nodiscard]] State state() const { return state_; }

  // How much of the output the owner has taken away and not sent.
  void set_unsent(std::uint64_t bytes) { unsent_ = bytes; }

  // The owner has sent output: a ping that was put off for its length may be answered now.
  void on_output_sent() { answer_held_ping(); }

  // Gives back buffers and, where no context is taken over, the state of zlib. Harmless at any time.
  void release_idle_memory();

 private:
  [[nodiscard]] WsEvent on_head();
  [[nodiscard]] WsEvent on_payload();
  [[nodiscard]] WsEvent on_compressed(std::span<const char> piece, bool message_done);
  [[nodiscard]] WsEvent on_message(std::span<const char> bytes);
  [[nodiscard]] WsEvent on_control();
  [[nodiscard]] WsEvent on_close(std::span<const char> body);
  [[nodiscard]] WsEvent fail(std::uint16_t code, std::string_view reason);
  bool send(WsOpcode opcode, std::span<const char> message);
  void answer_ping(std::span<const char> payload);
  void answer_held_ping();
  bool is_backed_up() const { return unsent_ + out_.size() > options_.max_pong_backlog; }
  void forget_delivered();

  // Constant after construction.
  const WsOptions& options_;
  std::vector<char>& out_;

  State state_ = State::Open;
  WsFrameParser parser_;

  // The message that is being assembled.
  bool is_text_ = false;
  bool compressed_ = false;
  bool delivered_ = false;  // message_ was handed out and goes at the next call
  Utf8Validator utf8_;
  std::uint64_t compressed_bytes_ = 0;
  std::vector<char> message_;
  std::optional<WsInflater> inflater_;
  std::optional<WsDeflater> deflater_;

  // The control frame that is being assembled.
  std::uint8_t control_used_ = 0;
  std::array<char, kWsMaxControlPayload> control_;
  std::uint64_t unsent_ = 0;
  std::optional<std::string> held_ping_;  // payload of the latest ping that is not answered yet

  WsTime since_;                   // Open: the last byte from the client or our last ping; Closing: our close frame
  bool waiting_for_sign_ = false;  // our ping is out and nothing came since
};

}  // namespace prefork::http

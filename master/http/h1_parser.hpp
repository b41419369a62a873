// Turns the bytes of one HTTP/1 connection into requests: heads go into a RequestBuilder, bodies come out as pieces of the
// caller's buffer. llhttp reads the head's syntax; what it leaves open is decided in h1_policy.hpp; chunked bodies are read by
// ChunkDecoder. No event loop, no clock, no buffer of its own.
// Owned by a Connection, used on its loop thread only; the Limits must outlive it.
//
//   Idle --byte--> Head --HeadDone--> Body --BodyPiece…--MessageDone--> Idle          any --BadRequest--> Dead, for ever
//
// Invariant: the outcome does not depend on how the bytes are cut into buffers. The one exception: when a message breaks a
// limit and a rule at once, the status may be that of either.
#pragma once

#include <llhttp.h>

#include <cstdint>
#include <span>

#include "master/http/chunk_decoder.hpp"
#include "master/http/limits.hpp"
#include "master/http/refusal.hpp"
#include "shm/wire/request_head.hpp"

namespace prefork::http {

enum class Feed : std::uint8_t {
  NeedMore,     // `in` is used up
  HeadDone,     // the builder has the whole head; feed() again for the body, also when there is none
  BodyPiece,    // piece() is the next part of the body
  MessageDone,  // `in` starts with the next message; begin() before the next feed()
  BadRequest,   // refusal() says why; nothing behind it may be read
};

class H1Parser {
 public:
  explicit H1Parser(const Limits& limits);
  H1Parser(const H1Parser&) = delete;
  H1Parser& operator=(const H1Parser&) = delete;

  // Where the next message's head goes: reset, and not touched by others until HeadDone. May come before its first byte.
  void begin(wire::RequestBuilder& builder);

  // Takes from the front of `in`.
  [[nodiscard]] Feed feed(std::span<const char>& in);

  // The last BodyPiece: inside the buffer that feed() was given, never empty.
  std::span<const char> piece() const { return piece_; }
  // Of the last BadRequest.
  Refusal refusal() const { return refusal_; }

  // From HeadDone until the next begin().
  bool body_expected() const { return body_ != Body::None; }
  bool keep_alive() const { return keep_alive_; }  // as the client sees it: HTTP/1.1 without close, HTTP/1.0 with keep-alive
  bool upgrade() const { return upgrade_; }        // Connection: upgrade and an Upgrade field came, on 1.1
  bool expects_continue() const { return expects_continue_; }
  std::uint64_t body_received() const { return body_received_; }  // decoded bytes handed out

  bool idle() const { return state_ == State::Idle; }  // no byte of a message seen; an empty line before it does not count
  bool in_head() const { return state_ == State::Method || state_ == State::Head; }
  bool in_body() const { return state_ == State::HeadDone || state_ == State::Body; }
  bool dead() const { return state_ == State::Dead; }
  // Whether the client may end its side here: between messages.
  bool take_eof() const { return idle(); }

  // Whether Limits::forwarder_headers count: the peer is a trusted proxy. Off until said.
  void trust_forwarder(bool trusted) { trusted_ = trusted; }

 private:
  enum class State : std::uint8_t { Idle, Method, Head, HeadDone, Body, Dead };
  enum class Body : std::uint8_t { None, Length, Chunked };

  const Limits& limits_;
  wire::RequestBuilder* builder_ = nullptr;
  llhttp_t llhttp_;
  ChunkDecoder chunks_;
  std::span<const char> piece_;
  std::uint64_t remaining_ = 0;
  std::uint64_t body_received_ = 0;
  Refusal refusal_;
  State state_ = State::Idle;
  Body body_ = Body::None;
  bool keep_alive_ = false;
  bool upgrade_ = false;
  bool expects_continue_ = false;
  bool trusted_ = false;
};

}  // namespace prefork::http

// Turns the bytes of one HTTP/1 connection into requests: heads go into a RequestBuilder, bodies come out as pieces of the
// caller's buffer. llhttp reads the head's syntax; what it leaves open is decided in h1_policy.hpp; chunked bodies are read by
// ChunkDecoder. No event loop, no clock, no buffer of its own: the bytes of a head go into the builder as they come, in one
// copy, and its fields are places among them.
// Owned by a Connection, used on its loop thread only; the Limits must outlive it.
//
//   Idle --byte--> Method, Head --HeadDone--> Body --BodyPiece…--MessageDone--> Idle       any --BadRequest--> Dead, for ever
//
// Invariant: what is said about the bytes of a connection does not depend on how they are cut into buffers. A head with several
// faults is refused for the first of them, in the order of its bytes; what needs the whole head is judged after that.
#pragma once

#include <llhttp.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "master/http/chunk_decoder.hpp"
#include "master/http/h1_policy.hpp"
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
  explicit H1Parser(const Limits& limits) : limits_(limits) {}
  H1Parser(const H1Parser&) = delete;
  H1Parser& operator=(const H1Parser&) = delete;

  // Where the next message's head goes: reset, and not touched by others until HeadDone. May come before its first byte.
  void begin(wire::RequestBuilder& builder) { builder_ = &builder; }

  // Takes from the front of `in`.
  [[nodiscard]] Feed feed(std::span<const char>& in);

  // The last BodyPiece: inside the buffer that feed() was given, never empty.
  std::span<const char> piece() const { return piece_; }
  // Of the last BadRequest.
  Refusal refusal() const { return refusal_; }

  // From HeadDone until the first byte of the next message.
  bool body_expected() const { return body_ != Body::None; }
  // As the client wishes: HTTP/1.1 without close, HTTP/1.0 with keep-alive.
  bool keep_alive() const { return keep_alive_; }
  bool upgrade() const { return upgrade_; }  // Connection: upgrade and an Upgrade field came, on 1.1
  bool expects_continue() const { return expects_continue_; }
  std::uint64_t body_received() const { return body_received_; }  // bytes handed out, without chunk framing

  // No byte of a message seen; an empty line before it does not count.
  bool idle() const { return state_ == State::Idle; }
  bool in_head() const { return state_ == State::Method || state_ == State::Head; }
  bool in_body() const { return state_ == State::HeadDone || state_ == State::Body; }
  bool dead() const { return state_ == State::Dead; }
  bool take_eof() const { return idle(); }  // whether the client may end its side here: between messages

  // Whether Limits::forwarder_headers count: the peer is a trusted proxy. Off until said.
  void trust_forwarder(bool trusted) { trusted_ = trusted; }

 private:
  friend struct H1Callbacks;
  enum class State : std::uint8_t { Idle, Method, Head, HeadDone, Body, Dead };
  enum class Body : std::uint8_t { None, Length, Chunked };

  Feed feed_idle(std::span<const char>& in);
  Feed feed_method(std::span<const char>& in);
  Feed feed_head(std::span<const char>& in);
  Feed feed_head_once(std::span<const char>& in);
  Feed first_fault(std::span<const char> given);
  void start_llhttp();
  Feed feed_body(std::span<const char>& in);
  Feed complete_head();
  Feed message_done();
  Feed refuse(Refusal refusal);
  bool fail(Refusal refusal);  // inside a callback of llhttp
  void start_head();
  void take(std::span<const char>& in, std::size_t length);

  // In the builder, where the bytes of the head lie one after the other, as they came.
  std::uint32_t place_of(const char* at) const { return buffer_at_ + static_cast<std::uint32_t>(at - buffer_); }
  bool add_target(const char* at, std::size_t length);
  bool start_version(const char* at);
  bool add_name(const char* at, std::size_t length);
  bool add_value(const char* at, std::size_t length);
  Refusal judge_fields();
  Refusal judge_unknown_name(wire::Field& field, bool& keep);
  Refusal unfold(wire::Field& field);
  bool clean_lines(std::span<const char> bytes);
  llhttp_t& llhttp() { return std::get<llhttp_t>(reader_); }
  ChunkDecoder& chunks() { return std::get<ChunkDecoder>(reader_); }

  const Limits& limits_;
  wire::RequestBuilder* builder_ = nullptr;
  HeadFacts facts_;
  std::variant<llhttp_t, ChunkDecoder> reader_;  // of a head, or of a chunked body: a connection is never inside both
  std::span<const char> piece_;
  std::uint64_t remaining_ = 0;  // of a body with a length
  std::uint64_t body_received_ = 0;
  Refusal refusal_;
  const char* buffer_ = nullptr;  // what llhttp is reading now
  std::uint32_t buffer_at_ = 0;   // its place in the builder
  std::uint32_t head_at_ = 0;     // the head's place in the builder
  State state_ = State::Idle;
  Body body_ = Body::None;
  std::uint8_t leading_ = 0;  // bytes seen of the empty line that may come first
  bool line_done_ = false;    // the version of the request line was reached
  bool after_cr_ = false;     // clean_lines: the last byte was one
  std::uint8_t lines_ = 0;    // clean_lines: 0 in the request line, 1 at the first byte behind it, 2 later
  bool keep_alive_ = false;
  bool upgrade_ = false;
  bool expects_continue_ = false;
  bool trusted_ = false;
};

}  // namespace prefork::http

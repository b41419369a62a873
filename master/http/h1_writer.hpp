// Writes reply heads and body framing for HTTP/1. Pure: no socket, no clock. What a worker or an application sent is copied
// first and checked on the copy, because the worker can still write to the record.
// Free functions and one small value type per reply; used on a loop thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "master/http/refusal.hpp"
#include "shm/wire/reply_head.hpp"

namespace prefork::http {

enum class Framing : std::uint8_t { None, Length, Chunked, UntilClose };

// Fields of this kind are a worker's notes for the access log (python/prefork/_environ_notes.py); clients never see them.
inline constexpr std::string_view kEnvironCarrier = "x-prefork-environ-";

// What the request and the server's state say about a reply.
struct ReplyFacts {
  bool head_request = false;
  std::uint8_t http_version = 11;
  // The client's wish; false also when we want the connection to end (draining, a refused body).
  bool keep_alive = true;
  std::uint64_t complete_length = wire::kUnknownLength;  // of the whole body when it is here, else unknown
  bool trailers_accepted = false;                        // the client sent TE: trailers
  std::string_view date;                                 // the text of a Date field; empty: none is added
  std::string_view server;                               // likewise
  std::string_view extra;  // whole field lines, "Name: value\r\n" each, added to every reply
};

struct ReplyPlan {
  std::uint16_t status = 0;
  Framing framing = Framing::None;
  bool keep_alive = false;   // after a body that was not short
  bool trailers = false;     // the application's trailers may be sent
  std::uint64_t length = 0;  // with Framing::Length; else kUnknownLength
};

// Appends status line, fields and the empty line to `out`. On a refusal (to be answered with a 500) `out` is as it was.
// `reply` was validated; final replies only (200 to 999).
[[nodiscard]] Refusal write_reply_head(const wire::ReplyView& reply, const ReplyFacts& facts, ReplyPlan& plan,
                                       std::vector<char>& out);

// The reply that ends HTTP on a connection (101). `own_fields` are whole lines, Upgrade and Connection among them; the
// application's fields follow, without those that are the server's.
[[nodiscard]] Refusal write_switching_reply(const wire::ReplyView& reply, const ReplyFacts& facts,
                                            std::string_view own_fields, std::vector<char>& out);

// An interim reply with fields (103 Early Hints); 100 and 101 are refused. Nothing may be sent to an HTTP/1.0 client: the caller knows.
[[nodiscard]] Refusal write_interim_reply(const wire::ReplyView& reply, std::vector<char>& out);
inline constexpr std::string_view kContinueReply = "HTTP/1.1 100 Continue\r\n\r\n";

// The last chunk and the trailer section, instead of a last piece from BodyFramer; fields that may not be trailers are left out.
[[nodiscard]] Refusal write_trailers(const wire::ReplyView& trailers, std::vector<char>& out);

// A whole reply of our own.
struct ErrorReply {
  std::uint16_t status = 500;
  std::string_view message;  // a sentence for a person; escaped
  bool head_request = false;
  std::uint8_t http_version = 11;
  bool keep_alive = false;               // the request was read whole: its failure is not the connection's
  std::string_view date, server, extra;  // as in ReplyFacts; `extra` may have Retry-After or Allow
};
void write_error_reply(const ErrorReply& error, std::vector<char>& out);

// Frames the body that follows a head: says for each piece what goes around it.
class BodyFramer {
 public:
  struct Piece {
    std::array<char, 18> prefix_bytes;
    std::uint8_t prefix_length = 0;
    std::uint64_t take = 0;  // so many bytes of the piece are sent; the rest is cut off
    std::string_view suffix;
    std::string_view prefix() const { return {prefix_bytes.data(), prefix_length}; }
  };

  BodyFramer() = default;
  explicit BodyFramer(const ReplyPlan& plan) : framing_(plan.framing), remaining_(plan.length) {}

  // `last`: no piece follows, nor trailers. An empty piece that is not the last gives nothing: an empty chunk would be the end.
  Piece put(std::uint64_t bytes, bool last);
  bool cut() const { return cut_; }  // the application sent more than it announced
  // Asked at the end. The client must see it: the connection closes.
  bool is_short() const { return framing_ == Framing::Length && remaining_ != 0; }
  Framing framing() const { return framing_; }

 private:
  Framing framing_ = Framing::None;
  bool cut_ = false;
  std::uint64_t remaining_ = 0;
};

}  // namespace prefork::http

#include "master/http/h1_writer.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

#include "master/http/characters.hpp"
#include "master/http/h1_policy.hpp"
#include "master/http/status.hpp"

namespace prefork::http {
namespace {

using wire::Name;

constexpr std::size_t kFieldMarks = 4;    // ": " and CRLF
constexpr std::size_t kStatusMarks = 48;  // HTTP/1.1, code, CRLF, our own phrase

// More than what is written around the reply's own texts takes: status, Connection, Content-Length, Transfer-Encoding, names.
constexpr std::size_t kOwnRoom = 256;

// Appends to a vector within room made once. Takes the vector back to where it was unless done() came.
class Appender {
 public:
  // `foreign` bytes for what a record brings, asked for with has_room(); `own` for the rest, which is known to fit.
  Appender(std::vector<char>& out, std::size_t foreign, std::size_t own) : out_(out), start_(out.size()) {
    out_.resize(start_ + foreign + own + kOwnRoom);
    at_ = out_.data() + start_;
    end_ = out_.data() + out_.size();
    foreign_end_ = end_ - own - kOwnRoom;
  }
  ~Appender() { out_.resize(done_ ? static_cast<std::size_t>(at_ - out_.data()) : start_); }
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  char* at() { return at_; }
  void back_to(char* at) { at_ = at; }
  std::size_t written_since(const char* at) const { return static_cast<std::size_t>(at_ - at); }
  // For a text of a record. Texts that do not overlap always have room.
  bool has_room(std::size_t bytes) const {
    return at_ <= foreign_end_ && bytes <= static_cast<std::size_t>(foreign_end_ - at_);
  }
  void put(std::string_view text) {
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  template <class Number>
  void put_number(Number number) {
    at_ = std::to_chars(at_, end_, number).ptr;
  }
  void done() { done_ = true; }

 private:
  std::vector<char>& out_;
  std::size_t start_;
  char* at_;
  char* end_;
  char* foreign_end_;
  bool done_ = false;
};

constexpr std::uint64_t every_byte(unsigned char byte) { return ~std::uint64_t{0} / 255 * byte; }

// Whether any byte of a word is zero: only a zero borrows into a top bit that was not set.
constexpr bool has_zero(std::uint64_t word) { return ((word - every_byte(0x01)) & ~word & every_byte(0x80)) != 0; }

bool is_clean_word(const char* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return !has_zero(word) && !has_zero(word ^ every_byte('\r')) && !has_zero(word ^ every_byte('\n'));
}

// No NUL, CR or LF. Eight bytes at a time, the last eight over bytes already seen.
bool is_clean(const char* bytes, std::size_t length) {
  if (length < sizeof(std::uint64_t)) {
    for (std::size_t i = 0; i < length; ++i) {
      if (bytes[i] == '\0' || bytes[i] == '\r' || bytes[i] == '\n') return false;
    }
    return true;
  }
  for (std::size_t i = 0; i + sizeof(std::uint64_t) < length; i += sizeof(std::uint64_t)) {
    if (!is_clean_word(bytes + i)) return false;
  }
  return is_clean_word(bytes + length - sizeof(std::uint64_t));
}

struct Written {
  Name name = Name::Unknown;
  char* start = nullptr;  // of the line
  std::string_view value;
};

// One field line, copied and then checked on the copy. `written.name` is what the bytes say, whatever id came with them.
Refusal put_field(const wire::ReplyView& reply, std::size_t index, Appender& to, Written& written) {
  wire::ReplyField field;
  if (!reply.field(index, field)) return {500, "reply field lies outside"};
  if (!to.has_room(field.name.size() + field.value.size() + kFieldMarks)) return {500, "reply fields overlap"};
  written.start = to.at();
  to.put(field.name);
  const std::string_view name{written.start, field.name.size()};
  written.name = wire::find_name(name);
  if (written.name == Name::Unknown && !is_token(name)) return {500, "reply field name is invalid"};
  to.put(": ");
  const char* value = to.at();
  to.put(field.value);
  written.value = {value, field.value.size()};
  if (!is_clean(value, field.value.size())) return {500, "reply field value has a line end or NUL"};
  to.put("\r\n");
  return {};
}

// Fields between two neighbours, not ends (RFC 9110 7.6.1). They are the server's to send.
bool is_hop_by_hop(Name name) {
  switch (name) {
    case Name::Connection:
    case Name::KeepAlive:
    case Name::TransferEncoding:
    case Name::Te:
    case Name::Upgrade:
    case Name::ProxyConnection:
    case Name::ProxyAuthenticate:
    case Name::ProxyAuthorization: return true;
    default: return false;
  }
}

bool says_close(std::string_view connection) {
  bool close = false;
  for_each_member(connection, [&](std::string_view option) { close = close || same_letters(option, "close"); });
  return close;
}

// RFC 9110 8.6, and nothing near the end of the number range.
bool read_length(std::string_view text, std::uint64_t& length) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  return error == std::errc{} && end == text.data() + text.size() && length < (std::uint64_t{1} << 63) &&
         text.front() != '-';
}

// What the texts of a reply take, without its body.
std::size_t foreign_room(const wire::ReplyView& reply) {
  return kStatusMarks + reply.payload_size() - reply.head().body.length +
         std::size_t{reply.head().field_count} * kFieldMarks;
}

std::size_t own_room(const ReplyFacts& facts) { return facts.date.size() + facts.server.size() + facts.extra.size(); }

Refusal put_status_line(const wire::ReplyView& reply, int status, Appender& to) {
  const std::string_view reason = reply.reason();
  if (!to.has_room(reason.size() + kStatusMarks)) return {500, "reply reason overlaps"};
  to.put("HTTP/1.1 ");
  to.put_number(status);
  to.put(" ");
  const char* copy = to.at();
  to.put(reason.empty() ? reason_phrase(status) : reason);
  if (!is_clean(copy, reason.size())) return {500, "reply reason has a line end or NUL"};
  to.put("\r\n");
  return {};
}

// What the application's fields said that matters to framing.
struct FieldsSeen {
  bool close = false;
  bool date = false;
  bool server = false;
  bool length = false;
  std::uint64_t content_length = 0;
};

// Takes back the line just written when it is not the application's to send.
Refusal sort_field(const Written& field, bool keep_length, bool keep_trailer, FieldsSeen& seen, Appender& to) {
  switch (field.name) {
    case Name::ContentLength:
      if (!keep_length) return to.back_to(field.start), Refusal{};
      if (seen.length || !read_length(field.value, seen.content_length))
        return {500, "reply Content-Length is invalid"};
      seen.length = true;
      return {};
    case Name::Connection: seen.close = seen.close || says_close(field.value); break;
    case Name::Trailer:
      if (keep_trailer) return {};
      to.back_to(field.start);
      return {};
    case Name::Date: seen.date = true; return {};
    case Name::Server: seen.server = true; return {};
    case Name::Unknown:
      if (same_letters({field.start, std::min(kEnvironCarrier.size(), to.written_since(field.start))}, kEnvironCarrier))
        to.back_to(field.start);
      return {};
    default: break;
  }
  if (is_hop_by_hop(field.name)) to.back_to(field.start);
  return {};
}

Refusal put_fields(const wire::ReplyView& reply, bool keep_length, bool keep_trailer, FieldsSeen& seen, Appender& to) {
  const std::size_t count = reply.head().field_count;
  for (std::size_t i = 0; i < count; ++i) {
    Written field;
    if (const Refusal refusal = put_field(reply, i, to, field)) return refusal;
    if (const Refusal refusal = sort_field(field, keep_length, keep_trailer, seen, to)) return refusal;
  }
  return {};
}

void put_own_fields(const ReplyFacts& facts, const FieldsSeen& seen, Appender& to) {
  if (!seen.server && !facts.server.empty()) {
    to.put("Server: ");
    to.put(facts.server);
    to.put("\r\n");
  }
  if (!seen.date && !facts.date.empty()) {
    to.put("Date: ");
    to.put(facts.date);
    to.put("\r\n");
  }
  to.put(facts.extra);
}

void put_content_length(std::uint64_t length, Appender& to) {
  to.put("Content-Length: ");
  to.put_number(length);
  to.put("\r\n");
}

// RFC 9112 6.3, from the sender's side.
void decide_framing(const ReplyFacts& facts, const FieldsSeen& seen, ReplyPlan& plan, Appender& to) {
  const bool known = facts.complete_length != wire::kUnknownLength;
  plan.length = wire::kUnknownLength;
  if (plan.status == 204 || plan.status == 304) {
    plan.framing = Framing::None;
  } else if (plan.status == 205) {  // RFC 9110 15.3.6: it has no content, and unlike the others must say so
    plan.framing = Framing::None;
    put_content_length(0, to);
  } else if (seen.length) {
    plan.framing = Framing::Length;
    plan.length = seen.content_length;
  } else if (known) {
    plan.framing = Framing::Length;
    plan.length = facts.complete_length;
    // A HEAD that the application answers with nothing says nothing about the length of the GET (RFC 9110 9.3.2).
    if (!facts.head_request || facts.complete_length != 0) put_content_length(plan.length, to);
  } else if (facts.http_version >= 11) {
    plan.framing = Framing::Chunked;
    to.put("Transfer-Encoding: chunked\r\n");
  } else {
    plan.framing = Framing::UntilClose;
  }
  if (facts.head_request) {
    plan.framing = Framing::None;
    plan.length = wire::kUnknownLength;
  }
}

void put_connection(const ReplyFacts& facts, bool keep_alive, Appender& to) {
  if (!keep_alive)
    to.put("Connection: close\r\n");
  else if (facts.http_version < 11)
    to.put("Connection: keep-alive\r\n");
}

}  // namespace

Refusal write_reply_head(const wire::ReplyView& reply, const ReplyFacts& facts, ReplyPlan& plan,
                         std::vector<char>& out) {
  const wire::ReplyHead& head = reply.head();
  if (head.status < 200 || head.status > 999) return {500, "reply status is not final"};
  Appender to(out, foreign_room(reply), own_room(facts));
  plan = {};
  plan.status = head.status;
  if (const Refusal refusal = put_status_line(reply, head.status, to)) return refusal;
  const bool may_trail =
      (head.flags & wire::kReplyTrailers) != 0 && facts.http_version >= 11 && facts.trailers_accepted;
  FieldsSeen seen;
  seen.close = (head.flags & wire::kReplyClose) != 0;
  const bool keep_length = head.status != 204 && head.status != 205;
  if (const Refusal refusal = put_fields(reply, keep_length, may_trail, seen, to)) return refusal;
  put_own_fields(facts, seen, to);
  decide_framing(facts, seen, plan, to);
  plan.trailers = may_trail && plan.framing == Framing::Chunked;
  plan.keep_alive = facts.keep_alive && !seen.close && plan.framing != Framing::UntilClose;
  put_connection(facts, plan.keep_alive, to);
  to.put("\r\n");
  to.done();
  return {};
}

Refusal write_switching_reply(const wire::ReplyView& reply, const ReplyFacts& facts, std::string_view own_fields,
                              std::vector<char>& out) {
  constexpr std::string_view kStatusLine = "HTTP/1.1 101 Switching Protocols\r\n";
  Appender to(out, kStatusLine.size() + own_fields.size() + foreign_room(reply), own_room(facts));
  to.put(kStatusLine);
  to.put(own_fields);
  FieldsSeen seen;
  for (std::size_t i = 0; i < reply.head().field_count; ++i) {
    Written field;
    if (const Refusal refusal = put_field(reply, i, to, field)) return refusal;
    if (field.name == Name::SecWebSocketAccept || field.name == Name::SecWebSocketExtensions) {
      to.back_to(field.start);
    } else if (const Refusal refusal = sort_field(field, false, false, seen, to)) {
      return refusal;
    }
  }
  put_own_fields(facts, seen, to);
  to.put("\r\n");
  to.done();
  return {};
}

Refusal write_interim_reply(const wire::ReplyView& reply, std::vector<char>& out) {
  const int status = reply.head().status;
  if (status < 102 || status > 199) return {500, "reply status is not interim"};
  Appender to(out, foreign_room(reply), 0);
  if (const Refusal refusal = put_status_line(reply, status, to)) return refusal;
  FieldsSeen seen;
  if (const Refusal refusal = put_fields(reply, false, false, seen, to)) return refusal;
  to.put("\r\n");
  to.done();
  return {};
}

Refusal write_trailers(const wire::ReplyView& trailers, std::vector<char>& out) {
  Appender to(out, foreign_room(trailers), 0);
  to.put("0\r\n");
  for (std::size_t i = 0; i < trailers.head().field_count; ++i) {
    Written field;
    if (const Refusal refusal = put_field(trailers, i, to, field)) return refusal;
    if (is_forbidden_trailer(field.name) || is_hop_by_hop(field.name)) to.back_to(field.start);
  }
  to.put("\r\n");
  to.done();
  return {};
}

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (is_value_char(c))
      out += c;
  }
  return out;
}

}  // namespace

void write_error_reply(const ErrorReply& error, std::vector<char>& out) {
  const std::string reason(reason_phrase(error.status));
  std::string body = "<html>\n<head><title>" + reason + "</title></head>\n<body>\n<h1>" + reason + "</h1>\n";
  if (!error.message.empty()) body += "<p>" + escaped(error.message) + "</p>\n";
  body += "</body>\n</html>\n";
  Appender to(out, 0, body.size() + reason.size() + error.date.size() + error.server.size() + error.extra.size());
  to.put("HTTP/1.1 ");
  to.put_number(error.status);
  to.put(" ");
  to.put(reason);
  to.put("\r\n");
  ReplyFacts facts;
  facts.date = error.date;
  facts.server = error.server;
  facts.extra = error.extra;
  put_own_fields(facts, {}, to);
  to.put("Content-Type: text/html; charset=utf-8\r\n");
  put_content_length(body.size(), to);
  if (!error.keep_alive) {
    to.put("Connection: close\r\n");
  } else if (error.http_version == 10) {
    to.put("Connection: keep-alive\r\n");
  }
  to.put("\r\n");
  if (!error.head_request) to.put(body);
  to.done();
}

BodyFramer::Piece BodyFramer::put(std::uint64_t bytes, bool last) {
  Piece piece;
  switch (framing_) {
    case Framing::None: break;
    case Framing::UntilClose: piece.take = bytes; break;
    case Framing::Length:
      piece.take = bytes < remaining_ ? bytes : remaining_;
      cut_ = cut_ || bytes > remaining_;
      remaining_ -= piece.take;
      break;
    case Framing::Chunked:
      piece.take = bytes;
      if (bytes != 0) {
        char* const start = piece.prefix_bytes.data();
        char* at = std::to_chars(start, start + 16, bytes, 16).ptr;
        *at++ = '\r';
        *at++ = '\n';
        piece.prefix_length = static_cast<std::uint8_t>(at - start);
        piece.suffix = last ? "\r\n0\r\n\r\n" : "\r\n";
      } else if (last) {
        piece.suffix = "0\r\n\r\n";
      }
      break;
  }
  return piece;
}

}  // namespace prefork::http

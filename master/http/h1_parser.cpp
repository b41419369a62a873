#include "master/http/h1_parser.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "master/http/characters.hpp"
#include "shm/check.hpp"

namespace prefork::http {

struct H1Callbacks {
  static H1Parser& parser(llhttp_t* llhttp) { return *static_cast<H1Parser*>(llhttp->data); }
  static int result(bool fine) { return fine ? HPE_OK : HPE_USER; }

  static int on_url(llhttp_t* llhttp, const char* at, std::size_t length) {
    return result(parser(llhttp).add_target(at, length));
  }
  static int on_version(llhttp_t* llhttp, const char* at, std::size_t) {
    return result(parser(llhttp).start_version(at));
  }
  static int on_header_field(llhttp_t* llhttp, const char* at, std::size_t length) {
    return result(parser(llhttp).add_name(at, length));
  }
  static int on_header_value(llhttp_t* llhttp, const char* at, std::size_t length) {
    return result(parser(llhttp).add_value(at, length));
  }
  // llhttp never sees a body: it rests here until the next head starts it anew.
  static int on_headers_complete(llhttp_t*) { return HPE_PAUSED; }

  static llhttp_settings_t settings() {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_version = on_version;
    settings.on_header_field = on_header_field;
    settings.on_header_value = on_header_value;
    settings.on_headers_complete = on_headers_complete;
    return settings;
  }
};

namespace {

const llhttp_settings_t kSettings = H1Callbacks::settings();

// A parser that has read a method. Methods are read here, not by llhttp: it knows a fixed list and cannot tell a method that is
// not implemented (501) from a malformed one (400). It is told GET for all of them; the method changes nothing in how a head is
// read. Copying this state is also cheaper than starting llhttp anew.
const llhttp_t kAfterMethod = [] {
  llhttp_t llhttp;
  llhttp_init(&llhttp, HTTP_REQUEST, &kSettings);
  // RFC 9110 2.5: HTTP/1.2 is processed as 1.1. The versions are judged in h1_policy.cpp.
  llhttp_set_lenient_version(&llhttp, 1);
  PREFORK_CHECK(llhttp_execute(&llhttp, "GET ", 4) == HPE_OK, "llhttp reads a method");
  return llhttp;
}();

constexpr std::uint32_t kVersionLength = 8;  // HTTP/1.1
constexpr std::string_view kProtocol = "HTTP/";
constexpr std::uint32_t kProtocolLength = kProtocol.size();
constexpr std::uint32_t kLongestName = 65535;  // wire::Field counts it in 16 bits

}  // namespace

Feed H1Parser::feed(std::span<const char>& in) {
  switch (state_) {
    case State::Idle: return feed_idle(in);
    case State::Method: return feed_method(in);
    case State::Head: return feed_head(in);
    case State::HeadDone:
      if (body_ == Body::None) return message_done();
      state_ = State::Body;
      [[fallthrough]];
    case State::Body: return feed_body(in);
    case State::Dead: break;
  }
  return Feed::BadRequest;
}

Feed H1Parser::refuse(Refusal refusal) {
  refusal_ = refusal;
  state_ = State::Dead;
  return Feed::BadRequest;
}

bool H1Parser::fail(Refusal refusal) {
  refusal_ = refusal;
  return false;
}

// RFC 9112 2.2: one empty line in front of a request is ignored. Not more: nobody sends two, and endless ones would be a
// connection that is never idle and never in a head.
Feed H1Parser::feed_idle(std::span<const char>& in) {
  if (in.empty()) return Feed::NeedMore;
  if (leading_ == 0 && in.front() == '\r') {
    leading_ = 1;
    in = in.subspan(1);
    if (in.empty()) return Feed::NeedMore;
  }
  if (leading_ == 1) {
    if (in.front() != '\n') return refuse({400, "Request starts with a bare CR"});
    leading_ = 2;
    in = in.subspan(1);
    if (in.empty()) return Feed::NeedMore;
  }
  PREFORK_CHECK(builder_ != nullptr, "begin() comes before a message");
  start_head();
  return feed_method(in);
}

void H1Parser::start_head() {
  state_ = State::Method;
  facts_ = {};
  line_done_ = after_cr_ = false;
  lines_ = 0;
  body_ = Body::None;
  keep_alive_ = upgrade_ = expects_continue_ = false;
  body_received_ = 0;
  head_at_ = builder_->size();
  builder_->head.method_name = {head_at_, 0};
}

void H1Parser::take(std::span<const char>& in, std::size_t length) {
  builder_->append({in.data(), length});
  in = in.subspan(length);
}

Feed H1Parser::feed_method(std::span<const char>& in) {
  wire::RequestHead& head = builder_->head;
  const std::size_t most = std::min<std::size_t>(in.size(), kLongestMethod + 1 - head.method_name.length);
  std::size_t length = 0;
  while (length < most && is_token_char(in[length])) ++length;
  const bool ended = length < in.size() && in[length] == ' ';
  take(in, length + (ended ? 1 : 0));  // what is refused, too: the logs show it
  head.method_name.length += static_cast<std::uint32_t>(length);
  if (head.method_name.length > kLongestMethod) return refuse({501, "Method is not implemented"});
  if (!ended && in.empty()) return Feed::NeedMore;
  if (!ended || head.method_name.length == 0) return refuse({400, "Request line does not start with a method"});
  const std::string_view name = builder_->text(head.method_name);
  const wire::Method method = wire::find_method(name);
  if (const Refusal refusal = judge_method(name, method, limits_)) return refuse(refusal);
  head.method = static_cast<std::uint8_t>(method);
  start_llhttp();
  state_ = State::Head;
  return feed_head(in);
}

void H1Parser::start_llhttp() {
  llhttp_t& llhttp = reader_.emplace<llhttp_t>(kAfterMethod);
  llhttp.data = this;
  if (limits_.permit_obsolete_folding) llhttp_set_lenient_headers(&llhttp, 1);
}

Feed H1Parser::feed_head(std::span<const char>& in) {
  const std::span<const char> given = in;
  const Feed fed = feed_head_once(in);
  return fed == Feed::BadRequest ? first_fault(given) : fed;
}

// Limits are checked where a span ends, which is also where a buffer ends; what llhttp itself refuses it refuses at its byte. So the
// fault that is found first depends on how the head was cut. The one to tell is the first in the order of the bytes: a head that is
// bad is read again byte by byte.
Feed H1Parser::first_fault(std::span<const char> given) {
  wire::RequestHead& head = builder_->head;
  const std::uint32_t after_method = head_at_ + head.method_name.length + 1;
  std::vector<char> bytes(builder_->data() + after_method, builder_->data() + builder_->size());
  bytes.insert(bytes.end(), given.begin(), given.end());
  builder_->truncate(after_method);
  builder_->fields().clear();
  head.target = {};
  facts_ = {};
  line_done_ = after_cr_ = false;
  lines_ = 0;
  const Refusal found = std::exchange(refusal_, Refusal{});
  state_ = State::Head;
  start_llhttp();
  for (const char& byte : bytes) {
    std::span<const char> one(&byte, 1);
    if (feed_head_once(one) == Feed::BadRequest) return Feed::BadRequest;
  }
  return refuse(found);
}

Feed H1Parser::feed_head_once(std::span<const char>& in) {
  if (in.empty()) return Feed::NeedMore;
  buffer_ = in.data();
  buffer_at_ = builder_->size();
  const std::size_t before = buffer_at_ - head_at_;
  const std::size_t length =
      std::min<std::size_t>(in.size(), limits_.head - std::min<std::size_t>(limits_.head, before));
  const llhttp_errno_t error = llhttp_execute(&llhttp(), in.data(), length);
  const bool done = error == HPE_PAUSED;
  // A callback's refusal comes back as one of several codes.
  if (error != HPE_OK && !done) return refuse(refusal_ ? refusal_ : Refusal{400, llhttp_get_error_reason(&llhttp())});
  const std::size_t used = done ? static_cast<std::size_t>(llhttp_get_error_pos(&llhttp()) - in.data()) : length;
  if (!clean_lines(in.first(used))) return refuse(refusal_);
  take(in, used);
  if (done) return complete_head();
  if (before + used < limits_.head) return Feed::NeedMore;
  return line_done_ ? refuse({431, "Request head is too large"}) : refuse({414, "Request line is too long"});
}

bool H1Parser::add_target(const char* at, std::size_t length) {
  wire::RequestHead& head = builder_->head;
  const std::uint32_t place = place_of(at);
  if (head.target.length == 0) {
    if (place != head_at_ + head.method_name.length + 1) return fail({400, "Request line has more than one space"});
    head.target.offset = place;
  }
  head.target.length += static_cast<std::uint32_t>(length);
  const std::uint64_t line = std::uint64_t{head.method_name.length} + 1 + head.target.length + 1 + kVersionLength;
  return limits_.request_line == 0 || line <= limits_.request_line || fail({414, "Request line is too long"});
}

// llhttp skips any spaces in front of the protocol's name; RFC 9112 3 has one.
bool H1Parser::start_version(const char* at) {
  if (line_done_) return true;
  line_done_ = true;
  const wire::RequestHead& head = builder_->head;
  const std::uint32_t expected = head.target.offset + head.target.length + 1 + kProtocolLength;
  return place_of(at) == expected || fail({400, "Request line has more than one space"});
}

bool H1Parser::add_name(const char* at, std::size_t length) {
  std::vector<wire::Field>& fields = builder_->fields();
  const std::uint32_t place = place_of(at);
  // A name that was cut by the end of a buffer goes on where it stopped; between two names there is at least a colon.
  if (fields.empty() || place != fields.back().name_offset + fields.back().name_length) {
    if (fields.size() >= limits_.fields) return fail({431, "Too many header fields"});
    fields.push_back({.name_id = 0, .name_length = 0, .name_offset = place, .value = {}});
  }
  const std::size_t whole = fields.back().name_length + length;
  if (whole > kLongestName || (limits_.field_size != 0 && whole + 2 > limits_.field_size))
    return fail({431, "Header field is too large"});
  fields.back().name_length = static_cast<std::uint16_t>(whole);
  return true;
}

bool H1Parser::add_value(const char* at, std::size_t length) {
  wire::Field& field = builder_->fields().back();
  const std::uint32_t place = place_of(at);
  if (field.value.offset == 0) field.value.offset = place;
  const auto end = static_cast<std::uint32_t>(place + length);
  field.value.length = end - field.value.offset;
  return limits_.field_size == 0 || end + 2 - field.name_offset <= limits_.field_size ||
         fail({431, "Header field is too large"});
}

// Gives known names their ids, leaves out the fields that are not kept, and judges the others. All bytes are in the builder.
Refusal H1Parser::judge_fields() {
  std::vector<wire::Field>& fields = builder_->fields();
  const char* const bytes = builder_->data();
  std::size_t kept = 0;
  for (wire::Field field : fields) {
    const char* const value = bytes + field.value.offset;
    while (field.value.length != 0 && is_blank(value[field.value.length - 1])) --field.value.length;
    if (limits_.permit_obsolete_folding) {
      if (const Refusal refusal = unfold(field)) return refusal;
    }
    const wire::Name id = wire::find_name({bytes + field.name_offset, field.name_length});
    bool keep = id != wire::Name::Proxy;  // it would become HTTP_PROXY in an environment (CVE-2016-5385)
    if (id == wire::Name::Unknown) {
      if (const Refusal refusal = judge_unknown_name(field, keep)) return refusal;
    } else {
      field.name_id = static_cast<std::uint16_t>(id);
      field.name_offset = field.name_length = 0;
      if (is_judged(id)) {
        const auto index = static_cast<std::uint32_t>(kept);
        if (const Refusal refusal = judge_field(facts_, id, {value, field.value.length}, index)) return refusal;
      }
    }
    fields[kept] = field;
    kept += keep ? 1 : 0;
  }
  fields.resize(kept);
  return {};
}

Refusal H1Parser::judge_unknown_name(wire::Field& field, bool& keep) {
  char* const name = builder_->data() + field.name_offset;
  bool underscore = false;
  for (std::size_t i = 0; i < field.name_length; ++i) {
    name[i] = lower(name[i]);
    underscore = underscore || name[i] == '_';
  }
  if (!underscore || limits_.header_map == HeaderMap::Dangerous) return {};
  if (trusted_ && limits_.is_forwarder_header({name, field.name_length})) return {};
  keep = false;
  return limits_.header_map == HeaderMap::Refuse ? Refusal{400, "Header field name has an underscore"} : Refusal{};
}

// RFC 9112 5.2: a line end in a value, and the blanks around it, become one space. llhttp does not check names while it allows
// folding.
Refusal H1Parser::unfold(wire::Field& field) {
  char* const bytes = builder_->data();
  if (!is_token({bytes + field.name_offset, field.name_length})) return {400, "Header field name is invalid"};
  char* const start = bytes + field.value.offset;
  char* const end = start + field.value.length;
  char* to = start;
  for (char* from = start; from != end; ++from) {
    if (*from != '\r') {
      *to++ = *from;
      continue;
    }
    while (from + 1 != end && (from[1] == '\n' || from[1] == '\r' || is_blank(from[1]))) ++from;
    while (to != start && is_blank(to[-1])) --to;
    if (to != start && from + 1 != end) *to++ = ' ';
  }
  field.value.length = static_cast<std::uint32_t>(to - start);
  return {};
}

// While it allows folding, llhttp takes a bare LF for a line end and any byte in a value, and skips blanks behind the request line,
// where nothing can be continued: others ignore such a line (RFC 9112 2.2), and would not see the field or the end that it holds.
bool H1Parser::clean_lines(std::span<const char> bytes) {
  if (!limits_.permit_obsolete_folding) return true;
  for (const char c : bytes) {
    if (lines_ == 1 && is_blank(c)) return fail({400, "Blank in front of the first header field"});
    if (lines_ == 1 || (lines_ == 0 && c == '\n')) ++lines_;
    if (after_cr_ != (c == '\n')) return fail({400, "Line ends without CRLF"});
    after_cr_ = c == '\r';
    if (!after_cr_ && c != '\n' && !is_value_char(c)) return fail({400, "Header field has an invalid character"});
  }
  return true;
}

Feed H1Parser::complete_head() {
  if (!line_done_) return refuse({505, "HTTP version is not supported"});  // HTTP/0.9 has no version
  wire::RequestHead& head = builder_->head;
  // llhttp reads RTSP as well, and its name is as long.
  if (builder_->text({head.target.offset + head.target.length + 1, kProtocolLength}) != kProtocol)
    return refuse({400, "Protocol is not HTTP"});
  if (const Refusal refusal = judge_version(llhttp().http_major, llhttp().http_minor, limits_, head))
    return refuse(refusal);
  if (const Refusal refusal = judge_fields()) return refuse(refusal);
  if (const Refusal refusal = judge_head(facts_, limits_, *builder_)) return refuse(refusal);
  const bool chunked = (head.flags & wire::kChunkedBody) != 0;
  // Two readers of the same fields: where they disagree, so might a proxy in front. (llhttp does not know a chunked with a tab
  // behind it, which RFC 9112 5.1 allows.)
  const bool chunked_seen = (llhttp().flags & F_CHUNKED) != 0;
  const std::uint64_t length_seen = (llhttp().flags & F_CONTENT_LENGTH) != 0 ? llhttp().content_length : 0;
  if (!chunked && (chunked_seen || length_seen != head.content_length)) {
    return refuse({400, "Message length is ambiguous"});
  }
  keep_alive_ = wants_keep_alive(facts_, head.http_version);
  upgrade_ = head.http_version >= 11 && facts_.has(HeadFacts::kUpgradeOption) && facts_.has(HeadFacts::kUpgradeField);
  expects_continue_ = (head.flags & wire::kExpectContinue) != 0;
  if (chunked) {
    body_ = Body::Chunked;
    reader_.emplace<ChunkDecoder>();
  } else if (head.content_length != 0) {
    body_ = Body::Length;
    remaining_ = head.content_length;
  }
  state_ = State::HeadDone;
  return Feed::HeadDone;
}

Feed H1Parser::feed_body(std::span<const char>& in) {
  if (body_ == Body::Length) {
    if (remaining_ == 0) return message_done();
    if (in.empty()) return Feed::NeedMore;
    piece_ = in.first(static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, in.size())));
    in = in.subspan(piece_.size());
    remaining_ -= piece_.size();
    body_received_ += piece_.size();
    return Feed::BodyPiece;
  }
  switch (chunks().next(in, piece_, limits_)) {
    case ChunkDecoder::Step::Piece: body_received_ += piece_.size(); return Feed::BodyPiece;
    case ChunkDecoder::Step::Done: return message_done();
    case ChunkDecoder::Step::Bad: return refuse(chunks().refusal());
    case ChunkDecoder::Step::NeedMore: break;
  }
  return Feed::NeedMore;
}

Feed H1Parser::message_done() {
  state_ = State::Idle;
  leading_ = 0;
  builder_ = nullptr;
  return Feed::MessageDone;
}

}  // namespace prefork::http

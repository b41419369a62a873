#include "master/http/h1_policy.hpp"

#include <algorithm>
#include <array>

#include "master/http/characters.hpp"
#include "master/http/uri.hpp"

namespace prefork::http {
namespace {

using wire::Name;

constexpr std::uint64_t kLongestBody = ~std::uint64_t{0} >> 1;

// RFC 9110 8.6: digits only. A list is refused as well (RFC 9112 6.3 lets a server do that).
Refusal judge_content_length(HeadFacts& facts, std::string_view value) {
  if (facts.has(HeadFacts::kContentLength)) return {400, "Content-Length more than once"};
  facts.add(HeadFacts::kContentLength);
  if (value.empty()) return {400, "Content-Length is empty"};
  std::uint64_t length = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return {400, "Content-Length is not a number"};
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (length > (kLongestBody - digit) / 10) return {413, "Content-Length is too large"};
    length = length * 10 + digit;
  }
  facts.content_length = length;
  return {};
}

// RFC 9112 6.1 and 6.3: chunked must be the last coding and applied once; codings in front of it are not implemented.
Refusal judge_transfer_encoding(HeadFacts& facts, std::string_view value) {
  if (facts.has(HeadFacts::kTransferEncoding)) return {400, "Transfer-Encoding more than once"};
  facts.add(HeadFacts::kTransferEncoding);
  if (same_letters(value, "chunked")) return {};
  const std::size_t comma = value.rfind(',');
  if (comma == std::string_view::npos || !same_letters(trim(value.substr(comma + 1)), "chunked")) {
    return {400, "Transfer-Encoding does not end with chunked"};
  }
  bool twice = false;
  for_each_member(value.substr(0, comma),
                  [&](std::string_view coding) { twice = twice || same_letters(coding, "chunked"); });
  if (twice) return {400, "Transfer-Encoding has chunked twice"};
  return {501, "Transfer-Encoding is not implemented"};
}

void note_connection(HeadFacts& facts, std::string_view value) {
  for_each_member(value, [&](std::string_view option) {
    if (same_letters(option, "close"))
      facts.add(HeadFacts::kClose);
    else if (same_letters(option, "keep-alive"))
      facts.add(HeadFacts::kKeepAlive);
    else if (same_letters(option, "upgrade"))
      facts.add(HeadFacts::kUpgradeOption);
  });
}

void note_expect(HeadFacts& facts, std::string_view value) {
  for_each_member(value, [&](std::string_view expectation) {
    facts.add(same_letters(expectation, "100-continue") ? HeadFacts::kContinue : HeadFacts::kOtherExpectation);
  });
}

void note_te(HeadFacts& facts, std::string_view value) {
  for_each_member(value, [&](std::string_view coding) {
    if (same_letters(trim(coding.substr(0, coding.find(';'))), "trailers")) facts.add(HeadFacts::kTrailers);
  });
}

enum class Target : std::uint8_t { Bad, Plain, Escaped, Query };  // classes of target bytes

// RFC 9112 3.2 wants URI characters. Bytes that no URI has but clients send (quotes, braces, a bar) pass, as they are harmless;
// control characters, blanks, bytes above 0x7f and fragments do not.
constexpr auto kTargetTable = [] {
  std::array<Target, 256> table{};
  for (std::size_t c = 0x21; c < 0x7f; ++c) table[c] = Target::Plain;
  table['#'] = Target::Bad;
  table['%'] = Target::Escaped;
  table['?'] = Target::Query;
  return table;
}();

struct TargetShape {
  std::size_t query = std::string_view::npos;  // of the first question mark
  bool escaped = false;                        // an escape in front of it
  bool valid = true;
};

TargetShape shape_of(std::string_view target) {
  TargetShape shape;
  std::size_t at = 0;
  for (; at < target.size(); ++at) {
    const Target kind = kTargetTable[static_cast<unsigned char>(target[at])];
    if (kind == Target::Plain) continue;
    if (kind == Target::Escaped)
      shape.escaped = true;
    else
      break;
  }
  if (at == target.size()) return shape;
  if (target[at] == '?') shape.query = at;
  for (; at < target.size(); ++at) {
    if (kTargetTable[static_cast<unsigned char>(target[at])] == Target::Bad) shape.valid = false;
  }
  return shape;
}

// Sets raw_path, path and query from `offset` bytes into the target on.
void place_path(wire::RequestBuilder& builder, std::size_t offset, const TargetShape& shape) {
  wire::RequestHead& head = builder.head;
  const auto start = static_cast<std::uint32_t>(head.target.offset + offset);
  const std::uint32_t end = head.target.offset + head.target.length;
  const bool query = shape.query != std::string_view::npos;
  const auto path_end = query ? static_cast<std::uint32_t>(head.target.offset + shape.query) : end;
  head.raw_path = {start, path_end - start};
  if (query) head.query = {path_end + 1, end - path_end - 1};
  head.path = head.raw_path;
  if (!shape.escaped) return;
  head.path = {builder.size(), 0};
  builder.append(std::string(head.raw_path.length, '\0'));
  char* bytes = builder.data();
  head.path.length = static_cast<std::uint32_t>(
      percent_decode({bytes + head.raw_path.offset, head.raw_path.length}, bytes + head.path.offset));
  builder.truncate(head.path.offset + head.path.length);
}

// RFC 9112 3.2.2: the target's authority takes the place of Host.
Refusal judge_absolute(HeadFacts& facts, wire::RequestBuilder& builder, TargetShape shape) {
  wire::RequestHead& head = builder.head;
  const std::string_view target = builder.text(head.target);
  const auto parts = split_absolute(target);
  if (!parts) return {400, "Request target is invalid"};
  const auto authority_at = static_cast<std::size_t>(parts->authority.data() - target.data());
  const std::size_t path_at = authority_at + parts->authority.size();
  head.host = {static_cast<std::uint32_t>(head.target.offset + authority_at),
               static_cast<std::uint32_t>(parts->authority.size())};
  if (facts.has(HeadFacts::kHost)) builder.fields()[facts.host_field].value = head.host;
  if (shape.escaped) shape.escaped = target.substr(path_at, shape.query - path_at).find('%') != std::string_view::npos;
  place_path(builder, path_at, shape);
  if (head.raw_path.length != 0) return {};
  // RFC 9112 3.2.4: OPTIONS for a whole server is sent to a proxy without path; else an empty path is "/".
  const bool server_wide =
      static_cast<wire::Method>(head.method) == wire::Method::OPTIONS && shape.query == std::string_view::npos;
  head.raw_path = head.path = builder.add_text(server_wide ? "*" : "/");
  return {};
}

Refusal judge_target(HeadFacts& facts, wire::RequestBuilder& builder) {
  wire::RequestHead& head = builder.head;
  const std::string_view target = builder.text(head.target);
  const TargetShape shape = shape_of(target);
  if (!shape.valid || target.empty()) return {400, "Request target has an invalid character"};
  if (target.front() == '/') {
    place_path(builder, 0, shape);
    return {};
  }
  if (target == "*") {
    if (static_cast<wire::Method>(head.method) != wire::Method::OPTIONS)
      return {400, "Request target * is for OPTIONS only"};
    head.raw_path = head.path = head.target;
    return {};
  }
  return judge_absolute(facts, builder, shape);
}

// RFC 9112 3.2: exactly one on 1.1 (a second one was refused as it came), valid wherever it is. An empty one is what a client
// sends for a target without authority.
Refusal judge_host(const HeadFacts& facts, const wire::RequestHead& head, std::string_view host) {
  if (!facts.has(HeadFacts::kHost)) {
    if (head.http_version >= 11) return {400, "Host is missing"};
    return {};
  }
  if (!host.empty() && !valid_authority(host)) return {400, "Host is invalid"};
  return {};
}

Refusal judge_framing(const HeadFacts& facts, const Limits& limits, wire::RequestHead& head) {
  if (facts.has(HeadFacts::kTransferEncoding)) {
    if (facts.has(HeadFacts::kContentLength)) return {400, "Content-Length and Transfer-Encoding together"};
    if (head.http_version < 11) return {400, "Transfer-Encoding on HTTP/1.0"};
    head.flags |= wire::kHasBody | wire::kChunkedBody;
    head.content_length = wire::kUnknownLength;
    return {};
  }
  if (limits.body != 0 && facts.content_length > limits.body) return {413, "Body is too large"};
  if (facts.content_length != 0) head.flags |= wire::kHasBody;
  head.content_length = facts.content_length;
  return {};
}

// RFC 9110 10.1.1: an HTTP/1.0 client cannot expect anything.
Refusal judge_expectation(const HeadFacts& facts, wire::RequestHead& head) {
  if (head.http_version < 11) return {};
  if (facts.has(HeadFacts::kOtherExpectation)) return {417, "Expectation is not supported"};
  if (facts.has(HeadFacts::kContinue) && (head.flags & wire::kHasBody) != 0) head.flags |= wire::kExpectContinue;
  return {};
}

// How methods are named by convention, and what gunicorn takes by default: any token of 3 to 20 characters without small letters. Which
// of them are implemented only the application knows.
bool is_conventional(std::string_view method) {
  constexpr std::size_t kShortest = 3, kLongest = 20;
  if (method.size() < kShortest || method.size() > kLongest) return false;
  if (method.starts_with("PROXY")) return false;  // what is left of a PROXY header reaches no application
  return std::none_of(method.begin(), method.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '#'; });
}

constexpr std::uint64_t bit(Name name) { return std::uint64_t{1} << static_cast<unsigned>(name); }
constexpr std::uint64_t kJudged = bit(Name::Host) | bit(Name::Connection) | bit(Name::ContentLength) |
                                  bit(Name::ContentType) | bit(Name::TransferEncoding) | bit(Name::Upgrade) |
                                  bit(Name::Expect) | bit(Name::Te);
static_assert(Name::Te < Name{64} && Name::Upgrade < Name{64});

}  // namespace

Refusal judge_method(std::string_view name, wire::Method method, const Limits& limits) {
  if (name == "PRI")
    return {505, "HTTP/2 is not spoken here"};  // RFC 9113 3.4: the preface of a client that assumes it
  if (method == wire::Method::CONNECT) return {501, "CONNECT is for proxies"};
  if (method == wire::Method::Unknown && !limits.permit_unconventional_http_method && !is_conventional(name))
    return {501, "Method is not implemented"};
  return {};
}

bool is_judged(Name name) { return name < Name{64} && (kJudged & bit(name)) != 0; }

Refusal judge_field(HeadFacts& facts, Name name, std::string_view value, std::uint32_t index) {
  switch (name) {
    case Name::Host:
      if (facts.has(HeadFacts::kHost)) return {400, "Host more than once"};
      facts.add(HeadFacts::kHost);
      facts.host_field = index;
      return {};
    case Name::ContentType:
      if (facts.has(HeadFacts::kContentType)) return {400, "Content-Type more than once"};
      facts.add(HeadFacts::kContentType);
      return {};
    case Name::ContentLength: return judge_content_length(facts, value);
    case Name::TransferEncoding: return judge_transfer_encoding(facts, value);
    case Name::Connection: note_connection(facts, value); return {};
    case Name::Expect: note_expect(facts, value); return {};
    case Name::Te: note_te(facts, value); return {};
    case Name::Upgrade: facts.add(HeadFacts::kUpgradeField); return {};
    default: return {};
  }
}

Refusal judge_version(int major, int minor, const Limits& limits, wire::RequestHead& head) {
  if (major != 1) {
    // Even then an HTTP/2.0 line is no such request: whoever sends it would go on with frames.
    if (!limits.permit_unconventional_http_version || major == 2) return {505, "HTTP version is not supported"};
    head.http_version = major == 0 ? 10 : 11;
    return {};
  }
  // RFC 9110 2.5: a higher minor version is processed as the highest known one.
  head.http_version = minor == 0 ? 10 : 11;
  return {};
}

Refusal judge_head(HeadFacts& facts, const Limits& limits, wire::RequestBuilder& builder) {
  wire::RequestHead& head = builder.head;
  if (facts.has(HeadFacts::kHost)) head.host = builder.fields()[facts.host_field].value;
  if (const Refusal refusal = judge_host(facts, head, builder.text(head.host))) return refusal;
  if (const Refusal refusal = judge_target(facts, builder)) return refusal;
  if (const Refusal refusal = judge_framing(facts, limits, head)) return refusal;
  if (facts.has(HeadFacts::kTrailers)) head.flags |= wire::kTrailersAccepted;
  return judge_expectation(facts, head);
}

bool wants_keep_alive(const HeadFacts& facts, int http_version) {
  if (facts.has(HeadFacts::kClose)) return false;
  return http_version >= 11 || facts.has(HeadFacts::kKeepAlive);
}

bool is_forbidden_trailer(Name name) {
  switch (name) {
    case Name::Host:
    case Name::ContentLength:
    case Name::TransferEncoding:
    case Name::Trailer:
    case Name::Te:
    case Name::Connection:
    case Name::Upgrade:
    case Name::Expect:
    case Name::Authorization:
    case Name::ProxyAuthorization:
    case Name::Cookie: return true;
    default: return false;
  }
}

}  // namespace prefork::http

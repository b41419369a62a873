// The rules of RFC 9110 and 9112 that a syntax parser leaves open, in one place: which message is refused, with what status,
// and what a head says about the body and the connection. Pure; called by H1Parser as fields and heads complete.
//
// Where the standards give a choice, the choice here is to refuse: what two servers could read differently is the raw
// material of request smuggling. A refused message always ends its connection.
//
//   400  malformed, ambiguous framing, Host missing or wrong      414  request line too long        431  head too large
//   413  body too large                                           417  expectation other than 100-continue
//   501  unusual name of a method, CONNECT, transfer coding        505  a major version other than 1
#pragma once

#include <cstdint>
#include <string_view>

#include "master/http/limits.hpp"
#include "master/http/refusal.hpp"
#include "shm/wire/names.hpp"
#include "shm/wire/request_head.hpp"

namespace prefork::http {

// What the fields of one head said, gathered as they arrive.
struct HeadFacts {
  enum Bits : std::uint16_t {
    kHost = 1,
    kContentLength = 2,
    kTransferEncoding = 4,
    kContentType = 8,
    kClose = 16,
    kKeepAlive = 32,
    kUpgradeOption = 64,
    kUpgradeField = 128,
    kContinue = 256,
    kOtherExpectation = 512,
    kTrailers = 1024,
  };
  std::uint64_t content_length = 0;
  std::uint32_t host_field = 0;  // index in the builder's fields, with kHost
  std::uint16_t seen = 0;

  bool has(Bits bit) const { return (seen & bit) != 0; }
  void add(Bits bit) { seen = static_cast<std::uint16_t>(seen | bit); }
};

// The longest method that is waited for. RFC 9112 3 wants 501 for one that is longer than any known one.
inline constexpr std::uint32_t kLongestMethod = 64;

// A whole method token.
Refusal judge_method(std::string_view name, wire::Method method, const Limits& limits);

// Whether judge_field wants to see fields of that name.
bool is_judged(wire::Name name);

// A field of the head, its value trimmed; `index` is its place among the builder's fields.
Refusal judge_field(HeadFacts& facts, wire::Name name, std::string_view value, std::uint32_t index);

// The version of the request line. Sets builder.head.http_version to what it is processed as.
Refusal judge_version(int major, int minor, const Limits& limits, wire::RequestHead& head);

// The whole head is in the builder: method, version, target, fields. Sets path, query, host, flags and content_length.
Refusal judge_head(HeadFacts& facts, const Limits& limits, wire::RequestBuilder& builder);

// Whether the connection may go on after this message.
bool wants_keep_alive(const HeadFacts& facts, int http_version);

// Fields that refuse a message when its trailer section has them (RFC 9110 6.5.1): framing, routing, authentication. The others
// that do not belong there are harmless, as no trailer reaches the application.
bool is_forbidden_trailer(wire::Name name);

}  // namespace prefork::http

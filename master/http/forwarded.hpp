// What a trusted proxy says about the client: X-Forwarded-For/-Proto/-Host/-Port, Forwarded (RFC 7239), and gunicorn's
// secure_scheme_headers. Pure functions; the results point into the fields or the peer.
//
// What an untrusted peer sends changes nothing. From a trusted one:
//   - secure_scheme_headers set the scheme, always, and refuse a request (400) whose headers contradict each other: gunicorn.
//   - the client's address is worked out for the logs ({client}x). The application sees it as REMOTE_ADDR or scope["client"]
//     only with `apply` (--proxy-headers): under gunicorn REMOTE_ADDR stays the peer, and applications that count proxies
//     themselves would count wrong otherwise.
//   - host and port are taken over only with `apply`.
// Forwarded counts only when no X-Forwarded-For, -Proto, -Host or -Port field came, and its proto only with `apply`: a proxy that
// writes one family passes the other through as the client sent it. Whoever uses Forwarded lets the proxy remove X-Forwarded-*.
//
// Which entry is the client: with trusted_hops = N the Nth from the right (fewer entries: the peer stays, because somebody went
// round a proxy); with 0 one walks from the right while the addresses are trusted, and ends at the first that is not. An entry
// that is no address ("unknown", "_hidden") ends the walk before it: the result is always an address. Proto and host come from
// the entry at the same place, the last one when the list is shorter.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "master/http/field_list.hpp"
#include "master/http/refusal.hpp"
#include "master/http/trust_list.hpp"

namespace prefork::http {

struct ForwardedPolicy {
  struct SchemeField {
    wire::Name id = wire::Name::Unknown;
    std::string name;   // lower case
    std::string value;  // exactly this means https, anything else http
  };

  TrustList trusted;
  unsigned trusted_hops = 0;
  bool apply = false;
  std::vector<SchemeField> scheme_fields;

  ForwardedPolicy() = default;
  ForwardedPolicy(TrustList trusted, unsigned trusted_hops, bool apply,
                  const std::map<std::string, std::string>& secure_scheme_headers);
};

struct Forwarded {
  Refusal refusal;
  std::optional<wire::Scheme> scheme;  // empty: as the connection says
  std::string_view client;             // after trusted proxies; the peer's address when nothing else is known
  std::uint16_t client_port = 0;       // 0: not known
  bool client_applies = false;         // the application sees `client` in place of the peer
  std::string_view host;               // empty: as the Host field says; may have a port
  std::uint16_t port = 0;              // of the server as the client sees it; 0: not said
};

// `trusted` is policy.trusted.trusts(peer), asked once a connection.
[[nodiscard]] Forwarded read_forwarded(const ForwardedPolicy& policy, const Peer& peer, bool trusted,
                                       const FieldList& fields);

// One element of a Forwarded field; parameters that are not there, or not usable as they stand (a quoted pair), are empty.
struct ForwardedElement {
  std::string_view by, for_, host, proto;
};
// False when the value breaks the grammar; what was read before that stays in `out`.
[[nodiscard]] bool parse_forwarded(std::string_view value, std::vector<ForwardedElement>& out);

// "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "2001:db8::1". Empty when it is no address.
struct Node {
  std::string_view address;
  std::uint16_t port = 0;
  IpAddress ip;
};
[[nodiscard]] std::optional<Node> parse_node(std::string_view text);

}  // namespace prefork::http

#include "master/http/forwarded.hpp"

#include <algorithm>
#include <charconv>

#include "master/http/characters.hpp"

namespace prefork::http {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return {};
  return port;
}

// A Host that may stand in an environ or an URL: a name or an address, perhaps with a port.
bool usable_host(std::string_view text) {
  if (text.empty() || text.size() > 262) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '[' || c == ']';
  });
}

// The nth entry from the right (1 is the last); the last when the list is shorter.
std::string_view pick(std::string_view list, unsigned nth) {
  std::string_view rest = list;
  for (unsigned at = 1; at < nth; ++at) {
    const auto comma = rest.rfind(',');
    if (comma == std::string_view::npos) return pick(list, 1);
    rest = rest.substr(0, comma);
  }
  const auto comma = rest.rfind(',');
  return trim(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
}

// Hands out the client candidates, the nearest first, and stops at the client.
class ClientWalk {
 public:
  ClientWalk(const ForwardedPolicy& policy, Forwarded& out) : policy_(policy), out_(out) {}

  // False when no further entry is wanted.
  bool take(std::string_view entry) {
    ++seen_;
    const auto node = parse_node(entry);
    if (policy_.trusted_hops != 0) {
      if (seen_ < policy_.trusted_hops) return true;
      if (node) accept(*node);
      return false;
    }
    if (!node) return false;
    accept(*node);
    return policy_.trusted.trusts(node->ip);
  }
  unsigned place() const { return std::max(place_, 1u); }

 private:
  void accept(const Node& node) {
    out_.client = node.address;
    out_.client_port = node.port;
    out_.client_applies = policy_.apply;
    place_ = seen_;
  }

  const ForwardedPolicy& policy_;
  Forwarded& out_;
  unsigned seen_ = 0;
  unsigned place_ = 0;
};

struct Found {
  bool any = false;
  bool forwarded = false;
  bool x_for = false;
  std::string_view x_host, x_port;
};

Found find(const FieldList& fields) {
  Found found;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const FieldRef field = fields[i];
    switch (field.id) {
      case wire::Name::XForwardedFor: found.any = found.x_for = true; break;
      case wire::Name::XForwardedProto: found.any = true; break;
      case wire::Name::XForwardedHost: found.any = true, found.x_host = field.value; break;
      case wire::Name::XForwardedPort: found.any = true, found.x_port = field.value; break;
      case wire::Name::Forwarded: found.forwarded = true; break;
      default: break;
    }
  }
  return found;
}

// Several lines are one list.
void walk_x_forwarded_for(const FieldList& fields, ClientWalk& walk) {
  for (std::size_t i = fields.size(); i-- > 0;) {
    const FieldRef field = fields[i];
    if (field.id != wire::Name::XForwardedFor) continue;
    for (std::string_view rest = field.value;;) {
      const auto comma = rest.rfind(',');
      if (!walk.take(trim(comma == std::string_view::npos ? rest : rest.substr(comma + 1)))) return;
      if (comma == std::string_view::npos) break;
      rest = rest.substr(0, comma);
    }
  }
}

bool means_https(const ForwardedPolicy& policy, const ForwardedPolicy::SchemeField& scheme, std::string_view value,
                 unsigned place) {
  if (scheme.id != wire::Name::XForwardedProto) return value == scheme.value;
  const std::string_view said = policy.apply ? pick(value, place) : value;
  return said == scheme.value || (scheme.value == "https" && said == "wss");  // what Traefik says of a WebSocket
}

// Whether a secure scheme field came; a contradiction is refused.
bool read_scheme(const ForwardedPolicy& policy, const FieldList& fields, unsigned place, Forwarded& out) {
  bool found = false;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const FieldRef field = fields[i];
    for (const auto& scheme : policy.scheme_fields) {
      if (scheme.id != field.id || (scheme.id == wire::Name::Unknown && !same_name(scheme.name, field.name))) continue;
      const auto said = means_https(policy, scheme, field.value, place) ? wire::Scheme::Https : wire::Scheme::Http;
      if (found && out.scheme != said) {
        out.refusal = {400, "Contradictory scheme headers"};
        return true;
      }
      out.scheme = said;
      found = true;
    }
  }
  return found;
}

void apply_host(std::string_view host, std::string_view port, Forwarded& out) {
  if (usable_host(host)) {
    out.host = host;
    const auto colon = host.rfind(':');
    if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
      out.port = parse_port(host.substr(colon + 1)).value_or(0);
    }
  }
  if (const auto number = parse_port(port)) out.port = *number;
}

void read_rfc7239(const ForwardedPolicy& policy, const FieldList& fields, bool scheme_known, Forwarded& out) {
  std::vector<ForwardedElement> elements;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const FieldRef field = fields[i];
    // Nobody knows which proxy broke the list, so none of it counts.
    if (field.id == wire::Name::Forwarded && !parse_forwarded(field.value, elements)) return;
  }
  ClientWalk walk(policy, out);
  for (auto element = elements.rbegin(); element != elements.rend() && walk.take(element->for_); ++element) {
  }
  if (!policy.apply || elements.empty()) return;
  const std::size_t place = std::min<std::size_t>(walk.place(), elements.size());
  const ForwardedElement& nearest = elements[elements.size() - place];
  if (!scheme_known && (same_name(nearest.proto, "https") || same_name(nearest.proto, "wss")))
    out.scheme = wire::Scheme::Https;
  if (!scheme_known && (same_name(nearest.proto, "http") || same_name(nearest.proto, "ws")))
    out.scheme = wire::Scheme::Http;
  apply_host(nearest.host, {}, out);
}

bool token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}

// token, or what people send unquoted although they must not: addresses with colons and brackets.
bool loose_char(char c) { return token_char(c) || c == ':' || c == '[' || c == ']'; }

void skip_space(std::string_view& rest) {
  while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
}

std::string_view take_while(std::string_view& rest, bool (*allowed)(char)) {
  std::size_t length = 0;
  while (length < rest.size() && allowed(rest[length])) ++length;
  const std::string_view taken = rest.substr(0, length);
  rest.remove_prefix(length);
  return taken;
}

// A quoted string without its quotes; empty when it holds a quoted pair, because that would have to be copied.
bool take_quoted(std::string_view& rest, std::string_view& value) {
  bool escaped = false;
  for (std::size_t at = 1; at < rest.size(); ++at) {
    if (rest[at] == '\\') {
      escaped = true;
      ++at;
    } else if (rest[at] == '"') {
      value = escaped ? std::string_view{} : rest.substr(1, at - 1);
      rest.remove_prefix(at + 1);
      return true;
    }
  }
  return false;
}

bool take_pair(std::string_view& rest, ForwardedElement& element) {
  const std::string_view name = take_while(rest, token_char);
  if (name.empty() || !rest.starts_with('=')) return false;
  rest.remove_prefix(1);
  std::string_view value;
  if (rest.starts_with('"')) {
    if (!take_quoted(rest, value)) return false;
  } else if ((value = take_while(rest, loose_char)).empty()) {
    return false;
  }
  if (same_name(name, "for")) element.for_ = value;
  if (same_name(name, "by")) element.by = value;
  if (same_name(name, "host")) element.host = value;
  if (same_name(name, "proto")) element.proto = value;
  return true;
}

}  // namespace

ForwardedPolicy::ForwardedPolicy(TrustList trusted_peers, unsigned hops, bool apply_client,
                                 const std::map<std::string, std::string>& secure_scheme_headers)
    : trusted(std::move(trusted_peers)), trusted_hops(hops), apply(apply_client) {
  for (const auto& [name, value] : secure_scheme_headers) {
    scheme_fields.push_back({wire::find_name(name), lowered(name), value});
  }
}

Forwarded read_forwarded(const ForwardedPolicy& policy, const Peer& peer, bool trusted, const FieldList& fields) {
  Forwarded out;
  out.client = peer.address;
  out.client_port = peer.port;
  if (!trusted) return out;

  const Found found = find(fields);
  ClientWalk walk(policy, out);
  if (found.x_for) walk_x_forwarded_for(fields, walk);
  const bool scheme_known = read_scheme(policy, fields, walk.place(), out);
  if (out.refusal) return out;
  if (policy.apply) apply_host(pick(found.x_host, walk.place()), pick(found.x_port, walk.place()), out);
  if (found.forwarded && !found.any) read_rfc7239(policy, fields, scheme_known, out);
  return out;
}

bool parse_forwarded(std::string_view value, std::vector<ForwardedElement>& out) {
  std::string_view rest = value;
  while (true) {
    ForwardedElement element;
    bool any = false;
    for (skip_space(rest); !rest.empty() && rest.front() != ',';) {
      if (rest.front() == ';') {
        rest.remove_prefix(1);
      } else if (take_pair(rest, element)) {
        any = true;
        skip_space(rest);
        if (!rest.empty() && rest.front() != ';' && rest.front() != ',') return false;
      } else {
        return false;
      }
      skip_space(rest);
    }
    if (any) out.push_back(element);  // RFC 9110 5.6.1: empty list elements are skipped
    if (rest.empty()) return true;
    rest.remove_prefix(1);
  }
}

std::optional<Node> parse_node(std::string_view text) {
  Node node;
  node.address = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return {};
    node.address = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return {};
    if (node.address.find(':') == std::string_view::npos) return {};
  } else if (const auto colon = text.find(':');
             colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    node.address = text.substr(0, colon);
    port = text.substr(colon);
  }
  // A zone is text of the sender's choice and names an interface of his machine.
  if (node.address.find('%') != std::string_view::npos) return {};
  const auto ip = parse_ip(node.address);
  if (!ip) return {};
  node.ip = *ip;
  // An obfuscated port ("_x") or a missing one is no reason to lose the address.
  if (port.size() > 1) node.port = parse_port(port.substr(1)).value_or(0);
  return node;
}

}  // namespace prefork::http

#include "master/serve/client_facts.hpp"

#include <algorithm>
#include <charconv>

#include "master/http/characters.hpp"
#include "master/http/field_list.hpp"

namespace prefork::serve {
namespace {

// A client that is known has an address, and then the server has one too: what the client asked for, not the socket's path.
void leave_unix_socket(wire::RequestBuilder& request, std::uint16_t port) {
  request.head.flags = static_cast<std::uint8_t>(request.head.flags & ~wire::kUnixPeer);
  std::string name(request.text(request.head.host));
  const auto colon = name.rfind(':');
  if (colon != std::string::npos && name.find(']', colon) == std::string::npos) {
    if (port == 0) (void)std::from_chars(name.data() + colon + 1, name.data() + name.size(), port);
    name.resize(colon);
  }
  request.head.server = request.add_text(name.empty() ? "localhost" : name);
  request.head.server_port = port != 0 ? port : request.head.scheme == wire::Scheme::Https ? 443 : 80;
}

std::size_t index(wire::Name name) { return static_cast<std::size_t>(name); }

}  // namespace

ClientFacts::ClientFacts(const Config& config)
    : policy_(http::TrustList(config.forwarded_allow_ips), static_cast<unsigned>(config.trusted_hops),
              config.proxy_headers, config.secure_scheme_headers),
      id_name_(http::lowered(config.request_id_header)),
      id_name_id_(wire::find_name(id_name_)) {
  using wire::Name;
  for (const Name name :
       {Name::Forwarded, Name::XForwardedFor, Name::XForwardedProto, Name::XForwardedHost, Name::XForwardedPort})
    wanted_[index(name)] = true;
  for (const auto& field : policy_.scheme_fields) wanted_[index(field.id)] = true;
  wanted_[index(id_name_id_)] = true;
  wanted_[index(Name::Unknown)] = true;  // SCRIPT_NAME, and names that a setting may hold
}

bool ClientFacts::trusts(const net::Peer& peer) const {
  return policy_.trusted.trusts({peer.address, peer.port, peer.unix_socket});
}

// One pass over the fields of a trusted peer; most requests have none that matter.
ClientFacts::Seen ClientFacts::look(const wire::RequestBuilder& request) const {
  Seen seen;
  for (const wire::Field& field : request.fields()) {
    if (!wanted_[field.name_id]) continue;
    if (field.name_id != 0) {
      if (field.name_id == index(id_name_id_)) {
        seen.request_id = request.text(field.value);
      } else {
        seen.forwarded = true;
      }
      continue;
    }
    const std::string_view name = request.name(field);
    if (http::same_name(name, "script_name")) {
      seen.script_name = request.text(field.value);
    } else if (!id_name_.empty() && http::same_name(name, id_name_)) {
      seen.request_id = request.text(field.value);
    } else {
      seen.forwarded = seen.forwarded || std::any_of(policy_.scheme_fields.begin(), policy_.scheme_fields.end(),
                                                     [&](const auto& one) { return http::same_name(one.name, name); });
    }
  }
  return seen;
}

http::Refusal ClientFacts::apply(http::Exchange& exchange, const net::Peer& peer) {
  wire::RequestBuilder& request = exchange.request;
  Seen seen;
  if (peer.trusted) seen = look(request);
  // The texts point into the request, which may move when texts are added: each is copied before that.
  const std::string script(seen.script_name);
  const std::string id(seen.request_id);
  if (seen.forwarded) {
    if (const http::Refusal refusal = apply_forwarded(exchange, peer)) return refusal;
  }
  // Only a trusted peer's field came as far as this: the parser drops or refuses names with an underscore otherwise.
  if (!script.empty()) request.head.script_name = request.add_text(script);
  apply_id(request, id);
  return {};
}

http::Refusal ClientFacts::apply_forwarded(http::Exchange& exchange, const net::Peer& peer) {
  wire::RequestBuilder& request = exchange.request;
  const http::Forwarded said =
      http::read_forwarded(policy_, {peer.address, peer.port, peer.unix_socket}, true, http::FieldList(request));
  if (said.refusal) return said.refusal;
  const std::string client(said.client);
  const std::string host(said.host);
  if (said.scheme) request.head.scheme = *said.scheme;
  if (client != peer.address) exchange.client = request.add_text(client);
  if (said.client_applies) {
    request.head.client = exchange.client.length != 0 ? exchange.client : request.add_text(client);
    request.head.client_port = said.client_port;
  }
  if (!host.empty()) request.head.host = request.add_text(host);
  if (said.port != 0) request.head.server_port = said.port;
  if (peer.unix_socket && said.client_applies && !client.empty()) leave_unix_socket(request, said.port);
  return {};
}

void ClientFacts::apply_id(wire::RequestBuilder& request, std::string_view given) {
  if (id_name_.empty()) return;
  if (http::valid_request_id(given)) {
    request.head.request_id = request.add_text(given);
    return;
  }
  std::array<char, http::kRequestIdLength> made;
  ids_.next(made.data());
  request.head.request_id = request.add_text({made.data(), made.size()});
}

}  // namespace prefork::serve

// What is found out about a request when its head is complete: who the client is behind trusted proxies, and the request's id.
// One per loop. The rules are in http/forwarded.hpp and http/request_id.hpp; here they are put into the request.
#pragma once

#include <array>
#include <string>

#include "master/config.hpp"
#include "master/http/exchange.hpp"
#include "master/http/forwarded.hpp"
#include "master/http/request_id.hpp"
#include "master/net/listener.hpp"

namespace prefork::serve {

class ClientFacts {
 public:
  explicit ClientFacts(const Config& config);

  bool trusts(const net::Peer& peer) const;
  // Sets scheme, client, host, script_name and request_id of the request, before it is finished.
  http::Refusal apply(http::Exchange& exchange, const net::Peer& peer);

 private:
  struct Seen {
    bool forwarded = false;  // a field of a proxy came
    std::string_view request_id;
    std::string_view script_name;
  };
  Seen look(const wire::RequestBuilder& request) const;
  http::Refusal apply_forwarded(http::Exchange& exchange, const net::Peer& peer);
  void apply_id(wire::RequestBuilder& request, std::string_view given);

  http::ForwardedPolicy policy_;
  http::RequestIds ids_;
  std::string id_name_;  // lower case; empty: no ids
  wire::Name id_name_id_ = wire::Name::Unknown;
  std::array<bool, static_cast<std::size_t>(wire::Name::kCount)> wanted_{};  // names that look() must not pass over
};

}  // namespace prefork::serve

// One byte of settings, then lines of fields: whatever a proxy passes on, the client stays an address or the peer.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "master/http/forwarded.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  using namespace prefork;
  if (length == 0) return 0;
  static const std::map<std::string, std::string> kSecure = {{"X-FORWARDED-PROTO", "https"}, {"X-FORWARDED-SSL", "on"}};
  const unsigned settings = data[0];
  const http::ForwardedPolicy policy(
      http::TrustList((settings & 8) != 0 ? std::vector<std::string>{"*"} : std::vector<std::string>{"10.0.0.0/8"}),
      settings & 3, (settings & 4) != 0, kSecure);
  std::vector<http::FieldRef> fields;
  std::string_view rest(reinterpret_cast<const char*>(data + 1), length - 1);
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, colon);
    fields.push_back({wire::find_name(name), name, line.substr(colon + 1)});
  }
  const http::Peer peer{"10.0.0.1", 1, false};
  const http::Forwarded result = http::read_forwarded(policy, peer, true, http::FieldList(fields));
  if (result.client != peer.address && !http::parse_ip(result.client)) std::abort();
  if (result.client_applies && !policy.apply) std::abort();
  for (const char c : result.host) {
    if (c <= ' ' || c == '"' || c == '<' || c == '/') std::abort();
  }
  return 0;
}

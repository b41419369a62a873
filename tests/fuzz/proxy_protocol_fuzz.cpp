// The outcome does not depend on how the bytes are cut: fed whole and byte by byte they give the same.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "master/http/proxy_protocol.hpp"

namespace {

using prefork::http::ProxyMode;
using prefork::http::ProxyProtocol;

struct Outcome {
  ProxyProtocol::Status status = ProxyProtocol::Status::NeedMore;
  std::string rest;
  std::string client;
  bool operator==(const Outcome&) const = default;
};

Outcome feed(ProxyMode mode, std::span<const char> bytes, std::size_t step) {
  ProxyProtocol proxy(mode, true);
  Outcome outcome;
  while (!bytes.empty() && outcome.status == ProxyProtocol::Status::NeedMore) {
    std::span<const char> piece = bytes.first(std::min(step, bytes.size()));
    const std::size_t offered = piece.size();
    outcome.status = proxy.feed(piece);
    if (outcome.status == ProxyProtocol::Status::NeedMore && !piece.empty()) std::abort();
    bytes = bytes.subspan(offered - piece.size());
  }
  if (outcome.status == ProxyProtocol::Status::NotProxy) outcome.rest = proxy.replay();
  if (outcome.status == ProxyProtocol::Status::NotProxy || outcome.status == ProxyProtocol::Status::Done)
    outcome.rest.append(bytes.begin(), bytes.end());
  if (outcome.status == ProxyProtocol::Status::Done)
    outcome.client = std::string(proxy.client()) + "/" + std::to_string(proxy.client_port());
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  if (length == 0) return 0;
  const auto mode = static_cast<ProxyMode>(data[0] & 3);
  const std::span<const char> bytes(reinterpret_cast<const char*>(data + 1), length - 1);
  const Outcome whole = feed(mode, bytes, bytes.size() + 1);
  if (!(whole == feed(mode, bytes, 1)) || !(whole == feed(mode, bytes, 5))) std::abort();
  return 0;
}

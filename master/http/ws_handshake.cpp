#include "master/http/ws_handshake.hpp"

#include <algorithm>

#include "master/http/characters.hpp"
#include "master/http/ws_accept_key.hpp"

namespace prefork::http {
namespace {

// The fields that matter here, gathered in one walk.
struct Found {
  bool upgrade = false, connection = false, body = false;
  int keys = 0, versions = 0;
  std::string_view key, version;
  std::vector<std::string_view> protocol_lines, extension_lines;
};

bool has_token(std::string_view list, std::string_view wanted) {
  bool found = false;
  for_each_member(list, [&](std::string_view member) { found = found || same_name(member, wanted); });
  return found;
}

Found find_fields(std::span<const WsField> fields) {
  Found found;
  for (const auto& [name, value] : fields) {
    if (same_name(name, "upgrade")) {
      found.upgrade = found.upgrade || has_token(value, "websocket");
    } else if (same_name(name, "connection")) {
      found.connection = found.connection || has_token(value, "upgrade");
    } else if (same_name(name, "sec-websocket-key")) {
      ++found.keys;
      found.key = trim(value);
    } else if (same_name(name, "sec-websocket-version")) {
      ++found.versions;
      found.version = trim(value);
    } else if (same_name(name, "sec-websocket-protocol")) {
      found.protocol_lines.push_back(value);
    } else if (same_name(name, "sec-websocket-extensions")) {
      found.extension_lines.push_back(value);
    } else if (same_name(name, "transfer-encoding")) {
      found.body = true;
    } else if (same_name(name, "content-length")) {
      found.body = found.body || trim(value) != "0";
    }
  }
  return found;
}

bool read_subprotocols(std::span<const std::string_view> lines, std::vector<std::string_view>& out) {
  for (const auto line : lines) {
    for_each_member(line, [&](std::string_view member) { out.push_back(member); });
  }
  return std::all_of(out.begin(), out.end(), is_token);
}

}  // namespace

WsRequest read_ws_request(std::string_view method, int http_version, std::span<const WsField> fields,
                          const WsDeflateWishes* wishes) {
  WsRequest request;
  const auto refuse = [&](WsRequest::Verdict verdict, const char* reason) {
    request.verdict = verdict;
    request.reason = reason;
    return std::move(request);
  };
  const Found found = find_fields(fields);
  // An upgrade is an offer: where it cannot be one, the request is answered as if it had not been made (RFC 9110, 7.8).
  if (method != "GET" || http_version != 11 || !found.upgrade || !found.connection) return request;
  using enum WsRequest::Verdict;
  // What would be the body is not read as one behind an upgrade, and must not be taken for frames either.
  if (found.body) return refuse(BadRequest, "WebSocket request with a body");
  if (found.versions != 1 || found.version != "13") return refuse(UpgradeRequired, "WebSocket version is not 13");
  if (found.keys != 1 || !is_ws_key(found.key))
    return refuse(BadRequest, "Sec-WebSocket-Key is not one key of 16 bytes");
  if (!read_subprotocols(found.protocol_lines, request.subprotocols)) {
    return refuse(BadRequest, "Sec-WebSocket-Protocol is not a list of tokens");
  }
  request.verdict = Valid;
  request.accept = ws_accept_key(found.key);
  if (wishes) request.deflate = agree_ws_deflate(found.extension_lines, *wishes);
  return request;
}

std::string ws_accept_lines(const WsRequest& request) {
  std::string lines = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + request.accept + "\r\n";
  if (request.deflate) lines += "Sec-WebSocket-Extensions: " + ws_deflate_value(*request.deflate) + "\r\n";
  return lines;
}

}  // namespace prefork::http

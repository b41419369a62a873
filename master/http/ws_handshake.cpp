#include "master/http/ws_handshake.hpp"

#include <algorithm>

#include "master/http/ws_accept_key.hpp"

namespace prefork::http {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

// The next element of a comma-separated list, trimmed; empty elements are passed over; empty at the end.
std::string_view next_element(std::string_view& list) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    const auto element = trimmed(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (!element.empty()) return element;
  }
  return {};
}

bool is_token(std::string_view text) {
  constexpr std::string_view kSeparators = "()<>@,;:\\\"/[]?={}";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return c > ' ' && c < 0x7F && kSeparators.find(c) == std::string_view::npos;
  });
}

// The fields that matter here, gathered in one walk.
struct Found {
  bool upgrade = false, connection = false, body = false;
  int keys = 0, versions = 0;
  std::string_view key, version;
  std::vector<std::string_view> protocol_lines, extension_lines;
};

bool has_token(std::string_view list, std::string_view wanted) {
  for (auto element = next_element(list); !element.empty(); element = next_element(list)) {
    if (same_name(element, wanted)) return true;
  }
  return false;
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
      found.key = trimmed(value);
    } else if (same_name(name, "sec-websocket-version")) {
      ++found.versions;
      found.version = trimmed(value);
    } else if (same_name(name, "sec-websocket-protocol")) {
      found.protocol_lines.push_back(value);
    } else if (same_name(name, "sec-websocket-extensions")) {
      found.extension_lines.push_back(value);
    } else if (same_name(name, "transfer-encoding")) {
      found.body = true;
    } else if (same_name(name, "content-length")) {
      found.body = found.body || trimmed(value) != "0";
    }
  }
  return found;
}

bool read_subprotocols(std::span<const std::string_view> lines, std::vector<std::string_view>& out) {
  for (auto line : lines) {
    for (auto element = next_element(line); !element.empty(); element = next_element(line)) {
      if (!is_token(element)) return false;
      out.push_back(element);
    }
  }
  return true;
}

void append(std::vector<char>& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }

void append_field(std::vector<char>& out, std::string_view name, std::string_view value) {
  append(out, name);
  append(out, ": ");
  append(out, value);
  append(out, "\r\n");
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

void append_ws_accept(std::vector<char>& out, const WsRequest& request, std::string_view subprotocol,
                      std::span<const WsField> extra) {
  append(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
  append_field(out, "Sec-WebSocket-Accept", request.accept);
  if (!subprotocol.empty()) append_field(out, "Sec-WebSocket-Protocol", subprotocol);
  if (request.deflate) append_field(out, "Sec-WebSocket-Extensions", ws_deflate_value(*request.deflate));
  for (const auto& [name, value] : extra) append_field(out, name, value);
  append(out, "\r\n");
}

}  // namespace prefork::http

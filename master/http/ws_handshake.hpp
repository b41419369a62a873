// The opening handshake of a WebSocket (RFC 6455, section 4.2), from the fields of a request to those of the answer.
// Free functions without state; views point into the request.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "master/http/ws_deflate_terms.hpp"

namespace prefork::http {

struct WsField {
  std::string_view name;  // in any case
  std::string_view value;
};

struct WsRequest {
  enum class Verdict : std::uint8_t {
    NotWebSocket,     // an ordinary request
    Valid,            // may be accepted with 101
    BadRequest,       // answer 400
    UpgradeRequired,  // another version: answer 426 with Sec-WebSocket-Version: 13
  };
  Verdict verdict = Verdict::NotWebSocket;
  const char* reason = "";                     // of a refusal
  std::string accept;                          // Sec-WebSocket-Accept, when valid
  std::vector<std::string_view> subprotocols;  // in the client's order, from all lines
  std::optional<WsDeflateTerms> deflate;       // agreed upon
};

// http_version: 10 or 11. wishes: nullptr when compression is off.
[[nodiscard]] WsRequest read_ws_request(std::string_view method, int http_version, std::span<const WsField> fields,
                                        const WsDeflateWishes* wishes);

// The field lines of the 101 that are the server's: all but the subprotocol, which the application chooses.
[[nodiscard]] std::string ws_accept_lines(const WsRequest& request);

}  // namespace prefork::http

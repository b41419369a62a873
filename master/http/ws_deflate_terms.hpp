// The agreement on permessage-deflate (RFC 7692, section 7.1). Free functions without state.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace prefork::http {

// What both sides keep to. Without an entry in the answer a window has 15 bits.
struct WsDeflateTerms {
  int server_window_bits = 15;
  int client_window_bits = 15;
  bool server_no_context_takeover = false;
  bool client_no_context_takeover = false;
  // Whether the answer names the bits: only what was offered may or must be named.
  bool name_server_bits = false;
  bool name_client_bits = false;
};

// What this side wishes for. With 12 bits a session needs about 32 KiB to write and 11 KiB to read.
struct WsDeflateWishes {
  int server_window_bits = 12;
  int client_window_bits = 12;  // cannot be had from a client that offers no client_max_window_bits
  bool server_no_context_takeover = false;
  bool client_no_context_takeover = false;
};

// The first offer of permessage-deflate that can be met; an offer with an unknown, repeated or wrong parameter cannot.
[[nodiscard]] std::optional<WsDeflateTerms> agree_ws_deflate(std::span<const std::string_view> extension_lines,
                                                             const WsDeflateWishes& wishes);

// The value of Sec-WebSocket-Extensions in the answer.
[[nodiscard]] std::string ws_deflate_value(const WsDeflateTerms& terms);

}  // namespace prefork::http

// The proof that a server understood a WebSocket handshake (RFC 6455, section 4.2.2): base64 of SHA-1 of the client's key and
// a fixed text. SHA-1 protects nothing here, so a small one of our own does.
#pragma once

#include <string>
#include <string_view>

namespace prefork::http {

// True for the base64 form of exactly 16 bytes.
[[nodiscard]] bool is_ws_key(std::string_view client_key);

[[nodiscard]] std::string ws_accept_key(std::string_view client_key);

}  // namespace prefork::http

// What the C++ applications share: a reply in one piece, and the words of a path.
#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include "worker/exchange.hpp"

namespace prefork::worker {

inline void send_whole(Exchange& exchange, std::uint16_t status, std::string_view body) {
  const std::string length = std::to_string(body.size());
  const wire::ReplyField fields[] = {{"Content-Type", "text/plain", wire::Name::ContentType},
                                     {"Content-Length", length, wire::Name::ContentLength}};
  (void)exchange.send_head({status, 0, {}, fields}, wire::as_bytes(body), true);
}

inline std::string_view path_of(const Exchange& exchange) {
  return exchange.request().text(exchange.request().head().path);
}

// True when the path begins so; `rest` is what follows.
inline bool starts(std::string_view path, std::string_view prefix, std::string_view& rest) {
  if (path.substr(0, prefix.size()) != prefix) return false;
  rest = path.substr(prefix.size());
  return true;
}

inline std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace prefork::worker

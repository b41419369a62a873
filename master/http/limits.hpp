// What a client may send, and which deviations an operator allows: one plain struct for every connection of a server.
// Filled from Config once; constant while a connection uses it. Refusals are in h1_policy.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "master/config.hpp"

namespace prefork::http {

// Names with an underscore become the same environ key as names with a dash (RFC 3875 4.1.18), so a client could forge a
// header that a proxy sets. Dangerous keeps them.
enum class HeaderMap : std::uint8_t { Drop, Refuse, Dangerous };

inline constexpr std::uint32_t kMostFields = 32768;  // the wire counts fields in 16 bits

struct Limits {
  // The head. 0 is off, save for `fields` and `head`; what is over a limit is refused as it arrives.
  std::uint32_t request_line = 4094;  // without its line end
  std::uint32_t fields = 100;
  std::uint32_t field_size = 8190;  // one field line with its line end
  std::uint32_t head = 64 << 10;    // request line and all fields, line ends included

  // The body.
  std::uint64_t body = 0;                     // bytes after chunked decoding; 0 is off
  std::uint32_t chunk_line = 4096;            // a chunk's size with its extensions
  std::uint32_t chunk_extensions = 16 << 10;  // all of a message
  std::uint32_t trailer_fields = 100;
  std::uint32_t trailer = 16 << 10;  // the whole trailer section

  // Deviations.
  HeaderMap header_map = HeaderMap::Drop;
  std::vector<std::string> forwarder_headers;       // lower case, or "*" for all: see is_forwarder_header()
  bool permit_obsolete_folding = false;             // a folded line is one line with spaces (RFC 9112 5.2)
  bool permit_unconventional_http_method = false;   // any token is a method, not only names of the usual form
  bool permit_unconventional_http_version = false;  // a major version other than 1

  Limits() = default;
  explicit Limits(const Config& config);

  // Whether a field of that name, in lower case, is kept although it has an underscore when a trusted peer sends it.
  bool is_forwarder_header(std::string_view name) const;
};

}  // namespace prefork::http

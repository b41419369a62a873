#include "master/serve/json_text.hpp"

#include <cstddef>

namespace prefork::serve {
namespace {

// Without an early exit, so that the compiler makes vector code of it: nearly every text is plain.
bool plain(std::string_view text) {
  unsigned special = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    special |= static_cast<unsigned>(byte < 0x20) | static_cast<unsigned>(byte == '"') |
               static_cast<unsigned>(byte == '\\') | static_cast<unsigned>(byte >= 0x7f);
  }
  return special == 0;
}

// The length of the UTF-8 sequence at the front, 0 when it is none (overlong, surrogate, beyond U+10FFFF, cut short).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
  const auto follows = [&](std::size_t at) { return (byte(at) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) > 0x8f) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

void append_escaped(std::string& out, unsigned char byte) {
  static constexpr char kDigits[] = "0123456789abcdef";
  switch (byte) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  out += "\\u00";
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  if (plain(text)) {
    out += text;
  } else {
    while (!text.empty()) {
      const auto byte = static_cast<unsigned char>(text.front());
      std::size_t length = 1;
      if (byte >= 0x80) {
        length = sequence_length(text);
        out += length == 0 ? std::string_view{"\\ufffd"} : text.substr(0, length);
        if (length == 0) length = 1;
      } else if (byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f) {
        append_escaped(out, byte);
      } else {
        out += static_cast<char>(byte);
      }
      text.remove_prefix(length);
    }
  }
  out += '"';
}

}  // namespace prefork::serve

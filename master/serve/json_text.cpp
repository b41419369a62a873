#include "master/serve/json_text.hpp"

#include <cstddef>

#include "master/http/utf8.hpp"

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
        length = http::utf8_length(text);
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

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace prefork::serve

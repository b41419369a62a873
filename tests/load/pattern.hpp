// The bytes that bodies are made of: byte i of a body with phase p is low + (p + i) % period.
// The period is no power of two, so a piece that was moved, lost or doubled at any buffer boundary shows as a wrong byte, and
// the phase differs from request to request, so another request's body is a wrong body.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace prefork::load {

class Pattern {
 public:
  Pattern(unsigned low, unsigned period) : period_(period) {
    table_.resize(kSpan + period);
    for (std::size_t i = 0; i < table_.size(); ++i) table_[i] = static_cast<char>(low + i % period);
  }

  // kSpan bytes of the pattern, from `position` on.
  std::string_view at(std::uint64_t position) const { return {table_.data() + position % period_, kSpan}; }

  bool matches(std::uint64_t position, std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto piece = bytes.substr(0, std::min(bytes.size(), kSpan));
      if (std::memcmp(at(position).data(), piece.data(), piece.size()) != 0) return false;
      position += piece.size();
      bytes.remove_prefix(piece.size());
    }
    return true;
  }

  void append(std::string& out, std::uint64_t position, std::uint64_t length) const {
    while (length > 0) {
      const auto piece = at(position).substr(0, std::min<std::uint64_t>(length, kSpan));
      out.append(piece);
      position += piece.size();
      length -= piece.size();
    }
  }

  static constexpr std::size_t kSpan = 256 * 1024;

 private:
  unsigned period_;
  std::string table_;
};

// Bodies of requests: every byte value below 251.
inline const Pattern& byte_pattern() {
  static const Pattern pattern(0, 251);
  return pattern;
}

// Replies of /len and /chunks: the letters in turn, as EchoApp answers them.
inline const Pattern& letter_pattern() {
  static const Pattern pattern('a', 26);
  return pattern;
}

// WebSocket text: printable ASCII, which is valid UTF-8 at any cut.
inline const Pattern& text_pattern() {
  static const Pattern pattern(' ', 95);
  return pattern;
}

}  // namespace prefork::load

// Says of text that arrives in pieces whether it is UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing above
// U+10FFFF), at the first byte that no continuation could save.
// Owned by whoever reads the text; one thread; no memory beyond these few bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace prefork::http {

class Utf8Validator {
 public:
  // False once the text is invalid, and for every piece after that until reset().
  [[nodiscard]] bool feed(std::span<const char> piece);

  // True when the text so far ends between two characters.
  [[nodiscard]] bool complete() const { return awaited_ == 0; }

  void reset() { *this = {}; }

 private:
  bool start(std::uint8_t lead);
  bool fail();

  std::uint8_t awaited_ = 0;  // continuation bytes that the current character still needs
  std::uint8_t low_ = 0x80;   // the next one must lie in low_..high_ (narrower after E0, ED, F0, F4)
  std::uint8_t high_ = 0xBF;
};

[[nodiscard]] bool is_utf8(std::span<const char> text);

// The length of the character at the front, 0 when there is none (overlong, surrogate, beyond U+10FFFF, cut short).
[[nodiscard]] std::size_t utf8_length(std::string_view text);

}  // namespace prefork::http

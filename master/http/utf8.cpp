#include "master/http/utf8.hpp"

#include <cstring>

namespace prefork::http {
namespace {

// The first byte from `at` on that is not ASCII, or `end`.
const char* skip_ascii(const char* at, const char* end) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  while (end - at >= 32) {
    std::uint64_t words[4];
    std::memcpy(words, at, sizeof words);
    if ((words[0] | words[1] | words[2] | words[3]) & kHighBits) break;
    at += 32;
  }
  while (end - at >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    if (word & kHighBits) break;
    at += 8;
  }
  while (at != end && static_cast<std::uint8_t>(*at) < 0x80) ++at;
  return at;
}

}  // namespace

bool Utf8Validator::feed(std::span<const char> piece) {
  const char* at = piece.data();
  const char* const end = at + piece.size();
  while (at != end) {
    if (awaited_ == 0) {
      at = skip_ascii(at, end);
      if (at == end) break;
      if (!start(static_cast<std::uint8_t>(*at++))) return false;
      continue;
    }
    const auto byte = static_cast<std::uint8_t>(*at++);
    if (byte < low_ || byte > high_) return fail();
    low_ = 0x80;
    high_ = 0xBF;
    --awaited_;
  }
  return low_ <= high_;
}

// The ranges of RFC 3629, section 4.
bool Utf8Validator::start(std::uint8_t lead) {
  low_ = 0x80;
  high_ = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    awaited_ = 1;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    awaited_ = 2;
    if (lead == 0xE0) low_ = 0xA0;   // below: overlong
    if (lead == 0xED) high_ = 0x9F;  // above: surrogates
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    awaited_ = 3;
    if (lead == 0xF0) low_ = 0x90;   // below: overlong
    if (lead == 0xF4) high_ = 0x8F;  // above: beyond U+10FFFF
  } else {
    return fail();
  }
  return true;
}

// Leaves a character that no byte can continue, so that every later piece fails as well.
bool Utf8Validator::fail() {
  awaited_ = 1;
  low_ = 0xFF;
  high_ = 0x00;
  return false;
}

bool is_utf8(std::span<const char> text) {
  Utf8Validator validator;
  return validator.feed(text) && validator.complete();
}

std::size_t utf8_length(std::string_view text) {
  Utf8Validator validator;
  for (std::size_t length = 1; length <= text.size() && validator.feed(text.substr(length - 1, 1)); ++length)
    if (validator.complete()) return length;
  return 0;
}

}  // namespace prefork::http

// The text of a Date field (RFC 9110 5.6.7, IMF-fixdate), made once a second. Pure: the caller brings the time.
// One per loop; used on its thread only.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace prefork::http {

inline constexpr std::size_t kDateLength = 29;  // "Sun, 06 Nov 1994 08:49:37 GMT"

// Writes kDateLength bytes. The year must have four digits: 0 to 9999; a time outside is clamped.
void write_date(std::int64_t unix_seconds, char* out);

class DateText {
 public:
  // Valid until the next call.
  std::string_view at(std::int64_t unix_seconds) {
    if (unix_seconds != second_) {
      write_date(unix_seconds, text_.data());
      second_ = unix_seconds;
    }
    return {text_.data(), kDateLength};
  }

 private:
  std::int64_t second_ = INT64_MIN;
  std::array<char, kDateLength> text_{};
};

}  // namespace prefork::http

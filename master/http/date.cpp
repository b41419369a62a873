#include "master/http/date.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace prefork::http {
namespace {

constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr std::int64_t kEarliest = -62167219200;  // 0000-01-01T00:00:00Z
constexpr std::int64_t kLatest = 253402300799;    // 9999-12-31T23:59:59Z

void put_two(char* out, int value) {
  out[0] = static_cast<char>('0' + value / 10);
  out[1] = static_cast<char>('0' + value % 10);
}

// Reads from the front of a text; every step may fail, and then all later ones do.
struct Reader {
  std::string_view rest;
  bool ok = true;

  bool literal(std::string_view text) {
    if (!ok || !rest.starts_with(text)) return ok = false;
    rest.remove_prefix(text.size());
    return true;
  }
  int number(std::size_t digits) {
    if (!ok || rest.size() < digits) return ok = false, 0;
    int value = 0;
    for (const char c : rest.substr(0, digits)) {
      if (c < '0' || c > '9') return ok = false, 0;
      value = value * 10 + (c - '0');
    }
    rest.remove_prefix(digits);
    return value;
  }
  int padded_day() {  // asctime: " 6" or "16"
    if (ok && rest.starts_with(' ')) return rest.remove_prefix(1), number(1);
    return number(2);
  }
  int month() {
    const auto at = ok && rest.size() >= 3 ? kMonths.find(rest.substr(0, 3)) : std::string_view::npos;
    if (at == std::string_view::npos || at % 3 != 0) return ok = false, 0;
    rest.remove_prefix(3);
    return static_cast<int>(at / 3);
  }
  void clock(std::tm& parts) {
    parts.tm_hour = number(2), literal(":"), parts.tm_min = number(2), literal(":"), parts.tm_sec = number(2);
  }
};

bool plausible(const std::tm& parts) {
  static constexpr int kLengths[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return parts.tm_mday >= 1 && parts.tm_mday <= kLengths[parts.tm_mon] && parts.tm_hour < 24 && parts.tm_min < 60 &&
         parts.tm_sec <= 60;
}

// A two-digit year that seems more than 50 years ahead lies in the past (RFC 9110 5.6.7).
int full_year(int two_digits, std::int64_t now) {
  std::tm today{};
  const time_t seconds = now;
  gmtime_r(&seconds, &today);
  const int this_year = today.tm_year + 1900;
  const int year = this_year - this_year % 100 + two_digits;
  return year > this_year + 50 ? year - 100 : year;
}

}  // namespace

void write_date(std::int64_t unix_seconds, char* out) {
  const time_t seconds = std::clamp(unix_seconds, kEarliest, kLatest);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  const int year = parts.tm_year + 1900;
  std::memcpy(out, "Day, 00 Mon 0000 00:00:00 GMT", kDateLength);
  std::memcpy(out, kDays.data() + parts.tm_wday * 3, 3);
  put_two(out + 5, parts.tm_mday);
  std::memcpy(out + 8, kMonths.data() + parts.tm_mon * 3, 3);
  put_two(out + 12, year / 100);
  put_two(out + 14, year % 100);
  put_two(out + 17, parts.tm_hour);
  put_two(out + 20, parts.tm_min);
  put_two(out + 23, parts.tm_sec);
}

std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) {
  Reader in{text};
  std::tm parts{};
  const auto comma = text.find(',');
  if (comma == 3) {  // Sun, 06 Nov 1994 08:49:37 GMT
    in.rest.remove_prefix(3);
    in.literal(", "), parts.tm_mday = in.number(2), in.literal(" "), parts.tm_mon = in.month(), in.literal(" ");
    parts.tm_year = in.number(4) - 1900, in.literal(" "), in.clock(parts), in.literal(" GMT");
  } else if (comma != std::string_view::npos) {  // Sunday, 06-Nov-94 08:49:37 GMT
    in.rest.remove_prefix(comma);
    in.literal(", "), parts.tm_mday = in.number(2), in.literal("-"), parts.tm_mon = in.month(), in.literal("-");
    parts.tm_year = full_year(in.number(2), now) - 1900, in.literal(" "), in.clock(parts), in.literal(" GMT");
  } else {  // Sun Nov  6 08:49:37 1994
    if (text.size() < 4) return {};
    in.rest.remove_prefix(3);
    in.literal(" "), parts.tm_mon = in.month(), in.literal(" "), parts.tm_mday = in.padded_day(), in.literal(" ");
    in.clock(parts), in.literal(" "), parts.tm_year = in.number(4) - 1900;
  }
  if (!in.ok || !in.rest.empty() || !plausible(parts)) return {};
  return timegm(&parts);
}

}  // namespace prefork::http

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

}  // namespace prefork::http

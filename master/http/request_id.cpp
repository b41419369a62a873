#include "master/http/request_id.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace prefork::http {
namespace {

// The finaliser of SplitMix64: one-to-one, so ids of one object never collide.
std::uint64_t mix(std::uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

void put_hex(std::uint64_t value, char* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int at = 15; at >= 0; --at, value >>= 4) out[at] = kDigits[value & 15];
}

constexpr auto kAllowed = [] {
  std::array<bool, 256> allowed{};
  for (const unsigned char c :
       std::string_view{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~+/=:@,"})
    allowed[c] = true;
  return allowed;
}();

}  // namespace

RequestIds::RequestIds() {
  std::uint64_t random[2];
  // Up to 256 bytes come whole or not at all, once the pool is ready.
  while (getrandom(random, sizeof random, 0) != sizeof random) {
    if (errno != EINTR)
      throw std::system_error(errno, std::generic_category(), "cannot read random bytes for request ids");
  }
  prefix_ = random[0];
  key_ = random[1];
}

void RequestIds::next(char* out) {
  put_hex(prefix_, out);
  put_hex(mix(counter_++ ^ key_), out + 16);
}

bool valid_request_id(std::string_view id) {
  if (id.empty() || id.size() > kRequestIdLongest) return false;
  for (const unsigned char c : id) {
    if (!kAllowed[c]) return false;
  }
  return true;
}

}  // namespace prefork::http

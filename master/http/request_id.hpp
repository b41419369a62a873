// The name of one request in every log: taken from a trusted proxy's X-Request-ID when it is sane, else made here.
// 32 hexadecimal digits, unique over processes and restarts: 64 random bits of this object, then a counter that is mixed with
// other random bits, so that an id does not tell how many requests came before it. Not a secret: it must not open anything.
// One RequestIds per loop; used on its thread only.
#pragma once

#include <cstdint>
#include <string_view>

namespace prefork::http {

inline constexpr std::size_t kRequestIdLength = 32;
inline constexpr std::size_t kRequestIdLongest = 128;

class RequestIds {
 public:
  RequestIds();  // from the kernel's random source; throws std::system_error
  RequestIds(std::uint64_t prefix, std::uint64_t key) : prefix_(prefix), key_(key) {}

  // Writes kRequestIdLength bytes.
  void next(char* out);

 private:
  std::uint64_t prefix_ = 0;
  std::uint64_t key_ = 0;
  std::uint64_t counter_ = 0;
};

// Whether a foreign id may go into logs, environ and replies as it is: 1 to 128 of the characters A-Z a-z 0-9 - _ . ~ + / = : @ ,
// None of them ends a field, opens a quote or means anything to a shell or a page.
[[nodiscard]] bool valid_request_id(std::string_view id);

}  // namespace prefork::http

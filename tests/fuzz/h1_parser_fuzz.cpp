// The parser with its policy: any bytes, any settings, and the same outcome however they are cut. The first bytes of an input
// choose the settings and the cuts.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/master/http/h1_feed.hpp"

namespace {

using namespace prefork::http;
using namespace prefork::http::testing;

constexpr std::size_t kChoices = 3;

[[noreturn]] void fail(const char* what, const Outcome& one, const Outcome& other) {
  std::fprintf(stderr, "%s: %zu messages, %d %s, against %zu messages, %d %s\n", what, one.messages.size(), one.status,
               one.reason.c_str(), other.messages.size(), other.status, other.reason.c_str());
  std::abort();
}

// What holds for every request that an application would see.
void check(const Message& message) {
  const bool fine =
      !message.method.empty() && !message.path.empty() && (message.path[0] == '/' || message.path == "*") &&
      (message.version == 10 || message.version == 11) &&
      message.target.find_first_of(" \r\n\t#") == std::string::npos && message.target.find('\0') == std::string::npos;
  if (!fine) std::abort();
  for (const auto& [name, value] : message.fields) {
    if (name.empty() || name.find_first_of(" :\r\n\tABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos) std::abort();
    if (value.find_first_of("\r\n") != std::string::npos || value.find('\0') != std::string::npos) std::abort();
    if (!value.empty() && (value.front() == ' ' || value.back() == ' ' || value.back() == '\t')) std::abort();
  }
  const bool chunked = (message.flags & prefork::wire::kChunkedBody) != 0;
  if (message.complete && !chunked && message.body.size() != message.content_length) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < kChoices) return 0;
  const Limits limits = limits_from(data[0]);
  const bool trusted = (data[0] & 128) != 0;
  const auto seed = static_cast<std::uint32_t>(data[1] | data[2] << 8);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + kChoices, size - kChoices);
  const Outcome whole = feed_whole(bytes, limits, trusted);
  const Outcome split = feed_split(bytes, limits, seed, trusted);
  const Outcome single = feed_bytewise(bytes, limits, trusted);
  if (whole != split) fail("whole and split differ", whole, split);
  if (whole != single) fail("whole and byte by byte differ", whole, single);
  for (const Message& message : whole.messages) check(message);
  return 0;
}

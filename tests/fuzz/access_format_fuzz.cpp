// The first line is the format, the rest are a request's bytes: whatever both are, one line comes out, and JSON stays one object.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "master/http/utf8.hpp"
#include "master/serve/access_json.hpp"

namespace {

// Ends behind the string that starts at `at`, or aborts.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == '"')
      return at + 1;
  }
  std::abort();
}

void check_json(std::string_view text) {
  if (!prefork::http::is_utf8(text)) std::abort();
  int depth = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
    if (c == '"') {
      at = end_of_string(text, at);
      continue;
    }
    depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    if (depth == 0 && at + 1 != text.size()) std::abort();
    ++at;
  }
  if (depth != 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  using namespace prefork;
  const std::string_view all(reinterpret_cast<const char*>(data), length);
  const auto end = std::min(all.find('\n'), all.size());
  const std::string_view text = all.substr(0, end), rest = all.substr(std::min(end + 1, all.size()));
  try {
    const serve::AccessFormat format(text);
    const http::FieldRef fields[] = {{wire::Name::UserAgent, "user-agent", rest},
                                     {wire::Name::Authorization, "authorization", rest},
                                     {wire::Name::Unknown, "x-own", rest},
                                     {wire::Name::Unknown, "x-own", rest}};
    serve::AccessEntry entry;
    entry.method = "GET";
    entry.raw_uri = entry.path = entry.query = entry.remote_address = entry.script_name = rest;
    entry.request_fields = entry.reply_fields = entry.environ_fields = std::span<const http::FieldRef>(fields);
    serve::AccessClock clock;
    clock.set(1);
    std::string line;
    format.write(entry, clock, line);
    const bool literal_control = std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; });
    if (!literal_control && std::any_of(line.begin(), line.end(), [](unsigned char c) { return c < 0x20; }))
      std::abort();
    line.clear();
    serve::AccessJson(format).write(entry, clock, line);
    check_json(line);
  } catch (const std::invalid_argument&) {
  }
  return 0;
}

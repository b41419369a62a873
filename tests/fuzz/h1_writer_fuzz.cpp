// A worker may send any bytes as a reply record. Whatever comes out is one head: lines that end with CRLF, one empty line at the
// end, one way of framing, one Connection. The first byte of an input chooses what the request was.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "master/http/characters.hpp"
#include "master/http/h1_writer.hpp"

namespace {

using namespace prefork;

void require(bool fine) {
  if (!fine) std::abort();
}

// Every line but the first is a field; counts those of a name.
std::size_t count_fields(std::string_view head, std::string_view name, bool is_trailer) {
  std::size_t count = 0;
  for (bool first = true; head != "\r\n"; first = false) {
    const std::size_t end = head.find("\r\n");
    require(end != std::string_view::npos && end != 0);
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    require(line.find_first_of("\r\n") == std::string_view::npos && line.find('\0') == std::string_view::npos);
    if (first) {
      require(is_trailer ? line == "0" : line.starts_with("HTTP/1.1 ") && line.size() >= 13);
      continue;
    }
    const std::size_t colon = line.find(':');
    require(colon != std::string_view::npos && http::is_token(line.substr(0, colon)));
    count += http::same_letters(line.substr(0, colon), name) ? 1 : 0;
  }
  return count;
}

void check_head(std::string_view head, const http::ReplyPlan& plan) {
  const std::size_t lengths = count_fields(head, "content-length", false);
  const std::size_t codings = count_fields(head, "transfer-encoding", false);
  require(lengths + codings <= 1 && count_fields(head, "connection", false) <= 1);
  if (plan.framing == http::Framing::Chunked) require(codings == 1);
  if (plan.framing == http::Framing::Length) require(lengths == 1 && plan.length != wire::kUnknownLength);
  if (plan.framing == http::Framing::UntilClose) require(lengths + codings == 0 && !plan.keep_alive);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::uint8_t choice = data[0];
  // A copy of its own: a sanitizer sees a read beyond it.
  std::vector<std::byte> payload(size - 1);
  if (size > 1) std::memcpy(payload.data(), data + 1, size - 1);
  wire::ReplyView reply(payload);
  if (reply.validate() != nullptr) return 0;

  http::ReplyFacts facts;
  facts.head_request = (choice & 1) != 0;
  facts.http_version = (choice & 2) != 0 ? 10 : 11;
  facts.keep_alive = (choice & 4) == 0;
  facts.complete_length = (choice & 8) != 0 ? reply.body().size() : wire::kUnknownLength;
  facts.trailers_accepted = (choice & 16) != 0;
  facts.date = "Thu, 01 Jan 2026 00:00:00 GMT";
  facts.server = "prefork";
  facts.extra = "X-Extra: 1\r\n";

  std::vector<char> out;
  http::ReplyPlan plan;
  if (!http::write_reply_head(reply, facts, plan, out))
    check_head({out.data(), out.size()}, plan);
  else
    require(out.empty());
  out.clear();
  if (!http::write_interim_reply(reply, out))
    require(count_fields({out.data(), out.size()}, "content-length", false) == 0);
  out.clear();
  if (!http::write_switching_reply(reply, facts, "Upgrade: websocket\r\n", out))
    require(count_fields({out.data(), out.size()}, "upgrade", false) == 1);
  out.clear();
  if (!http::write_trailers(reply, out)) require(count_fields({out.data(), out.size()}, "content-length", true) == 0);
  return 0;
}

#include "worker/streaming.hpp"

#include <algorithm>
#include <vector>

#include "worker/whole_reply.hpp"

namespace prefork::worker {
namespace {

using wire::Name;

constexpr std::size_t kLetters = 26;

// Cut from a block that is made once: what a reply costs is its way, not its making.
std::span<const std::byte> letters(std::uint64_t offset, std::size_t size) {
  thread_local std::vector<std::byte> block;
  for (auto i = block.size(); i < size + kLetters; ++i) block.push_back(static_cast<std::byte>('a' + i % kLetters));
  return std::span<const std::byte>(block).subspan(offset % kLetters, size);
}

void length(Exchange& exchange, std::string_view count) {
  std::uint64_t left = number(count);
  const std::string length = std::to_string(left);
  const wire::ReplyField fields[] = {{"Content-Type", "application/octet-stream", Name::ContentType},
                                     {"Content-Length", length, Name::ContentLength}};
  const auto piece = [&left] {
    const auto size = std::min<std::uint64_t>(left, kLetters * 4096);
    left -= size;
    return letters(0, size);
  };
  const auto first = piece();
  auto sent = exchange.send_head({200, 0, {}, fields}, first, left == 0);
  while (sent == Sent::Ok && left > 0) {
    const auto next = piece();
    sent = exchange.send_body(next, left == 0);
  }
}

void chunks(Exchange& exchange, std::string_view counts) {
  const auto slash = counts.find('/');
  const std::uint64_t pieces = number(counts.substr(0, slash));
  const std::uint64_t size = slash == std::string_view::npos ? 1 : number(counts.substr(slash + 1));
  auto sent = exchange.send_head({200, 0, {}, {}}, {}, pieces == 0 || size == 0);
  for (std::uint64_t i = 0; i < pieces && size != 0 && sent == Sent::Ok; ++i) {
    sent = exchange.send_body(letters(i * size, size), i + 1 == pieces);
  }
}

// Straight back as it arrives; the length is known when the client told it.
void echo(Exchange& exchange) {
  const auto announced = exchange.request().head().content_length;
  const std::string length = std::to_string(announced);
  const wire::ReplyField fields[] = {{"Content-Type", "application/octet-stream", Name::ContentType},
                                     {"Content-Length", length, Name::ContentLength}};
  const Reply reply{200, 0, {}, std::span(fields).first(announced == wire::kUnknownLength ? 1 : 2)};
  std::span<const std::byte> piece;
  auto read = exchange.read_body(piece);
  if (read == Exchange::Read::Data && piece.size() == announced)
    return static_cast<void>(exchange.send_head(reply, piece, true));
  if (read == Exchange::Read::End) return static_cast<void>(exchange.send_head(reply, {}, true));
  auto sent = exchange.send_head(reply, read == Exchange::Read::Data ? piece : std::span<const std::byte>{}, false);
  while (read == Exchange::Read::Data && sent == Sent::Ok) {
    read = exchange.read_body(piece);
    if (read == Exchange::Read::Aborted) return exchange.abort();
    sent = exchange.send_body(read == Exchange::Read::Data ? piece : std::span<const std::byte>{},
                              read == Exchange::Read::End);
  }
}

void count(Exchange& exchange) {
  std::uint64_t bytes = 0;
  std::span<const std::byte> piece;
  while (exchange.read_body(piece) == Exchange::Read::Data) bytes += piece.size();
  send_whole(exchange, 200, std::to_string(bytes));
}

}  // namespace

void answer_streaming(Exchange& exchange) {
  const auto path = path_of(exchange);
  std::string_view rest;
  if (path == "/echo") return echo(exchange);
  if (path == "/count") return count(exchange);
  if (starts(path, "/len/", rest)) return length(exchange, rest);
  if (starts(path, "/chunks/", rest)) return chunks(exchange, rest);
  send_whole(exchange, 404, "not here");
}

}  // namespace prefork::worker

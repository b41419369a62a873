#include "worker/echo_app.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <random>

namespace prefork::worker {
namespace {

using wire::Name;

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void sleep_for(std::string_view seconds) {
  const double wanted = std::strtod(std::string(seconds).c_str(), nullptr);
  timespec pause{static_cast<time_t>(wanted),
                 static_cast<long>((wanted - static_cast<double>(static_cast<time_t>(wanted))) * 1e9)};
  while (::nanosleep(&pause, &pause) != 0) {
  }
}

constexpr std::size_t kLetters = 26;

bool starts(std::string_view path, std::string_view prefix, std::string_view& rest) {
  if (path.substr(0, prefix.size()) != prefix) return false;
  rest = path.substr(prefix.size());
  return true;
}

// The bytes that /len and /chunks answer: the letters in turn, so that a client can check every one by its offset. Cut from a
// block that is made once: what a reply costs is its way, not its making.
std::span<const std::byte> letters(std::uint64_t offset, std::size_t size) {
  thread_local std::vector<std::byte> block;
  for (auto i = block.size(); i < size + kLetters; ++i) block.push_back(static_cast<std::byte>('a' + i % kLetters));
  return std::span<const std::byte>(block).subspan(offset % kLetters, size);
}

}  // namespace

void EchoApp::handle(Exchange& exchange) {
  const auto path = exchange.request().text(exchange.request().head().path);
  std::string_view rest;
  if (path == "/") return whole(exchange, 200, "Hello, World!");
  if (path == "/echo") return echo(exchange);
  if (path == "/count") return count(exchange);
  if (path == "/ignore") return whole(exchange, 200, "ignored");
  if (path == "/pid") return whole(exchange, 200, std::to_string(::getpid()));
  if (starts(path, "/path/", rest)) return whole(exchange, 200, path);
  if (starts(path, "/len/", rest)) return length(exchange, rest);
  if (starts(path, "/chunks/", rest)) return chunks(exchange, rest);
  if (starts(path, "/status/", rest)) return whole(exchange, static_cast<std::uint16_t>(number(rest)), "status");
  if (starts(path, "/sleep/", rest)) {
    sleep_for(rest);
    return whole(exchange, 200, "slept");
  }
  if (starts(path, "/bad/", rest)) return misbehave(exchange, rest);
  whole(exchange, 404, "not here");
}

void EchoApp::whole(Exchange& exchange, std::uint16_t status, std::string_view body) {
  const std::string length = std::to_string(body.size());
  const wire::ReplyField fields[] = {{"Content-Type", "text/plain", Name::ContentType},
                                     {"Content-Length", length, Name::ContentLength}};
  (void)exchange.send_head({status, 0, {}, fields}, wire::as_bytes(body), true);
}

void EchoApp::length(Exchange& exchange, std::string_view count) {
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

void EchoApp::chunks(Exchange& exchange, std::string_view counts) {
  const auto slash = counts.find('/');
  const std::uint64_t pieces = number(counts.substr(0, slash));
  const std::uint64_t size = slash == std::string_view::npos ? 1 : number(counts.substr(slash + 1));
  auto sent = exchange.send_head({200, 0, {}, {}}, {}, pieces == 0 || size == 0);
  for (std::uint64_t i = 0; i < pieces && size != 0 && sent == Sent::Ok; ++i) {
    sent = exchange.send_body(letters(i * size, size), i + 1 == pieces);
  }
}

// Straight back as it arrives; the length is known when the client told it.
void EchoApp::echo(Exchange& exchange) {
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

void EchoApp::count(Exchange& exchange) {
  std::uint64_t bytes = 0;
  std::span<const std::byte> piece;
  while (exchange.read_body(piece) == Exchange::Read::Data) bytes += piece.size();
  whole(exchange, 200, std::to_string(bytes));
}

void EchoApp::misbehave(Exchange& exchange, std::string_view kind) {
  const wire::ReplyField ten[] = {{"Content-Length", "10", Name::ContentLength}};
  if (kind == "kill") ::raise(SIGKILL);
  if (kind == "exit") ::_exit(7);
  if (kind == "abort") ::abort();
  if (kind == "hang") ::raise(SIGSTOP);
  if (kind == "no-reply") return;
  if (kind == "cut") {
    (void)exchange.send_head({200, 0, {}, {}}, wire::as_bytes("first"), false);
    return exchange.abort();
  }
  if (kind == "long")
    return static_cast<void>(exchange.send_head({200, 0, {}, ten}, wire::as_bytes("ten bytes, and more"), true));
  if (kind == "short") return static_cast<void>(exchange.send_head({200, 0, {}, ten}, wire::as_bytes("short"), true));
  if (kind == "bad-record") return garbage(exchange, false);
  if (kind == "scribble") return garbage(exchange, true);
  whole(exchange, 404, "no such misbehaviour");
}

// A record whose head makes no sense, or random bytes over everything that is shared.
void EchoApp::garbage(Exchange& exchange, bool everywhere) {
  auto& replies = exchange.context().channel().replies;
  const auto space = replies.try_claim(64);
  if (everywhere) {
    std::mt19937_64 random(static_cast<std::uint64_t>(::getpid()));
    std::byte* at = space.data() - reinterpret_cast<std::uintptr_t>(space.data()) % 4096;
    for (std::size_t i = 0; i < 16384; ++i) at[i] = static_cast<std::byte>(random());
  }
  std::fill(space.begin(), space.begin() + 64, std::byte{0xff});
  replies.commit({static_cast<std::uint16_t>(wire::Kind::Head), 0, exchange.id().slot, exchange.id().generation}, 64);
  replies.publish();
  exchange.context().channel().master_bell.ring();
  ::sleep(5);
}

}  // namespace prefork::worker

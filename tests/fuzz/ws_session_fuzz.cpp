// A WebSocket session on anything a client can send. The first byte says how, the next two seed the cuts, the rest is the
// client's byte stream. It is fed whole and once more in pieces: both must come to the same events and the same output, and
// what was written must be frames that a server may send.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "master/http/utf8.hpp"
#include "master/http/ws_session.hpp"

namespace {

using namespace prefork::http;

constexpr std::uint8_t kDeflate = 1, kForget = 2, kEcho = 4, kMask = 8, kCloseEarly = 16;
constexpr std::size_t kLimit = 4096;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "ws_session_fuzz: %s\n", what);
  std::abort();
}

// Turns "head without the mask bit, plain payload" into what a client sends, so that the fuzzer need not learn to mask. The
// mask is zero, which is one as good as any.
std::vector<char> with_masks(std::vector<char> plain) {
  std::vector<char> frames;
  for (std::size_t at = 0; at + 2 <= plain.size();) {
    const std::size_t size = plain[at + 1] & 0x7F, length = size < 126 ? size : 0;
    frames.push_back(plain[at]);
    frames.push_back(static_cast<char>(0x80 | length));
    frames.insert(frames.end(), 4, '\0');
    const std::size_t end = std::min(plain.size(), at + 2 + length);
    frames.insert(frames.end(), plain.begin() + static_cast<std::ptrdiff_t>(at) + 2,
                  plain.begin() + static_cast<std::ptrdiff_t>(end));
    at = end;
  }
  return frames;
}

struct Run {
  std::string events;
  std::vector<char> out;
};

void note(Run& run, const WsEvent& event) {
  run.events += std::to_string(static_cast<int>(event.kind)) + (event.is_text ? "t" : "b") + (event.clean ? "c" : "u") +
                std::to_string(event.code) + ":" + std::to_string(event.bytes.size()) + ":";
  run.events.append(event.bytes.begin(), event.bytes.end());
  run.events.append(event.reason);
}

// seed 0: in one piece.
Run run_session(std::uint8_t mode, std::vector<char> bytes, unsigned seed) {
  std::minstd_rand random(seed);
  WsOptions options;
  options.max_message = kLimit;
  options.compress_threshold = 16;
  std::optional<WsDeflateTerms> deflate;
  if (mode & kDeflate) {
    deflate.emplace();
    deflate->server_window_bits = 9;
    deflate->server_no_context_takeover = deflate->client_no_context_takeover = (mode & kForget) != 0;
  }
  Run run;
  const WsTime now{};
  WsSession session(options, deflate, run.out, now);
  int messages = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = seed == 0 ? bytes.size() : std::min<std::size_t>(bytes.size() - at, 1 + random() % 20);
    // A copy of its own, so that a byte read beyond the piece is found.
    std::vector<char> piece(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                            bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
    std::span<char> input(piece);
    while (const auto event = session.feed(input, now)) {
      note(run, event);
      expect(session.state() == WsSession::State::Closed || event.kind == WsEvent::Kind::Message,
             "an end that does not end");
      expect(event.bytes.size() <= kLimit, "a message above the limit");
      if (event.kind != WsEvent::Kind::Message) continue;
      if (event.is_text) expect(is_utf8(event.bytes), "text that is not UTF-8");
      if ((mode & kEcho) && event.is_text) session.send_text(event.bytes);
      if ((mode & kEcho) && !event.is_text) session.send_binary(event.bytes);
      if ((mode & kCloseEarly) && ++messages == 3) session.close(1001, "enough", now);
    }
    expect(input.empty(), "bytes left over");
    if (seed != 0 && random() % 8 == 0) session.release_idle_memory();
    at += size;
  }
  return run;
}

void expect_server_frames(const std::vector<char>& out) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(out.at(at)); };
  bool closed = false;
  for (std::size_t at = 0; at < out.size();) {
    expect(!closed, "a frame behind the close frame");
    const std::uint8_t opcode = byte(at) & 0x0F;
    expect((byte(at) & 0xB0) == 0x80, "a fragment or a reserved bit");
    expect(opcode == 1 || opcode == 2 || (opcode >= 8 && opcode <= 10 && !(byte(at) & 0x40)), "an opcode");
    expect(!(byte(at + 1) & 0x80) && byte(at + 1) != 127, "a mask or a length that cannot be");
    const bool wide = byte(at + 1) == 126;
    at += wide ? 4u + (byte(at + 2) << 8 | byte(at + 3)) : 2u + byte(at + 1);
    expect(at <= out.size(), "a cut frame");
    closed = opcode == 8;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::uint8_t mode = data[0];
  const unsigned seed = 1u + (data[1] | data[2] << 8);
  std::vector<char> bytes(reinterpret_cast<const char*>(data) + 3, reinterpret_cast<const char*>(data) + size);
  if (mode & kMask) bytes = with_masks(std::move(bytes));
  const Run whole = run_session(mode, bytes, 0);
  const Run cut = run_session(mode, bytes, seed);
  expect(whole.events == cut.events, "events that depend on the cuts");
  expect(whole.out == cut.out, "output that depends on the cuts");
  expect_server_frames(whole.out);
  return 0;
}

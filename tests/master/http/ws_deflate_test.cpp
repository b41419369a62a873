// permessage-deflate as a session does it. The client's side is zlib itself, used the way RFC 7692 says.
#include "master/http/ws_deflate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

#include "ws_test_client.hpp"

namespace prefork::http {
namespace {

using namespace ws_testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

// The client's compressor and decompressor.
class ClientDeflate {
 public:
  explicit ClientDeflate(int out_bits = 15, int in_bits = 15) {
    EXPECT_EQ(deflateInit2(&out_, 6, Z_DEFLATED, -out_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    EXPECT_EQ(inflateInit2(&in_, -in_bits), Z_OK);
  }
  ~ClientDeflate() {
    deflateEnd(&out_);
    inflateEnd(&in_);
  }

  std::string compress(const std::string& message, int flush = Z_SYNC_FLUSH) {
    std::string packed(compressBound(message.size()) + 64, '\0');
    out_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(message.data()));
    out_.avail_in = static_cast<uInt>(message.size());
    out_.next_out = reinterpret_cast<Bytef*>(packed.data());
    out_.avail_out = static_cast<uInt>(packed.size());
    EXPECT_GE(deflate(&out_, flush), Z_OK);
    packed.resize(packed.size() - out_.avail_out);
    if (flush == Z_FINISH) return packed;
    EXPECT_TRUE(packed.ends_with(std::string("\x00\x00\xff\xff", 4)));
    packed.resize(packed.size() - 4);
    return packed;
  }

  // Takes its output a byte at a time, so that zlib can reach back only as far as its window, not into the output.
  std::string decompress(std::string packed) {
    packed.append("\x00\x00\xff\xff", 4);
    in_.next_in = reinterpret_cast<Bytef*>(packed.data());
    in_.avail_in = static_cast<uInt>(packed.size());
    std::string message;
    for (;;) {
      char byte;
      in_.next_out = reinterpret_cast<Bytef*>(&byte);
      in_.avail_out = 1;
      const int result = inflate(&in_, Z_SYNC_FLUSH);
      if (in_.avail_out == 0) message.push_back(byte);
      if (result == Z_BUF_ERROR || (result == Z_OK && in_.avail_out != 0)) return message;
      if (result != Z_OK) {
        ADD_FAILURE() << "the server's deflate data is corrupt: " << (in_.msg ? in_.msg : "");
        return message;
      }
    }
  }

  void forget() {
    deflateReset(&out_);
    inflateReset(&in_);
  }

 private:
  z_stream out_{}, in_{};
};

std::string packed_frame(std::uint8_t opcode, const std::string& payload, bool fin = true) {
  return masked_frame(opcode, payload, {.fin = fin, .rsv1 = true});
}

// The payload of the only frame in out, which must be compressed.
std::string only_packed_payload(const std::string& out) {
  EXPECT_EQ(out.at(0) & 0x70, 0x40) << "RSV1 alone is set";
  const auto length = static_cast<std::uint8_t>(out.at(1));
  EXPECT_LT(length, 127);
  const std::size_t head = length < 126 ? 2 : 4;
  const std::size_t size =
      length < 126 ? length : static_cast<std::uint8_t>(out[2]) << 8 | static_cast<std::uint8_t>(out[3]);
  EXPECT_EQ(out.size(), head + size);
  return out.substr(head);
}

std::string noise(std::size_t size, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

WsOptions always_compress() {
  WsOptions options;
  options.compress_threshold = 0;
  return options;
}

WsDeflateTerms no_takeover() {
  WsDeflateTerms terms;
  terms.server_no_context_takeover = terms.client_no_context_takeover = true;
  return terms;
}

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out.push_back(static_cast<char>(value));
  return out;
}

const std::string kPackedHello = bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00});

TEST(WsDeflate, ReadsTheExamplesOfTheRfc) {
  const auto seen = [](std::string frames) { return outcome_of({frames}, {}, WsDeflateTerms{}).seen; };
  EXPECT_THAT(seen(packed_frame(1, kPackedHello)), ElementsAre(text("Hello")));
  // In two fragments; the second does not carry RSV1.
  EXPECT_THAT(seen(packed_frame(1, kPackedHello.substr(0, 3), false) + last_fragment(kPackedHello.substr(3))),
              ElementsAre(text("Hello")));
  // The second message points into the first.
  EXPECT_THAT(seen(packed_frame(1, kPackedHello) + packed_frame(1, bytes({0xf2, 0x00, 0x11, 0x00, 0x00}))),
              ElementsAre(text("Hello"), text("Hello")));
  // A block without compression, a block with BFINAL, and two blocks.
  EXPECT_THAT(seen(packed_frame(1, bytes({0x00, 0x05, 0x00, 0xfa, 0xff, 'H', 'e', 'l', 'l', 'o', 0x00}))),
              ElementsAre(text("Hello")));
  EXPECT_THAT(seen(packed_frame(1, bytes({0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}))),
              ElementsAre(text("Hello")));
  EXPECT_THAT(
      seen(packed_frame(1, bytes({0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00}))),
      ElementsAre(text("Hello")));
  EXPECT_THAT(seen(packed_frame(1, bytes({0x00}))), ElementsAre(text("")));
}

TEST(WsDeflate, ReadsAlikeHoweverItIsCut) {
  ClientDeflate client;
  const std::string message = "compressed, compressed, and compressed again: gr\xC3\xBC\xC3\x9F";
  const std::string packed = client.compress(message), again = client.compress(message);
  const std::string frames = packed_frame(1, packed.substr(0, 9), false) + ping_frame("") + middle_fragment("") +
                             last_fragment(packed.substr(9)) + text_frame("plain") + packed_frame(2, again);
  const auto whole = outcome_of({frames}, {}, WsDeflateTerms{});
  EXPECT_THAT(whole.seen, ElementsAre(text(message), text("plain"), binary(message)));
  for (std::size_t at = 1; at < frames.size(); ++at) {
    EXPECT_EQ(outcome_of({frames.substr(0, at), frames.substr(at)}, {}, WsDeflateTerms{}), whole) << at;
  }
  EXPECT_EQ(outcome_of(byte_by_byte(frames), {}, WsDeflateTerms{}), whole);
}

TEST(WsDeflate, KeepsTheWindowAcrossABlockThatClaimsToBeTheLast) {
  Server server({}, WsDeflateTerms{});
  const std::string final_hello = bytes({0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00});
  EXPECT_THAT(server.feed(packed_frame(1, final_hello)), ElementsAre(text("Hello")));  // the zero byte left out
  EXPECT_THAT(server.feed(packed_frame(1, bytes({0xf2, 0x00, 0x11, 0x00, 0x00}))), ElementsAre(text("Hello")));
  EXPECT_THAT(server.feed(packed_frame(1, final_hello + final_hello + '\0')), ElementsAre(text("HelloHello")));
}

TEST(WsDeflate, ReadsAnEmptyPayloadAsAnEmptyMessage) {
  Server server({}, WsDeflateTerms{});
  EXPECT_THAT(server.feed(packed_frame(1, kPackedHello) + packed_frame(1, "") + packed_frame(1, kPackedHello)),
              ElementsAre(text("Hello"), text(""), text("Hello")));
}

TEST(WsDeflate, RoundTripsWithEveryWindowAndTakeover) {
  for (int bits = 8; bits <= 15; ++bits) {
    for (const bool forget : {false, true}) {
      WsDeflateTerms terms = forget ? no_takeover() : WsDeflateTerms{};
      terms.server_window_bits = terms.client_window_bits = bits;
      Server server(always_compress(), terms);
      ClientDeflate client(std::max(bits, 9), bits);
      for (unsigned i = 0; i < 8; ++i) {
        // Repeats at every distance, so that a window that is too large would be used.
        const std::string message = noise(100 + 150 * i) + noise(200) + noise(100 + 150 * i);
        ASSERT_THAT(server.feed(packed_frame(2, client.compress(message))), ElementsAre(binary(message)));
        ASSERT_TRUE(server.session.send_binary(message));
        const std::string out = server.take_output();
        if (out[0] & 0x40) {
          ASSERT_EQ(client.decompress(only_packed_payload(out)), message) << bits;
        }
        if (forget) client.forget();
      }
    }
  }
}

// zlib has no raw window of 256 bytes; the session relies on what it does with one of 512.
TEST(WsDeflate, NeverReachesBackBeyond256BytesWhenAskedForEightBits) {
  for (int level = 1; level <= 9; ++level) {
    WsDeflater deflater(8, false, level, 8);
    ClientDeflate client(9, 8);
    for (std::size_t distance = 200; distance <= 300; ++distance) {
      std::string message;
      for (int i = 0; i < 5; ++i) message += noise(distance, static_cast<unsigned>(distance));
      std::vector<char> packed;
      ASSERT_TRUE(deflater.compress(message, packed));
      ASSERT_EQ(client.decompress({packed.begin(), packed.end()}), message) << level << " " << distance;
    }
  }
}

TEST(WsDeflate, TakesContextOverWhenItMay) {
  const std::string message = noise(300);
  Server server(always_compress(), WsDeflateTerms{});
  ClientDeflate client;
  server.session.send_binary(message);
  EXPECT_EQ(client.decompress(only_packed_payload(server.take_output())), message);
  server.session.send_binary(message);
  const std::string second = only_packed_payload(server.take_output());
  EXPECT_LT(second.size(), 30u);
  EXPECT_EQ(client.decompress(second), message);
}

TEST(WsDeflate, SendsPlainWhatCompressionMakesLongerWithoutTakeover) {
  Server server(always_compress(), no_takeover());
  server.session.send_binary(std::string_view("\x01\x02\x03"));
  EXPECT_EQ(server.take_output(), server_frame(2, "\x01\x02\x03"));
  server.session.send_text(std::string(100, 'a'));
  ClientDeflate client;
  EXPECT_EQ(client.decompress(only_packed_payload(server.take_output())), std::string(100, 'a'));
}

TEST(WsDeflate, LeavesShortAndEmptyMessagesAsTheyAre) {
  WsOptions options;
  options.compress_threshold = 50;
  Server server(options, WsDeflateTerms{});
  server.session.send_text(std::string(49, 'a'));
  EXPECT_EQ(server.take_output(), server_frame(1, std::string(49, 'a')));
  server.session.send_text(std::string(50, 'a'));
  EXPECT_LT(server.take_output().size(), 20u);
  Server always(always_compress(), WsDeflateTerms{});
  always.session.send_text({});
  EXPECT_EQ(always.take_output(), server_frame(1, ""));
}

TEST(WsDeflate, CompressesMessagesLargerThanItsBuffers) {
  std::string message;
  for (unsigned i = 0; i < 40; ++i) message += noise(1000, i) + std::string(500, 'a');
  for (const auto& terms : {WsDeflateTerms{}, no_takeover()}) {
    Server server(always_compress(), terms);
    ClientDeflate client;
    server.session.send_binary(message);
    EXPECT_EQ(client.decompress(only_packed_payload(server.take_output())), message);
  }
}

TEST(WsDeflate, StopsABombAtTheLimit) {
  ClientDeflate client;
  const std::string bomb = packed_frame(2, client.compress(std::string(64 << 20, 'a')));
  ASSERT_LT(bomb.size(), 100'000u);
  WsOptions options;
  options.max_message = 100'000;
  Server server(options, WsDeflateTerms{});
  const auto seen = server.feed(bomb);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].kind, WsEvent::Kind::Failed);
  EXPECT_EQ(seen[0].code, 1009);

  WsInflater inflater(15, false);
  std::vector<char> out;
  ClientDeflate fresh;
  const std::string packed = fresh.compress(std::string(1 << 20, 'a'));
  EXPECT_EQ(inflater.feed(packed, out, 1000), WsInflate::TooLong);
  EXPECT_EQ(out.size(), 1001u);
}

TEST(WsDeflate, AcceptsExactlyTheLimit) {
  WsOptions options;
  options.max_message = 50'000;
  for (const std::size_t size : {50'000u, 50'001u}) {
    ClientDeflate client;
    Server server(options, WsDeflateTerms{});
    const auto seen = server.feed(packed_frame(2, client.compress(noise(size))));
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].kind == WsEvent::Kind::Message, size == 50'000);
  }
}

TEST(WsDeflate, CountsTheLimitAnewForEveryMessage) {
  WsOptions options;
  options.max_message = 1000;
  Server server(options, WsDeflateTerms{});
  ClientDeflate client;
  for (unsigned i = 0; i < 10; ++i) {
    const std::string message = noise(1000, i);
    ASSERT_THAT(server.feed(packed_frame(2, client.compress(message))), ElementsAre(binary(message)));
  }
}

TEST(WsDeflate, RefusesEndlessEmptyBlocks) {
  WsOptions options;
  options.max_message = 1000;
  Server server(options, WsDeflateTerms{});
  std::string empty_blocks;
  for (int i = 0; i < 1000; ++i) empty_blocks += bytes({0x00, 0x00, 0x00, 0xff, 0xff});
  EXPECT_EQ(server.feed(packed_frame(2, empty_blocks).substr(0, 8)).at(0).code, 1009);
}

TEST(WsDeflate, FailsOnCorruptData) {
  const auto fails = [](const std::string& payload) {
    const auto outcome = outcome_of({packed_frame(2, payload)}, {}, WsDeflateTerms{});
    return outcome.seen.size() == 1 && outcome.seen[0].kind == WsEvent::Kind::Failed && outcome.seen[0].code == 1007;
  };
  EXPECT_TRUE(fails(bytes({0x07})));                               // no such block type
  EXPECT_TRUE(fails(bytes({0xf2, 0x00, 0x11, 0x00, 0x00})));       // points before the beginning
  EXPECT_TRUE(fails(bytes({0x00, 0x06, 0x00, 0xf9, 0xff, 'H'})));  // ends inside a block
  EXPECT_TRUE(fails(kPackedHello.substr(0, 4)));
}

TEST(WsDeflate, ChecksTextBehindTheCompression) {
  ClientDeflate client;
  EXPECT_EQ(outcome_of({packed_frame(1, client.compress("ab\xff"))}, {}, WsDeflateTerms{}).seen.at(0).code, 1007);
  ClientDeflate other;
  EXPECT_EQ(outcome_of({packed_frame(1, other.compress("ab\xE2\x82"))}, {}, WsDeflateTerms{}).seen.at(0).code, 1007);
}

TEST(WsDeflate, ForgetsBetweenMessagesOnlyWhatWasAgreed) {
  const std::string pointing_back = packed_frame(1, bytes({0xf2, 0x00, 0x11, 0x00, 0x00}));
  Server forgetting({}, no_takeover());
  EXPECT_THAT(forgetting.feed(packed_frame(1, kPackedHello)), ElementsAre(text("Hello")));
  EXPECT_EQ(forgetting.feed(pointing_back).at(0).code, 1007);
  Server keeping({}, WsDeflateTerms{});
  EXPECT_THAT(keeping.feed(packed_frame(1, kPackedHello)), ElementsAre(text("Hello")));
  keeping.session.release_idle_memory();
  EXPECT_THAT(keeping.feed(pointing_back), ElementsAre(text("Hello")));
}

TEST(WsDeflate, GoesOnAfterIdleMemoryWasReleased) {
  Server server(always_compress(), no_takeover());
  ClientDeflate client;
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(server.feed(packed_frame(1, kPackedHello)), ElementsAre(text("Hello")));
    server.session.send_text(std::string(100, 'a'));
    EXPECT_EQ(client.decompress(only_packed_payload(server.take_output())), std::string(100, 'a'));
    client.forget();
    server.session.release_idle_memory();
  }
  // In the middle of a message nothing that it needs is released, also when the silence was long enough for a ping.
  EXPECT_THAT(server.feed(packed_frame(1, kPackedHello.substr(0, 3), false)), IsEmpty());
  server.now += 1h;
  EXPECT_FALSE(server.session.on_tick(server.now));
  EXPECT_THAT(server.feed(last_fragment(kPackedHello.substr(3))), ElementsAre(text("Hello")));
}

}  // namespace
}  // namespace prefork::http

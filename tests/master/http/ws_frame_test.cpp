#include "master/http/ws_frame.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "ws_test_client.hpp"

namespace prefork::http {
namespace {

using Step = WsFrameParser::Step;
using ws_testing::masked_frame;

std::string text_of(std::span<const char> bytes) { return {bytes.begin(), bytes.end()}; }

// The steps that bytes lead to, up to NeedMore or Violation, in one line.
std::string steps(std::string bytes, bool deflate = false) {
  WsFrameParser parser(deflate);
  std::span<char> input(bytes);
  std::string line;
  for (;;) {
    switch (parser.step(input)) {
      case Step::NeedMore: return line + ".";
      case Step::Violation: return line + "! " + std::string(parser.violation());
      case Step::Head:
        line += "[" + std::to_string(static_cast<int>(parser.head().opcode)) + (parser.head().fin ? " fin " : " ") +
                (parser.head().compressed ? "rsv1 " : "") + std::to_string(parser.head().length) + "]";
        break;
      case Step::Payload: line += text_of(parser.payload()) + (parser.frame_done() ? "|" : ""); break;
    }
  }
}

TEST(WsFrame, ReadsTheMaskedHelloOfTheRfc) {
  EXPECT_EQ(steps("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "[1 fin 5]Hello|.");
}

TEST(WsFrame, WritesTheFramesOfTheRfc) {
  const auto frame = [](WsOpcode opcode, const std::string& payload) {
    std::vector<char> out;
    append_ws_frame(out, opcode, payload);
    return text_of(out);
  };
  EXPECT_EQ(frame(WsOpcode::Text, "Hello"), "\x81\x05Hello");
  EXPECT_EQ(frame(WsOpcode::Ping, "Hello"), "\x89\x05Hello");
  EXPECT_EQ(frame(WsOpcode::Binary, std::string(256, 'x')), std::string("\x82\x7e\x01\x00", 4) + std::string(256, 'x'));
  EXPECT_EQ(frame(WsOpcode::Binary, std::string(65536, 'x')),
            std::string("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10) + std::string(65536, 'x'));
  std::vector<char> out;
  append_ws_head(out, WsOpcode::Text, 3, false, false);
  append_ws_head(out, WsOpcode::Continuation, 2);
  append_ws_head(out, WsOpcode::Text, 7, true);
  EXPECT_EQ(text_of(out), std::string("\x01\x03\x80\x02\xc1\x07"));
}

TEST(WsFrame, TakesTheShortestLengthThatHoldsIt) {
  for (const auto& [length, head] :
       {std::pair<std::uint64_t, std::size_t>{0, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}}) {
    std::vector<char> out;
    append_ws_head(out, WsOpcode::Binary, length);
    EXPECT_EQ(out.size(), head) << length;
  }
}

TEST(WsFrame, ReadsEveryLengthForm) {
  for (const std::size_t length : {0u, 1u, 125u, 126u, 127u, 65535u, 65536u, 70000u}) {
    const std::string payload(length, 'p');
    EXPECT_EQ(steps(masked_frame(2, payload)), "[2 fin " + std::to_string(length) + "]" + payload + "|.");
  }
}

TEST(WsFrame, UnmasksAlikeForEverySplitAndAlignment) {
  std::string payload(67, '\0');
  std::iota(payload.begin(), payload.end(), '\x01');
  const std::string frame = masked_frame(2, payload);
  for (std::size_t first = 0; first <= frame.size(); ++first) {
    for (std::size_t second = first; second <= frame.size(); ++second) {
      WsFrameParser parser(false);
      std::string got;
      for (const auto& piece : {frame.substr(0, first), frame.substr(first, second - first), frame.substr(second)}) {
        std::string bytes = piece;
        std::span<char> input(bytes);
        for (Step step; (step = parser.step(input)) != Step::NeedMore;) {
          ASSERT_NE(step, Step::Violation);
          if (step == Step::Payload) got += text_of(parser.payload());
        }
      }
      ASSERT_EQ(got, payload) << first << " " << second;
    }
  }
}

TEST(WsFrame, NamesTheRuleThatIsBroken) {
  const auto head = [](int first, int second) {
    return std::string{static_cast<char>(first), static_cast<char>(second)};
  };
  EXPECT_EQ(steps(head(0x81, 0x05)), "! frame without a mask");
  EXPECT_EQ(steps(head(0xC1, 0x80)), "! reserved bit set");
  EXPECT_EQ(steps(head(0xA1, 0x80)), "! reserved bit set");
  EXPECT_EQ(steps(head(0x91, 0x80)), "! reserved bit set");
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15})
    EXPECT_EQ(steps(head(0x80 | opcode, 0x80)), "! reserved opcode");
  for (const int opcode : {8, 9, 10}) {
    EXPECT_EQ(steps(head(opcode, 0x80)), "! fragmented control frame");
    EXPECT_EQ(steps(head(0x80 | opcode, 0x80 | 126)), "! control frame too long");
    EXPECT_EQ(steps(head(0x80 | opcode, 0x80 | 127)), "! control frame too long");
  }
  EXPECT_EQ(steps(head(0x80, 0x80)), "! continuation of no message");
  EXPECT_EQ(steps(masked_frame(1, "a", {.fin = false}) + head(0x82, 0x80)),
            "[1 1]a|! new message inside a fragmented one");
  EXPECT_EQ(steps(masked_frame(1, "a") + head(0x80, 0x80)), "[1 fin 1]a|! continuation of no message");
}

TEST(WsFrame, RefusesLengthsInTheWrongForm) {
  const std::string mask = "mask";
  EXPECT_EQ(steps(std::string("\x82\xfe\x00\x7d", 4) + mask), "! length not in its shortest form");
  EXPECT_EQ(steps(std::string("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", 10) + mask),
            "! length not in its shortest form");
  EXPECT_EQ(steps(std::string("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", 10) + mask),
            "! length with its highest bit set");
}

TEST(WsFrame, KnowsRsv1OnlyOnTheFirstFrameOfAMessageUnderDeflate) {
  EXPECT_EQ(steps(masked_frame(1, "a", {.rsv1 = true}), true), "[1 fin rsv1 1]a|.");
  EXPECT_EQ(steps(masked_frame(9, "", {.rsv1 = true}), true), "! reserved bit set");
  EXPECT_EQ(steps(masked_frame(1, "a", {.fin = false, .rsv1 = true}) + masked_frame(0, "b", {.rsv1 = true}), true),
            "[1 rsv1 1]a|! reserved bit set");
}

TEST(WsFrame, JudgesTwoBytesWithoutWaitingForTheRest) {
  WsFrameParser parser(false);
  std::string first = "\x83", second = "\x80";
  std::span<char> input(first);
  EXPECT_EQ(parser.step(input), Step::NeedMore);
  input = second;
  EXPECT_EQ(parser.step(input), Step::Violation);
  EXPECT_EQ(parser.step(input), Step::Violation);
}

TEST(WsFrame, LetsControlFramesStandBetweenFragments) {
  EXPECT_EQ(steps(masked_frame(1, "a", {.fin = false}) + masked_frame(9, "p") + masked_frame(0, "b")),
            "[1 1]a|[9 fin 1]p|[0 fin 1]b|.");
}

TEST(WsFrame, JudgesClosePayloads) {
  const auto body = [](const std::string& payload) { return read_ws_close(payload); };
  EXPECT_EQ(body("").code, 1005);
  EXPECT_EQ(body("").error, 0);
  EXPECT_EQ(body("\x03").error, 1002);
  EXPECT_EQ(body("\x03\xe8").code, 1000);
  EXPECT_EQ(body("\x03\xe8gone").reason, "gone");
  EXPECT_EQ(body("\x03\xe8\xff").error, 1007);
  EXPECT_EQ(body("\x03\xe8\xe2\x82").error, 1007);
}

TEST(WsFrame, KnowsTheCodesThatMayBeSent) {
  for (const int code :
       {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}) {
    EXPECT_EQ(read_ws_close(ws_testing::close_body(static_cast<std::uint16_t>(code))).error, 0) << code;
  }
  for (const int code : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    EXPECT_EQ(read_ws_close(ws_testing::close_body(static_cast<std::uint16_t>(code))).error, 1002) << code;
  }
}

TEST(WsFrame, CutsALongReasonBetweenTwoCharacters) {
  std::vector<char> out;
  append_ws_close(out, 1001, std::string(122, 'a') + "\xE2\x82\xAC");
  EXPECT_EQ(text_of(out), "\x88\x7c\x03\xe9" + std::string(122, 'a'));
  out.clear();
  append_ws_close(out, 1001, std::string(200, 'a'));
  EXPECT_EQ(out.size(), 2u + 125u);
  out.clear();
  append_ws_close(out, 1005, "ignored");
  EXPECT_EQ(text_of(out), std::string("\x88\x00", 2));
}

}  // namespace
}  // namespace prefork::http

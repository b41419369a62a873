#include "master/http/proxy_protocol.hpp"

#include <gtest/gtest.h>

#include <string>

namespace prefork::http {
namespace {

using Status = ProxyProtocol::Status;
using namespace std::string_literals;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string v2(int command, int family, const std::string& rest) {
  return kSignature + static_cast<char>(0x20 | command) + static_cast<char>(family) +
         static_cast<char>(rest.size() >> 8) + static_cast<char>(rest.size() & 255) + rest;
}
const std::string kFour = "\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb"s;  // 192.0.2.1 198.51.100.1 56324 443

struct Outcome {
  Status status = Status::NeedMore;
  std::string rest;  // what the HTTP parser gets
};

// All bytes, `step` at a time, as a connection would: after the header the rest goes to the parser.
Outcome feed(ProxyProtocol& proxy, const std::string& bytes, std::size_t step) {
  Outcome outcome;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const std::string piece = bytes.substr(at, step);
    std::span<const char> in{piece};
    if (outcome.status == Status::NeedMore) outcome.status = proxy.feed(in);
    EXPECT_TRUE(outcome.status != Status::NeedMore || in.empty());
    if (outcome.status == Status::Done || outcome.status == Status::NotProxy) outcome.rest.append(in.begin(), in.end());
  }
  if (outcome.status == Status::NotProxy) outcome.rest.insert(0, proxy.replay());
  return outcome;
}

struct Case {
  std::string bytes;
  Status status;
  std::string client;
  int port = 0;
  std::string rest = {};
};

void expect(const Case& test, ProxyMode mode = ProxyMode::Auto) {
  for (const std::size_t step : {test.bytes.size() + 1, std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
    SCOPED_TRACE(testing::PrintToString(test.bytes) + " by " + std::to_string(step));
    ProxyProtocol proxy(mode, true);
    const Outcome outcome = feed(proxy, test.bytes, step);
    ASSERT_EQ(outcome.status, test.status) << proxy.reason();
    if (test.status == Status::Done || test.status == Status::NotProxy) {
      EXPECT_EQ(outcome.rest, test.rest);
    }
    if (test.status != Status::Done) continue;
    EXPECT_EQ(proxy.has_address(), !test.client.empty());
    EXPECT_EQ(proxy.client(), test.client);
    EXPECT_EQ(proxy.client_port(), test.port);
  }
}

TEST(ProxyProtocol, Version1NamesTheClient) {
  expect({"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET / ", Status::Done, "192.0.2.1", 56324, "GET / "});
  expect({"PROXY TCP6 2001:db8::1 ::1 1 0\r\n", Status::Done, "2001:db8::1", 1});
}

TEST(ProxyProtocol, Version1SaysWhereTheClientConnected) {
  ProxyProtocol proxy(ProxyMode::V1, true);
  feed(proxy, "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", 100);
  EXPECT_EQ(proxy.server(), "198.51.100.1");
  EXPECT_EQ(proxy.server_port(), 443);
}

TEST(ProxyProtocol, UnknownHasNoAddressAndTheRestOfTheLineIsIgnored) {
  expect({"PROXY UNKNOWN\r\nG", Status::Done, "", 0, "G"});
  expect({"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Status::Done, ""});
}

TEST(ProxyProtocol, LongestLineOfTheSpecificationIsTaken) {
  const std::string longest = "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535";
  expect({longest + std::string(105 - longest.size(), ' ') + "\r\n", Status::Malformed, ""});  // six words: too many
  const std::string full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  expect({"PROXY TCP6 " + full + " " + full + " 65535 65535\r\n", Status::Done, full, 65535});
  EXPECT_EQ(("PROXY UNKNOWN " + full + " " + full + " 65535 65535\r\n").size(), 107u);
  expect({"PROXY UNKNOWN " + full + " " + full + " 65535 65535\r\n", Status::Done, ""});
}

TEST(ProxyProtocol, MalformedLinesAreRefused) {
  for (const char* line : {
           "PROXY \r\n",
           "PROXY TCP4\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 1\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n",
           "PROXY TCP4  192.0.2.1 198.51.100.1 56324 443\r\n",
           "PROXY TCP4 2001:db8::1 198.51.100.1 56324 443\r\n",
           "PROXY TCP6 192.0.2.1 198.51.100.1 56324 443\r\n",
           "PROXY TCP4 192.0.2.256 198.51.100.1 56324 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.1 -1 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.1 +1 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.1 01 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.1 1 443 \r\n",
           "PROXY UDP4 192.0.2.1 198.51.100.1 1 443\r\n",
           "PROXY tcp4 192.0.2.1 198.51.100.1 1 443\r\n",
           "PROXY TCP4 192.0.2.1%eth0 198.51.100.1 1 443\r\n",
       }) {
    expect({line, Status::Malformed, ""});
  }
}

TEST(ProxyProtocol, LineThatNeverEndsIsRefusedAtTheLimit) {
  ProxyProtocol proxy(ProxyMode::V1, true);
  EXPECT_EQ(feed(proxy, "PROXY TCP4 " + std::string(96, '1'), 1).status, Status::Malformed);
}

TEST(ProxyProtocol, Version2NamesTheClient) {
  expect({v2(1, 0x11, kFour) + "GET", Status::Done, "192.0.2.1", 56324, "GET"});
  const std::string six =
      "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" + std::string(15, '\0') + "\x01" + "\x00\x50\x01\xbb"s;
  expect({v2(1, 0x21, six), Status::Done, "2001:db8::1", 80});
}

TEST(ProxyProtocol, LocalAndUnspecifiedKeepThePeer) {
  expect({v2(0, 0x00, "") + "G", Status::Done, "", 0, "G"});
  expect({v2(0, 0x11, kFour), Status::Done, ""});
  expect({v2(0, 0x00, "anything") + "G", Status::Done, "", 0, "G"});
  expect({v2(1, 0x00, "anything"), Status::Done, ""});
  expect({v2(1, 0x31, std::string(216, 'x')) + "G", Status::Done, "", 0, "G"});
}

TEST(ProxyProtocol, TypeLengthValuesAreSkipped) {
  const std::string values = "\x01\x00\x02h2"s + "\x04\x00\x00"s + "\x20\x01\x00"s + std::string(256, 'x');
  expect({v2(1, 0x11, kFour + values) + "GET", Status::Done, "192.0.2.1", 56324, "GET"});
}

TEST(ProxyProtocol, LongestVersion2HeaderIsTaken) {
  std::string rest = kFour + "\x04\xff\xf0"s;
  rest += std::string(65535 - rest.size(), 'x');
  ProxyProtocol proxy(ProxyMode::V2, true);
  const Outcome outcome = feed(proxy, v2(1, 0x11, rest) + "GET", 1000);
  EXPECT_EQ(outcome.status, Status::Done);
  EXPECT_EQ(outcome.rest, "GET");
}

TEST(ProxyProtocol, MalformedHeadersAreRefused) {
  expect({kSignature + "\x11\x11"s + "\0\x0c"s + kFour, Status::Malformed, ""});  // version 1
  expect({v2(2, 0x11, kFour), Status::Malformed, ""});                            // command
  expect({v2(1, 0x12, kFour), Status::Malformed, ""});                            // datagram
  expect({v2(1, 0x41, kFour), Status::Malformed, ""});                            // family
  expect({v2(1, 0x13, kFour), Status::Malformed, ""});                            // transport
  expect({v2(1, 0x01, kFour), Status::Malformed, ""});                            // stream of no family
  expect({v2(1, 0x11, kFour.substr(0, 11)), Status::Malformed, ""});              // too short
  expect({v2(1, 0x21, kFour), Status::Malformed, ""});                            // too short for IPv6
  expect({v2(1, 0x11, kFour + "\x01"s), Status::Malformed, ""});                  // half a value head
  expect({v2(1, 0x11, kFour + "\x01\x00"s), Status::Malformed, ""});
  expect({v2(1, 0x11, kFour + "\x01\x00\x05xxxx"s), Status::Malformed, ""});  // value beyond the header
}

TEST(ProxyProtocol, OrdinaryConnectionsPassUnchanged) {
  expect({"GET / HTTP/1.1\r\n", Status::NotProxy, "", 0, "GET / HTTP/1.1\r\n"});
  expect({"PROPFIND / HTTP/1.1\r\n", Status::NotProxy, "", 0, "PROPFIND / HTTP/1.1\r\n"});
  expect({"PROXYX / HTTP/1.1\r\n", Status::NotProxy, "", 0, "PROXYX / HTTP/1.1\r\n"});
  expect({"\r\n\r\nGET / HTTP/1.1\r\n", Status::NotProxy, "", 0, "\r\n\r\nGET / HTTP/1.1\r\n"});
}

TEST(ProxyProtocol, ModeSaysWhichVersionIsUnderstood) {
  const std::string line = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n";
  expect({line, Status::NotProxy, "", 0, line}, ProxyMode::V2);
  expect({line, Status::NotProxy, "", 0, line}, ProxyMode::Off);
  expect({line, Status::Done, "192.0.2.1", 56324}, ProxyMode::V1);
  const std::string binary = v2(1, 0x11, kFour);
  expect({binary, Status::NotProxy, "", 0, binary}, ProxyMode::V1);
  expect({binary, Status::NotProxy, "", 0, binary}, ProxyMode::Off);
  expect({binary, Status::Done, "192.0.2.1", 56324}, ProxyMode::V2);
}

TEST(ProxyProtocol, HeaderOfAnUntrustedPeerIsForbiddenAndOthersOfItPass) {
  ProxyProtocol line(ProxyMode::Auto, false), binary(ProxyMode::Auto, false), plain(ProxyMode::Auto, false);
  EXPECT_EQ(feed(line, "PROXY TCP4 192.0.2.1 198.51.100.1 1 443\r\n", 1).status, Status::Forbidden);
  EXPECT_EQ(feed(binary, v2(1, 0x11, kFour), 5).status, Status::Forbidden);
  EXPECT_EQ(feed(plain, "GET / HTTP/1.1\r\n", 3).status, Status::NotProxy);
}

TEST(ProxyProtocol, ModesHaveNames) {
  EXPECT_EQ(parse_proxy_mode("off"), ProxyMode::Off);
  EXPECT_EQ(parse_proxy_mode("v1"), ProxyMode::V1);
  EXPECT_EQ(parse_proxy_mode("v2"), ProxyMode::V2);
  EXPECT_EQ(parse_proxy_mode("auto"), ProxyMode::Auto);
  EXPECT_FALSE(parse_proxy_mode("on"));
}

}  // namespace
}  // namespace prefork::http

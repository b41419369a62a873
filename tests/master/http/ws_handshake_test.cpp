#include "master/http/ws_handshake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "master/http/ws_accept_key.hpp"

namespace prefork::http {
namespace {

using ::testing::ElementsAre;
using Verdict = WsRequest::Verdict;
using Fields = std::vector<WsField>;

// The request of RFC 6455, section 1.2, without what does not matter here.
Fields example() {
  return {{"Host", "server.example.com"},
          {"Upgrade", "websocket"},
          {"Connection", "Upgrade"},
          {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
          {"Sec-WebSocket-Version", "13"}};
}

Fields with(std::string_view name, std::string_view value) {
  Fields fields = example();
  for (auto& field : fields) {
    if (field.name == name) {
      field.value = value;
      return fields;
    }
  }
  fields.push_back({name, value});
  return fields;
}

Fields without(std::string_view name) {
  Fields fields = example();
  std::erase_if(fields, [&](const WsField& field) { return field.name == name; });
  return fields;
}

WsRequest read(const Fields& fields) { return read_ws_request("GET", 11, fields, nullptr); }

TEST(WsHandshake, ComputesTheKeyOfTheRfc) {
  EXPECT_EQ(ws_accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(read(example()).verdict, Verdict::Valid);
  EXPECT_EQ(read(example()).accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WsHandshake, IgnoresTheCaseOfNamesAndTokens) {
  const Fields fields = {{"UPGRADE", "WebSocket"},
                         {"connection", "keep-alive, uPGRADE"},
                         {"sec-websocket-key", " dGhlIHNhbXBsZSBub25jZQ== "},
                         {"SEC-WEBSOCKET-VERSION", " 13"}};
  EXPECT_EQ(read(fields).verdict, Verdict::Valid);
}

TEST(WsHandshake, FindsTheTokensInAnyLine) {
  Fields fields = with("Upgrade", "h2c, websocket");
  fields.insert(fields.begin(), {"Connection", "keep-alive"});
  EXPECT_EQ(read(fields).verdict, Verdict::Valid);
}

TEST(WsHandshake, LeavesOrdinaryRequestsAlone) {
  EXPECT_EQ(read({}).verdict, Verdict::NotWebSocket);
  EXPECT_EQ(read(without("Upgrade")).verdict, Verdict::NotWebSocket);
  EXPECT_EQ(read(without("Connection")).verdict, Verdict::NotWebSocket);
  EXPECT_EQ(read(with("Upgrade", "h2c")).verdict, Verdict::NotWebSocket);
  EXPECT_EQ(read(with("Upgrade", "websockets")).verdict, Verdict::NotWebSocket);
  EXPECT_EQ(read(with("Connection", "close")).verdict, Verdict::NotWebSocket);
  EXPECT_EQ(read_ws_request("POST", 11, example(), nullptr).verdict, Verdict::NotWebSocket);
  EXPECT_EQ(read_ws_request("GET", 10, example(), nullptr).verdict, Verdict::NotWebSocket);
}

TEST(WsHandshake, AsksForVersion13) {
  EXPECT_EQ(read(with("Sec-WebSocket-Version", "8")).verdict, Verdict::UpgradeRequired);
  EXPECT_EQ(read(with("Sec-WebSocket-Version", "13, 8")).verdict, Verdict::UpgradeRequired);
  EXPECT_EQ(read(without("Sec-WebSocket-Version")).verdict, Verdict::UpgradeRequired);
}

TEST(WsHandshake, RefusesAKeyThatIsNotOneOf16Bytes) {
  EXPECT_EQ(read(without("Sec-WebSocket-Key")).verdict, Verdict::BadRequest);
  for (const auto* key : {"", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=A", "dGhlIHNhbXBsZSBub25j",
                          "dGhlIHNhbXBsZSBub25jZSEh", "dGhlIHNhbXBs!SBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ==dGhl"}) {
    EXPECT_EQ(read(with("Sec-WebSocket-Key", key)).verdict, Verdict::BadRequest) << key;
  }
  Fields twice = example();
  twice.push_back({"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="});
  EXPECT_EQ(read(twice).verdict, Verdict::BadRequest);
}

TEST(WsHandshake, RefusesABody) {
  EXPECT_EQ(read(with("Content-Length", "5")).verdict, Verdict::BadRequest);
  EXPECT_EQ(read(with("Transfer-Encoding", "chunked")).verdict, Verdict::BadRequest);
  EXPECT_EQ(read(with("Content-Length", "0")).verdict, Verdict::Valid);
}

TEST(WsHandshake, GathersSubprotocolsFromAllLines) {
  Fields fields = with("Sec-WebSocket-Protocol", "chat , superchat,");
  fields.push_back({"sec-websocket-protocol", "mqtt"});
  EXPECT_THAT(read(fields).subprotocols, ElementsAre("chat", "superchat", "mqtt"));
  EXPECT_TRUE(read(example()).subprotocols.empty());
  EXPECT_EQ(read(with("Sec-WebSocket-Protocol", "two words")).verdict, Verdict::BadRequest);
}

TEST(WsHandshake, AgreesOnDeflateOnlyWhenWished) {
  const Fields fields = with("Sec-WebSocket-Extensions", "permessage-deflate");
  const WsDeflateWishes wishes;
  EXPECT_FALSE(read_ws_request("GET", 11, fields, nullptr).deflate);
  EXPECT_TRUE(read_ws_request("GET", 11, fields, &wishes).deflate);
  EXPECT_FALSE(read_ws_request("GET", 11, example(), &wishes).deflate);
}

TEST(WsHandshake, WritesTheFieldsOfTheAnswer) {
  const WsDeflateWishes wishes;
  const auto request = read_ws_request(
      "GET", 11, with("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"), &wishes);
  EXPECT_EQ(ws_accept_lines(request),
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12\r\n");
}

}  // namespace
}  // namespace prefork::http

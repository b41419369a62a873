// What takes more than a record: bodies under credit, large heads.
#include "tests/master/dispatch/dispatcher_fixture.hpp"

namespace prefork::dispatch {
namespace {

using fake::Client;
using fake::Record;
using fake::Worker;

std::string numbered(std::size_t bytes) {
  std::string text;
  for (unsigned i = 0; text.size() < bytes; ++i) text += std::to_string(i) + ",";
  text.resize(bytes);
  return text;
}

class BodyTest : public fake::DispatcherTest {
 protected:
  Client& submit_with_body(std::string_view path, const std::string& body) {
    Client& client = clients.emplace_back(path, wire::Method::POST);
    client.exchange.body = std::make_unique<net::Spool>(loop, budget, net::Spool::Limits{1 << 20, 0}, [] {});
    client.exchange.body->append(body);
    dispatcher.submit(client.exchange);
    return client;
  }
  net::SpoolBudget budget;
};

TEST_F(BodyTest, FlowsOnlyUnderCredit) {
  Worker& one = worker();
  Client& client = submit_with_body("/upload", "0123456789");
  const auto head = begun(one);
  turn();
  EXPECT_TRUE(one.read().empty());
  ASSERT_TRUE(one.credit(head, 4));
  turn();
  auto pieces = one.read();
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].kind, wire::Kind::Body);
  EXPECT_EQ(pieces[0].bytes, "0123");
  EXPECT_EQ(pieces[0].flags & wire::kEnd, 0);
  EXPECT_EQ(client.body_wanted, 1);
  ASSERT_TRUE(one.credit(head, 100));
  turn();
  pieces = one.read();
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].bytes, "456789");
  EXPECT_NE(pieces[0].flags & wire::kEnd, 0);
}

TEST_F(BodyTest, ItsEndAloneWaitsForTheFirstCreditToo) {
  Worker& one = worker();
  Client& client = submit_with_body("/upload", "");
  client.exchange.body_whole = false;
  turn();
  client.exchange.body_whole = true;  // while the worker has not begun the request
  dispatcher.body_arrived(client.exchange);
  const auto head = begun(one);
  turn();
  EXPECT_TRUE(one.read().empty());
  ASSERT_TRUE(one.credit(head, 100));
  turn();
  const auto pieces = one.read();
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].kind, wire::Kind::Body);
  EXPECT_EQ(pieces[0].flags, wire::kEnd);
}

TEST_F(BodyTest, GoesOnAfterAFullRing) {
  Worker& one = worker(2, {4096, 4096, 64});
  const std::string sent = numbered(100'000);
  submit_with_body("/upload", sent);
  const auto head = begun(one);
  ASSERT_TRUE(one.credit(head, 1 << 20));
  std::string got;
  bool ended = false;
  int rounds = 0;
  ASSERT_TRUE(until([&] {
    ++rounds;
    for (const auto& piece : one.read()) {
      EXPECT_FALSE(ended);
      got += piece.bytes;
      ended = (piece.flags & wire::kEnd) != 0;
    }
    return ended;
  }));
  EXPECT_EQ(got, sent);
  EXPECT_GT(rounds, 100'000 / 4096);
}

TEST_F(BodyTest, GoesOnWhenSomethingElseHasEmptiedTheBacklog) {
  Worker& one = worker(2, {4096, 4096, 64});
  const std::string sent = numbered(100'000);
  Client& client = submit_with_body("/upload", sent);
  const auto head = begun(one);
  ASSERT_TRUE(one.credit(head, 1 << 20));
  std::string got;
  bool ended = false;
  ASSERT_TRUE(until([&] {
    for (const auto& piece : one.read()) {
      if (piece.kind == wire::Kind::Body) got += piece.bytes;
      ended |= piece.kind == wire::Kind::Body && (piece.flags & wire::kEnd) != 0;
    }
    dispatcher.give_reply_credit(client.exchange, 1);  // finds room, and takes the backlog with it
    return ended;
  }));
  EXPECT_EQ(got, sent);
}

TEST_F(BodyTest, OneWhoseBytesWereSentFailsWithItsWorker) {
  policy([](Policy& policy) { policy.retry_crashed = true; });
  Worker& dead = worker();
  Client& client = submit_with_body("/upload", "0123456789");
  const auto head = begun(dead);
  ASSERT_TRUE(dead.credit(head, 4));
  turn();
  bury(dead);
  EXPECT_EQ(client.failure, 502);
}

TEST_F(BodyTest, AnAbandonedOneIsToldAsBrokenOff) {
  Worker& one = worker();
  Client& client = submit_with_body("/upload", "0123");
  client.exchange.body_whole = false;
  const auto head = begun(one);
  ASSERT_TRUE(one.credit(head, 100));
  turn();
  client.exchange.body_aborted = true;
  dispatcher.body_arrived(client.exchange);
  const auto pieces = one.read();
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].flags, 0);
  EXPECT_EQ(pieces[1].flags, wire::kEnd | wire::kAbort);
}

TEST_F(BodyTest, AHeadLargerThanARecordCrossesInPiecesThroughAFullRing) {
  Worker& one = worker(2, {4096, 4096, 64});
  Client& client = submit("/large", wire::Method::GET, 20'000);
  submit("/small");
  turn();
  std::string head;
  std::vector<Record> rest;
  ASSERT_TRUE(until([&] {
    for (auto& record : one.read()) {
      if (record.slot == client.exchange.slot && record.kind == wire::Kind::Head && (head.empty() || rest.empty())) {
        const bool more = (record.flags & wire::kMore) != 0;
        head += record.bytes;
        if (!more) rest.push_back(record);
      } else {
        rest.push_back(std::move(record));
      }
    }
    return !rest.empty();
  }));
  EXPECT_EQ(head, std::string(wire::as_text(client.exchange.request.payload())));
}

TEST_F(BodyTest, AReplyHeadInPiecesIsPutTogether) {
  Worker& one = worker();
  Client& client = submit("/");
  const auto head = begun(one);
  std::vector<std::byte> memory(256);
  wire::ReplyWriter writer(memory, 202, 1, 0);
  writer.field("X-Long", "value", wire::Name::Unknown);
  writer.body(wire::as_bytes("whole"));
  const std::string whole(reinterpret_cast<const char*>(memory.data()), writer.finish());
  ASSERT_TRUE(one.send(wire::Kind::Head, wire::kMore, head.slot, head.generation, whole.substr(0, 9)));
  turn();
  EXPECT_EQ(client.events, 0);
  ASSERT_TRUE(one.send(wire::Kind::Head, wire::kEnd, head.slot, head.generation, whole.substr(9)));
  turn();
  EXPECT_EQ(client.status, 202);
  EXPECT_EQ(client.body, "whole");
  EXPECT_TRUE(client.ended);
}

}  // namespace
}  // namespace prefork::dispatch

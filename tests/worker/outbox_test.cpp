#include "worker/outbox.hpp"

#include <gtest/gtest.h>

#include "tests/support/fake_master.hpp"

namespace prefork::test {
namespace {

using worker::Outbox;
using worker::StreamId;

class OutboxTest : public testing::Test {
 protected:
  void SetUp() override {
    slot = master.send(Ask{});
    id = {slot, 1};
  }

  FakeMaster master{{4096, 4096, 16}};
  std::unique_ptr<worker::Context> context = master.attach();
  Outbox outbox{context->channel()};
  std::uint32_t slot = 0;
  StreamId id;
  std::size_t taken = 0;
};

TEST_F(OutboxTest, AWholeReplyIsOneRecord) {
  const wire::ReplyField fields[] = {{"X-One", "1", wire::Name::Unknown},
                                     {"Content-Type", "a/b", wire::Name::ContentType}};
  ASSERT_TRUE(outbox.try_head(id, {201, 0, "Made", fields}, wire::as_bytes("body"), true, 1000, taken));
  master.pump();
  const auto& answer = master.answer(slot);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.reason, "Made");
  EXPECT_EQ(answer.field("x-one"), "1");
  EXPECT_EQ(answer.body, "body");
  EXPECT_TRUE(answer.ended);
  EXPECT_EQ(taken, 4u);
  EXPECT_EQ(answer.records, 1u);
}

TEST_F(OutboxTest, SendsNoMoreThanThereIsCreditFor) {
  ASSERT_TRUE(outbox.try_head(id, {200, 0, {}, {}}, wire::as_bytes("0123456789"), true, 4, taken));
  EXPECT_EQ(taken, 4u);
  master.pump();
  EXPECT_FALSE(master.answer(slot).ended);
  ASSERT_TRUE(outbox.try_body(id, wire::as_bytes("456789"), true, 0, taken));
  EXPECT_EQ(taken, 0u);
  ASSERT_TRUE(outbox.try_body(id, wire::as_bytes("456789"), true, 6, taken));
  master.pump();
  EXPECT_EQ(master.answer(slot).body, "0123456789");
  EXPECT_TRUE(master.answer(slot).ended);
}

TEST_F(OutboxTest, ARefusalSendsNothingAndRoomLetsItGoOn) {
  const std::string block(1500, 'r');
  ASSERT_TRUE(outbox.try_head(id, {200, 0, {}, {}}, {}, false, 0, taken));
  int sent = 0;
  while (outbox.try_body(id, wire::as_bytes(block), false, 10000, taken)) ++sent;
  EXPECT_EQ(sent, 2);
  EXPECT_TRUE(outbox.starved());
  const shm::Recorder& recorder = master.end().worker_recorder;
  const auto& last = recorder.events.at(recorder.next.load(std::memory_order_acquire) - 1);
  EXPECT_EQ(static_cast<shm::Event>(last.when_and_event & 0xffff), shm::Event::WaitRoom);
  EXPECT_EQ(last.slot, slot);
  EXPECT_EQ(last.value, block.size());
  EXPECT_EQ(master.end().counters.get(shm::Counter::RoomWaits), 1u);
  EXPECT_TRUE(outbox.must_wait());
  master.auto_credit = false;
  master.pump();
  EXPECT_FALSE(outbox.must_wait());
  outbox.fed();
  EXPECT_TRUE(outbox.try_body(id, wire::as_bytes(block), true, 10000, taken));
  master.pump();
  EXPECT_EQ(master.answer(slot).body.size(), 4500u);
}

TEST_F(OutboxTest, ABodyLargerThanARecordGoesInPieces) {
  const std::string body(3000, 'p');
  ASSERT_TRUE(outbox.try_head(id, {200, 0, {}, {}}, wire::as_bytes(body), true, 10000, taken));
  EXPECT_LT(taken, body.size());
  const auto first = taken;
  master.auto_credit = false;
  master.pump();
  EXPECT_FALSE(master.answer(slot).ended);
  ASSERT_TRUE(outbox.try_body(id, wire::as_bytes(body).subspan(first), true, 10000, taken));
  master.pump();
  EXPECT_EQ(master.answer(slot).body, body);
  EXPECT_TRUE(master.answer(slot).ended);
}

TEST_F(OutboxTest, AHeadLargerThanTheRingCrossesInPiecesWithoutWaiting) {
  const std::string value(9000, 'v');
  const wire::ReplyField fields[] = {{"X-Long", value, wire::Name::Unknown}, {"X-Last", "yes", wire::Name::Unknown}};
  int tries = 0;
  while (!outbox.try_head(id, {302, 0, {}, fields}, {}, true, 0, taken)) {
    ASSERT_TRUE(outbox.starved());
    ASSERT_LT(++tries, 20);
    master.pump();
    EXPECT_EQ(master.answer(slot).status, 0);
    outbox.fed();
  }
  EXPECT_GT(tries, 1);
  master.pump();
  const auto& answer = master.answer(slot);
  EXPECT_EQ(answer.status, 302);
  EXPECT_EQ(answer.field("x-long"), value);
  EXPECT_EQ(answer.field("x-last"), "yes");
  EXPECT_TRUE(answer.ended);  // the last piece carries the end of a reply without a body
}

TEST_F(OutboxTest, AHeadThatWasGivenUpHalfwayLeavesNothingBehind) {
  const std::string value(9000, 'v');
  const wire::ReplyField fields[] = {{"X-Long", value, wire::Name::Unknown}};
  ASSERT_FALSE(outbox.try_head(id, {200, 0, {}, fields}, {}, false, 0, taken));
  master.pump();
  outbox.fed();
  ASSERT_TRUE(outbox.try_abort(id));
  master.pump();
  EXPECT_TRUE(master.answer(slot).aborted);
  EXPECT_EQ(master.answer(slot).status, 0);
}

TEST_F(OutboxTest, AnAbortIsNoEnd) {
  ASSERT_TRUE(outbox.try_abort(id));
  master.pump();
  EXPECT_TRUE(master.answer(slot).aborted);
}

TEST_F(OutboxTest, AnInterimReplyComesBeforeTheFinalOne) {
  const wire::ReplyField fields[] = {{"Link", "</a>", wire::Name::Link}};
  ASSERT_TRUE(outbox.try_interim(id, {103, 0, {}, fields}));
  ASSERT_TRUE(outbox.try_head(id, {200, 0, {}, {}}, {}, true, 0, taken));
  master.pump();
  EXPECT_EQ(master.answer(slot).interim, std::vector<std::uint16_t>{103});
  EXPECT_EQ(master.answer(slot).status, 200);
}

}  // namespace
}  // namespace prefork::test

#include "worker/inbox.hpp"

#include <gtest/gtest.h>

#include "tests/support/fake_master.hpp"

namespace prefork::test {
namespace {

using worker::Inbox;
using worker::Job;

class InboxTest : public testing::Test {
 protected:
  Job take() {
    inbox.pump();
    Job job;
    taken = inbox.take(job);
    return job;
  }
  std::string body(const Job& job) { return std::string(wire::as_text(job.view.body())); }

  FakeMaster master{{4096, 4096, 16}};
  std::unique_ptr<worker::Context> context = master.attach();
  Inbox inbox{context->channel(), 1000};
  bool taken = false;
};

TEST_F(InboxTest, TakesRequestsInTheirOrder) {
  Ask ask;
  for (const char* target : {"/a", "/b", "/c"}) {
    ask.target = target;
    master.send(ask);
  }
  for (const char* target : {"/a", "/b", "/c"}) {
    Job job = take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(job.view.text(job.view.head().target), target);
    inbox.close(job);
  }
  (void)take();
  EXPECT_FALSE(taken);
}

TEST_F(InboxTest, SkipsWhatTheMasterHasTakenBack) {
  Ask ask;
  const auto first = master.send(ask);
  const auto second = master.send(ask);
  EXPECT_TRUE(master.revoke(first));
  const Job job = take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(job.slot, second);
  EXPECT_FALSE(master.revoke(second));
  EXPECT_EQ(context->channel().counters.get(shm::Counter::Taken), 2u);
}

TEST_F(InboxTest, JoinsAHeadThatCameInFragments) {
  Ask ask;
  ask.body = std::string(3000, 'f');
  master.send(ask);
  const Job job = take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(body(job), ask.body);
}

TEST_F(InboxTest, AFragmentedHeadOnASlotDoesNotTouchTheRequestThatIsOpenThere) {
  Ask ask;
  Job job;
  const auto slot = master.send(ask);
  job = take();
  ASSERT_TRUE(taken);
  // The next request of the same slot, in two pieces, as after an end that was sent but not closed here.
  ask.body = std::string(100, 'n');
  const auto next = build(ask);
  const auto payload = next.payload();
  const auto put = [&](std::uint16_t flags, std::span<const std::byte> piece) {
    const auto space = master.end().requests.try_claim(static_cast<std::uint32_t>(piece.size()));
    ASSERT_NE(space.data(), nullptr);
    std::memcpy(space.data(), piece.data(), piece.size());
    master.end().requests.commit({static_cast<std::uint16_t>(wire::Kind::Head), flags, slot, job.generation + 1},
                                 static_cast<std::uint32_t>(piece.size()));
  };
  master.end().claims.offer(slot, job.generation + 1);
  put(wire::kMore, payload.first(100));
  inbox.pump();
  EXPECT_NE(inbox.stream(slot, job.generation), nullptr);
  put(0, payload.subspan(100));
  Job second = take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(body(second), ask.body);
  EXPECT_EQ(inbox.stream(slot, job.generation), nullptr);
  inbox.close(job);
  EXPECT_NE(inbox.stream(slot, second.generation), nullptr);
  EXPECT_EQ(inbox.open_streams(), 1u);
  inbox.close(second);
  EXPECT_EQ(inbox.open_streams(), 0u);
}

TEST_F(InboxTest, ABodyNeverWaitsBehindHeads) {
  Ask ask;
  ask.body_follows = true;
  const auto slot = master.send(ask);
  const Job job = take();
  ASSERT_TRUE(taken);
  for (int i = 0; i < 5; ++i) master.send(Ask{});
  master.body(slot, "the body", true);
  inbox.pump();
  const auto* stream = inbox.stream(slot, job.generation);
  ASSERT_NE(stream, nullptr);
  ASSERT_EQ(stream->body.size(), 1u);
  EXPECT_TRUE(stream->body_ended);
  EXPECT_EQ(inbox.heads(), 5u);
}

TEST_F(InboxTest, WhatComesForAClosedRequestIsDropped) {
  Ask ask;
  const auto slot = master.send(ask);
  Job job = take();
  inbox.close(job);
  master.body(slot, "late", true);
  master.cancel(slot);
  inbox.pump();
  EXPECT_TRUE(inbox.changed().empty());
}

TEST_F(InboxTest, CreditAndCancelReachTheirStream) {
  const auto slot = master.send(Ask{});
  const Job job = take();
  master.credit(slot, 500);
  master.cancel(slot);
  inbox.pump();
  const auto* stream = inbox.stream(slot, job.generation);
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->send_credit, 1500u);
  EXPECT_TRUE(stream->cancelled);
  EXPECT_EQ(inbox.changed(), std::vector<std::uint32_t>{slot});
}

TEST_F(InboxTest, AHalfCloseThatComesBeforeTheRequestIsTakenIsKept) {
  const auto first = master.send(Ask{});
  const auto second = master.send(Ask{});
  master.cancel(second, wire::CancelReason::HalfClosed);
  EXPECT_EQ(take().slot, first);
  EXPECT_FALSE(inbox.stream(first).half_closed);
  EXPECT_EQ(take().slot, second);
  EXPECT_TRUE(inbox.stream(second).half_closed);
}

TEST_F(InboxTest, AHeadThatMakesNoSenseBreaksIt) {
  auto request = build(Ask{});
  request.head.path = {~0u, 7};
  request.append_body({});  // writes the head again
  master.send(request);
  (void)take();
  EXPECT_FALSE(taken);
  EXPECT_TRUE(inbox.broken());
}

TEST_F(InboxTest, HearsThatItIsToDrain) {
  master.drain();
  inbox.pump();
  EXPECT_TRUE(inbox.draining());
}

}  // namespace
}  // namespace prefork::test

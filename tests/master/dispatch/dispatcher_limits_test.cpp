// Full queues, deadlines, and clients that do not wait any longer.
#include "tests/master/dispatch/dispatcher_fixture.hpp"

namespace prefork::dispatch {
namespace {

using fake::Client;
using fake::Worker;
using Paths = std::vector<std::string>;

using DispatcherLimitsTest = fake::DispatcherTest;

TEST_F(DispatcherLimitsTest, AFullQueueGives503) {
  policy([](Policy& policy) { policy.queue_size = 2; });
  submit("/1");
  submit("/2");
  Client& third = submit("/3");
  EXPECT_EQ(third.failure, 503);
  EXPECT_EQ(third.exchange.dispatcher, nullptr);
  EXPECT_EQ(dispatcher.queued(), 2U);
}

TEST_F(DispatcherLimitsTest, TheLimitOfConcurrencyCountsQueuedAndRunning) {
  policy([](Policy& policy) { policy.limit_concurrency = 2; });
  Worker& one = worker();
  submit("/1");
  const auto head = begun(one);
  submit("/2");
  EXPECT_EQ(submit("/3").failure, 503);
  ASSERT_TRUE(one.reply(head, 200, ""));
  turn();
  EXPECT_EQ(submit("/4").failure, 0);
}

TEST_F(DispatcherLimitsTest, QueueTimeoutGives503) {
  policy([](Policy& policy) { policy.queue_timeout_ms = 1; });
  worker();
  submit("/running");
  turn();
  ASSERT_EQ(workers[0].start().size(), 1U);
  Client& waiting = submit("/waiting");
  EXPECT_TRUE(until([&] { return waiting.failure != 0; }));
  EXPECT_EQ(waiting.failure, 503);
}

TEST_F(DispatcherLimitsTest, WithoutAReadyWorkerARequestIsHeldOnlySoLong) {
  policy([](Policy& policy) { policy.hold_timeout_ms = 1; });
  Client& waiting = submit("/");
  EXPECT_TRUE(until([&] { return waiting.failure != 0; }));
  EXPECT_EQ(waiting.failure, 503);
  EXPECT_NE(waiting.why.find("ready"), std::string::npos) << waiting.why;
}

TEST_F(DispatcherLimitsTest, RequestTimeoutGives504AndTellsTheWorker) {
  policy([](Policy& policy) { policy.request_timeout_ms = 1; });
  Worker& one = worker();
  Client& slow = submit("/slow");
  const auto head = begun(one);
  ASSERT_TRUE(until([&] { return slow.failure != 0; }));
  EXPECT_EQ(slow.failure, 504);
  const auto told = one.read();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].kind, wire::Kind::Cancel);
  EXPECT_EQ(told[0].slot, head.slot);
  wire::CancelRecord cancel;
  ASSERT_TRUE(wire::read_record(wire::as_bytes(told[0].bytes), cancel));
  EXPECT_EQ(cancel.reason, wire::CancelReason::TimedOut);
}

TEST_F(DispatcherLimitsTest, RepliesForACancelledExchangeAreDropped) {
  Worker& one = worker();
  Client& gone = submit("/gone");
  const auto head = begun(one);
  dispatcher.cancel(gone.exchange, wire::CancelReason::ClientGone);
  Client& next = submit("/next");
  turn();
  ASSERT_EQ(one.read().size(), 1U) << "the Cancel alone: its thread still runs";
  ASSERT_TRUE(one.reply(head, 200, "for nobody", 0));
  ASSERT_TRUE(one.body(head, "more", wire::kEnd));
  turn();
  EXPECT_EQ(gone.events, 0);
  EXPECT_EQ(one.link().bad(), nullptr);
  const auto started = one.start();
  ASSERT_EQ(fake::paths(started), Paths{"/next"});
  ASSERT_TRUE(one.reply(started[0], 200, "for next"));
  turn();
  EXPECT_EQ(next.body, "for next");
}

TEST_F(DispatcherLimitsTest, ACancelledRequestThatWasNotClaimedNeverStarts) {
  Worker& one = worker();
  Client& gone = submit("/gone");
  turn();
  const auto heads = one.read();
  ASSERT_EQ(heads.size(), 1U);
  dispatcher.cancel(gone.exchange, wire::CancelReason::ClientGone);
  EXPECT_FALSE(one.claim(heads[0]));
  EXPECT_TRUE(one.read().empty()) << "nothing to be told";
  EXPECT_TRUE(dispatcher.idle());
  EXPECT_EQ(one.link().in_flight(), 0U);
}

}  // namespace
}  // namespace prefork::dispatch

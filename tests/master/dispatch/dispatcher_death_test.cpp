// A worker that dies, or whose records are bad: what becomes of its requests.
#include "tests/master/dispatch/dispatcher_fixture.hpp"

namespace prefork::dispatch {
namespace {

using fake::Client;
using fake::Worker;
using Paths = std::vector<std::string>;

using DispatcherDeathTest = fake::DispatcherTest;

TEST_F(DispatcherDeathTest, ADeadWorkersUnclaimedRequestsAreRequeuedInOrderAndClaimedOnesFail) {
  Worker& dead = worker(3);
  Client& running = submit("/1");
  Client& second = submit("/2", wire::Method::POST);
  submit("/3");
  submit("/4");
  turn();
  const auto heads = dead.read();
  ASSERT_EQ(heads.size(), 3U);
  ASSERT_TRUE(dead.claim(heads[0]));
  bury(dead);
  EXPECT_EQ(mourned, "suu");
  EXPECT_EQ(running.failure, 502);
  EXPECT_EQ(second.failure, 0);
  EXPECT_EQ(dispatcher.in_flight(), 0U);
  EXPECT_EQ(fake::paths(worker(3).start()), (Paths{"/2", "/3", "/4"}));
}

TEST_F(DispatcherDeathTest, AFailureThatEndsItsConnectionTakesTheConnectionsOtherRequestsAlong) {
  Worker& dead = worker(3);
  Client& running = submit("/1");
  Client& waiting = submit("/2");
  Client& failing = submit("/3");
  failing.when_failed = [&] {
    dispatcher.cancel(running.exchange, wire::CancelReason::ClientGone);
    dispatcher.cancel(waiting.exchange, wire::CancelReason::ClientGone);
  };
  turn();
  const auto heads = dead.read();
  ASSERT_EQ(heads.size(), 3U);
  ASSERT_TRUE(dead.claim(heads[0]));
  ASSERT_TRUE(dead.claim(heads[2]));
  bury(dead);
  EXPECT_EQ(mourned, "sus");
  EXPECT_EQ(failing.failure, 502);
  EXPECT_EQ(running.failure, 0) << "it is no exchange any more";
  EXPECT_EQ(dispatcher.in_flight(), 0U);
  EXPECT_EQ(dispatcher.queued(), 0U);
}

TEST_F(DispatcherDeathTest, WhatAWorkerGivesBackAfterTheEndIsAnsweredInTheSameTurn) {
  Worker& last = worker(2);
  Client& running = submit("/1");
  Client& unstarted = submit("/2");
  turn();
  const auto heads = last.read();
  ASSERT_EQ(heads.size(), 2U);
  ASSERT_TRUE(last.claim(heads[0]));
  Client& waiting = submit("/3");
  dispatcher.set_gate(Dispatcher::Gate::Stopped);
  EXPECT_EQ(waiting.failure, 503);
  EXPECT_EQ(unstarted.failure, 0) << "its worker may still begin it";
  Client& late = submit("/4");
  bury(last);
  turn();
  EXPECT_EQ(running.failure, 502);
  EXPECT_EQ(unstarted.failure, 503);
  EXPECT_EQ(late.failure, 503);
  EXPECT_TRUE(dispatcher.idle());
}

TEST_F(DispatcherDeathTest, AReplyPublishedBeforeTheDeathCounts) {
  Worker& dead = worker(2);
  Client& answered = submit("/1");
  Client& half = submit("/2");
  turn();
  const auto heads = dead.start();
  ASSERT_EQ(heads.size(), 2U);
  ASSERT_TRUE(dead.reply(heads[0], 200, "last words"));
  ASSERT_TRUE(dead.reply(heads[1], 200, "half", 0));
  bury(dead);
  EXPECT_EQ(answered.body, "last words");
  EXPECT_EQ(answered.failure, 0);
  EXPECT_EQ(half.body, "half");
  EXPECT_FALSE(half.ended);
  EXPECT_EQ(half.failure, 502);
}

TEST_F(DispatcherDeathTest, ASafeRequestIsRetriedOnceAndASecondCrashIsPoison) {
  policy([](Policy& policy) { policy.retry_crashed = true; });
  Worker& first = worker(2);
  Client& safe = submit("/safe");
  Client& unsafe = submit("/unsafe", wire::Method::POST);
  turn();
  ASSERT_EQ(first.start().size(), 2U);
  bury(first);
  EXPECT_EQ(unsafe.failure, 502) << "it may have done something";
  EXPECT_EQ(safe.failure, 0);
  Worker& second = worker(2);
  ASSERT_EQ(fake::paths(second.start()), Paths{"/safe"});
  bury(second);
  EXPECT_EQ(safe.failure, 502);
  EXPECT_EQ(dispatcher.queued(), 0U);
}

TEST_F(DispatcherDeathTest, ARequestWhoseReplyHasBegunIsNotRetried) {
  policy([](Policy& policy) { policy.retry_crashed = true; });
  Worker& dead = worker();
  Client& client = submit("/begun");
  const auto head = begun(dead);
  ASSERT_TRUE(dead.reply(head, 200, "half", 0));
  turn();
  bury(dead);
  EXPECT_EQ(client.failure, 502);
}

TEST_F(DispatcherDeathTest, AfterABadRecordClaimsAreNotBelievedForUnsafeRequests) {
  Worker& liar = worker(2);
  Client& unsafe = submit("/unsafe", wire::Method::POST);
  Client& safe = submit("/safe");
  turn();
  bury(liar, false);
  EXPECT_EQ(unsafe.failure, 502);
  EXPECT_EQ(safe.failure, 0);
  EXPECT_EQ(fake::paths(worker(2).start()), Paths{"/safe"});
}

TEST_F(DispatcherDeathTest, ARecordThatNamesNoRequestInFlightIsBad) {
  Worker& one = worker();
  ASSERT_TRUE(one.reply({wire::Kind::Head, 0, 7, 1, {}}, 200, "who asked?"));
  turn();
  ASSERT_NE(one.link().bad(), nullptr);
  EXPECT_EQ(keeper.bad, one.link().bad());
}

TEST_F(DispatcherDeathTest, ASecondReplyToOneRequestIsBad) {
  Worker& one = worker();
  Client& client = submit("/");
  const auto head = begun(one);
  ASSERT_TRUE(one.reply(head, 200, "once"));
  ASSERT_TRUE(one.reply(head, 200, "twice"));
  turn();
  EXPECT_EQ(client.body, "once");
  EXPECT_FALSE(keeper.bad.empty());
}

TEST_F(DispatcherDeathTest, AnotherGenerationOfASlotIsBad) {
  Worker& one = worker();
  Client& client = submit("/");
  auto head = begun(one);
  ++head.generation;
  ASSERT_TRUE(one.reply(head, 200, "from the future"));
  turn();
  EXPECT_EQ(client.events, 0);
  EXPECT_FALSE(keeper.bad.empty());
}

TEST_F(DispatcherDeathTest, AReplyThatItsClientRefusesIsBad) {
  Worker& one = worker();
  Client& client = submit("/");
  client.accepts = false;
  const auto head = begun(one);
  ASSERT_TRUE(one.body(head, "a body without a head"));
  turn();
  EXPECT_FALSE(keeper.bad.empty());
}

}  // namespace
}  // namespace prefork::dispatch

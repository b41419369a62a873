// Which worker gets which request, and what a worker that stands still keeps.
#include "master/dispatch/dispatcher.hpp"

#include <map>

#include "tests/master/dispatch/dispatcher_fixture.hpp"

namespace prefork::dispatch {
namespace {

using fake::Client;
using fake::Worker;
using Paths = std::vector<std::string>;
using DispatcherTest = fake::DispatcherTest;

TEST_F(DispatcherTest, LeastInFlightWins) {
  Worker& first = worker(4);
  Worker& second = worker(4);
  submit("/1");
  submit("/2");
  submit("/3");
  submit("/4");
  turn();
  EXPECT_EQ(fake::paths(first.start()), (Paths{"/1", "/3"}));
  const auto held = second.start();
  EXPECT_EQ(fake::paths(held), (Paths{"/2", "/4"}));
  // The second has answered one: it has the least now.
  ASSERT_TRUE(second.reply(held[0], 200, "done"));
  submit("/5");
  turn();
  EXPECT_EQ(fake::paths(second.start()), (Paths{"/5"}));
  EXPECT_TRUE(first.read().empty());
}

TEST_F(DispatcherTest, WhatIsHeldGoesToWhoeverIsThereAfterwardsInTheOrderOfItsComing) {
  Worker& old = worker(2);
  submit("/1");
  submit("/2");
  turn();
  dispatcher.set_gate(Dispatcher::Gate::Held);
  submit("/3");
  turn();
  EXPECT_TRUE(old.start().empty());  // it had not begun: taken back
  Worker& fresh = worker(3);
  dispatcher.retire(old.link());
  turn();
  EXPECT_TRUE(fresh.read().empty());
  dispatcher.set_gate(Dispatcher::Gate::Open);
  turn();
  EXPECT_EQ(fake::paths(fresh.start()), (Paths{"/1", "/2", "/3"}));
}

TEST_F(DispatcherTest, WhileThereIsNoCodeToRunEveryRequestIsRefused) {
  Worker& one = worker(1);
  dispatcher.set_gate(Dispatcher::Gate::Held);
  Client& waiting = submit("/1");
  dispatcher.set_gate(Dispatcher::Gate::Refusing);
  Client& later = submit("/2");
  turn();
  EXPECT_EQ(waiting.failure, 500);
  EXPECT_EQ(later.failure, 500);
  EXPECT_TRUE(one.read().empty());
  EXPECT_TRUE(dispatcher.idle());
}

TEST_F(DispatcherTest, NothingIsSentBeforeAWorkerIsReady) {
  Worker& one = workers.emplace_back(dispatcher);
  submit("/1");
  turn();
  EXPECT_TRUE(one.read().empty());
  EXPECT_FALSE(dispatcher.any_ready());
  one.ready();
  turn();
  EXPECT_EQ(keeper.ready, 1);
  EXPECT_EQ(fake::paths(one.start()), Paths{"/1"});
}

TEST_F(DispatcherTest, AReadyThatCrossesWithTheWordToEndIsNoBadRecord) {
  Worker& one = workers.emplace_back(dispatcher);
  one.link().retire();
  one.ready();
  submit("/1");
  turn();
  EXPECT_EQ(one.link().bad(), nullptr);
  EXPECT_EQ(keeper.ready, 1);
  EXPECT_EQ(one.link().state(), WorkerLink::State::Retiring);
  EXPECT_TRUE(one.start().empty());
  one.ready();
  turn();
  EXPECT_NE(one.link().bad(), nullptr) << "a second one is";
}

TEST_F(DispatcherTest, IdleThreadsAreAWorkersCredit) {
  Worker& one = worker(3);
  for (const char* path : {"/1", "/2", "/3", "/4", "/5"}) submit(path);
  turn();
  EXPECT_EQ(fake::paths(one.start()), (Paths{"/1", "/2", "/3"}));
  turn();
  EXPECT_TRUE(one.read().empty()) << "three threads run, none is idle";
  EXPECT_EQ(dispatcher.queued(), 2U);
  EXPECT_EQ(dispatcher.in_flight(), 3U);
}

TEST_F(DispatcherTest, ReplyReachesItsClientAndFreesItsThread) {
  Worker& one = worker();
  Client& first = submit("/1");
  submit("/2");
  const auto head = begun(one);
  ASSERT_TRUE(one.reply(head, 201, "made"));
  turn();
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.body, "made");
  EXPECT_TRUE(first.ended);
  EXPECT_EQ(keeper.finished, 1);
  EXPECT_EQ(fake::paths(one.start()), Paths{"/2"});
}

TEST_F(DispatcherTest, WhatAStandingWorkerHasNotClaimedIsGivenToAnotherInOrder) {
  Worker& standing = worker(3);
  submit("/1");
  submit("/2");
  submit("/3");
  turn();
  Worker& other = worker(3);
  ASSERT_TRUE(until([&] { return dispatcher.revoked() == 3; }));
  turn();
  EXPECT_EQ(fake::paths(other.start()), (Paths{"/1", "/2", "/3"}));
  const auto late = standing.read();
  ASSERT_EQ(late.size(), 3U);
  for (const auto& head : late) EXPECT_FALSE(standing.claim(head)) << head.path();
}

TEST_F(DispatcherTest, WhatAStandingWorkerHasClaimedStaysWithIt) {
  Worker& standing = worker(2);
  Client& kept = submit("/kept");
  Client& moved = submit("/moved");
  turn();
  const auto heads = standing.read();
  ASSERT_EQ(heads.size(), 2U);
  ASSERT_TRUE(standing.claim(heads[0]));
  Worker& other = worker(2);
  ASSERT_TRUE(until([&] { return dispatcher.revoked() == 1; }));
  turn();
  const auto given = other.start();
  ASSERT_EQ(fake::paths(given), Paths{"/moved"});
  ASSERT_TRUE(standing.reply(heads[0], 200, "first"));
  ASSERT_TRUE(other.reply(given[0], 200, "second"));
  turn();
  EXPECT_EQ(kept.body, "first");
  EXPECT_EQ(moved.body, "second");
}

TEST_F(DispatcherTest, AStuckWorkerGetsNothingUntilItMoves) {
  Worker& only = worker(2);
  submit("/1");
  turn();
  ASSERT_TRUE(until([&] { return dispatcher.revoked() == 1; }));
  EXPECT_EQ(dispatcher.queued(), 1U) << "there is nobody to give it to";
  for (const auto& head : only.read()) EXPECT_FALSE(only.claim(head));
  turn();
  EXPECT_EQ(fake::paths(only.start()), Paths{"/1"});
}

TEST_F(DispatcherTest, ARequestDoesNotGoRoundForEverAmongWorkersThatWakeLate) {
  // Each worker looks at its ring 60 ms after something came, three times as late as an idle one is waited for.
  constexpr std::uint64_t kLate = 60'000'000;
  for (int i = 0; i < 3; ++i) worker();
  Client& client = submit("/1");
  std::map<Worker*, std::uint64_t> noticed;
  ASSERT_TRUE(until([&] {
    for (Worker& one : workers) {
      if (!one.end().requests.anything_now()) continue;
      const auto since = noticed.try_emplace(&one, loop.now_ns()).first->second;
      if (loop.now_ns() - since < kLate) continue;
      noticed.erase(&one);
      for (const auto& head : one.start()) EXPECT_TRUE(one.reply(head, 200, "late"));
    }
    loop.update_now();
    return client.status == 200;
  })) << "taken back "
      << dispatcher.revoked() << " times";
}

TEST_F(DispatcherTest, ARetiringWorkerKeepsWhatItRunsAndHearsThatItIsToFinish) {
  Worker& old = worker(2);
  Client& running = submit("/running");
  submit("/waiting");
  turn();
  const auto heads = old.read();
  ASSERT_EQ(heads.size(), 2U);
  ASSERT_TRUE(old.claim(heads[0]));
  dispatcher.retire(old.link());
  const auto told = old.read();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].kind, wire::Kind::Drain);
  EXPECT_EQ(running.retired, 1);
  EXPECT_EQ(fake::paths(worker().start()), Paths{"/waiting"});
  ASSERT_TRUE(old.reply(heads[0], 200, "finished"));
  turn();
  EXPECT_EQ(running.body, "finished");
}

}  // namespace
}  // namespace prefork::dispatch

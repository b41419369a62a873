#include "master/dispatch/dispatcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>

#include "tests/master/dispatch/fake_worker.hpp"

namespace prefork::dispatch {
namespace {

using fake::Client;
using fake::Record;
using fake::Worker;
using Paths = std::vector<std::string>;

struct Keeper : WorkerKeeper {
  void on_ready(WorkerLink&) override { ++ready; }
  void on_bad_record(WorkerLink&, const char* why) override { bad = why; }
  void on_retire_wish(WorkerLink&) override { ++wishes; }
  void on_request_finished(WorkerLink&) override { ++finished; }

  int ready = 0;
  int wishes = 0;
  int finished = 0;
  std::string bad;
};

// The loop's clock stands still unless a test lets time pass, so that nothing is taken back behind its back.
class DispatcherTest : public ::testing::Test {
 protected:
  DispatcherTest() { dispatcher.set_keeper(&keeper); }

  void turn() {
    (void)dispatcher.before_sleep();
    dispatcher.after_sleep();
  }
  // Lets time pass, timers fire and the dispatcher work until `done`.
  template <class Done>
  bool until(Done&& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      uv_run(loop.uv(), UV_RUN_NOWAIT);
      turn();
    }
    return true;
  }
  Worker& worker(std::uint32_t concurrency = 1, const shm::Geometry& geometry = {64 << 10, 64 << 10, 64}) {
    Worker& one = workers.emplace_back(dispatcher, geometry);
    one.ready(concurrency);
    turn();
    return one;
  }
  Client& submit(std::string_view path, wire::Method method = wire::Method::GET, std::size_t padding = 0) {
    Client& client = clients.emplace_back(path, method, padding);
    dispatcher.submit(client.exchange);
    return client;
  }
  void policy(const std::function<void(Policy&)>& change) {
    Policy changed;
    change(changed);
    dispatcher.set_policy(changed);
  }
  void bury(Worker& worker, bool trusted = true) {
    dispatcher.bury(worker.link(), trusted,
                    [this](const http::Exchange&, bool started) { mourned += started ? 's' : 'u'; });
  }

  net::Loop loop;
  net::DeadlineWheel wheel{loop};
  Keeper keeper;
  Dispatcher dispatcher{loop, wheel, Policy{}};
  std::deque<Worker> workers;
  std::deque<Client> clients;
  std::string mourned;
};

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
  turn();
  const auto started = one.start();
  ASSERT_EQ(started.size(), 1U);
  ASSERT_TRUE(one.reply(started[0], 201, "made"));
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

TEST_F(DispatcherTest, ADeadWorkersUnclaimedRequestsAreRequeuedInOrderAndClaimedOnesFail) {
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

TEST_F(DispatcherTest, AReplyPublishedBeforeTheDeathCounts) {
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

TEST_F(DispatcherTest, ASafeRequestIsRetriedOnceAndASecondCrashIsPoison) {
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

TEST_F(DispatcherTest, ARequestWhoseReplyHasBegunIsNotRetried) {
  policy([](Policy& policy) { policy.retry_crashed = true; });
  Worker& dead = worker();
  Client& client = submit("/begun");
  turn();
  const auto heads = dead.start();
  ASSERT_EQ(heads.size(), 1U);
  ASSERT_TRUE(dead.reply(heads[0], 200, "half", 0));
  turn();
  bury(dead);
  EXPECT_EQ(client.failure, 502);
}

TEST_F(DispatcherTest, AfterABadRecordClaimsAreNotBelievedForUnsafeRequests) {
  Worker& liar = worker(2);
  Client& unsafe = submit("/unsafe", wire::Method::POST);
  Client& safe = submit("/safe");
  turn();
  bury(liar, false);
  EXPECT_EQ(unsafe.failure, 502);
  EXPECT_EQ(safe.failure, 0);
  EXPECT_EQ(fake::paths(worker(2).start()), Paths{"/safe"});
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

TEST_F(DispatcherTest, AFullQueueGives503) {
  policy([](Policy& policy) { policy.queue_size = 2; });
  submit("/1");
  submit("/2");
  Client& third = submit("/3");
  EXPECT_EQ(third.failure, 503);
  EXPECT_EQ(third.exchange.dispatcher, nullptr);
  EXPECT_EQ(dispatcher.queued(), 2U);
}

TEST_F(DispatcherTest, TheLimitOfConcurrencyCountsQueuedAndRunning) {
  policy([](Policy& policy) { policy.limit_concurrency = 2; });
  Worker& one = worker();
  submit("/1");
  turn();
  const auto heads = one.start();
  ASSERT_EQ(heads.size(), 1U);
  submit("/2");
  EXPECT_EQ(submit("/3").failure, 503);
  ASSERT_TRUE(one.reply(heads[0], 200, ""));
  turn();
  EXPECT_EQ(submit("/4").failure, 0);
}

TEST_F(DispatcherTest, QueueTimeoutGives503) {
  policy([](Policy& policy) { policy.queue_timeout_ms = 1; });
  worker();
  submit("/running");
  turn();
  ASSERT_EQ(workers[0].start().size(), 1U);
  Client& waiting = submit("/waiting");
  EXPECT_TRUE(until([&] { return waiting.failure != 0; }));
  EXPECT_EQ(waiting.failure, 503);
}

TEST_F(DispatcherTest, WithoutAReadyWorkerARequestIsHeldOnlySoLong) {
  policy([](Policy& policy) { policy.hold_timeout_ms = 1; });
  Client& waiting = submit("/");
  EXPECT_TRUE(until([&] { return waiting.failure != 0; }));
  EXPECT_EQ(waiting.failure, 503);
  EXPECT_NE(waiting.why.find("ready"), std::string::npos) << waiting.why;
}

TEST_F(DispatcherTest, RequestTimeoutGives504AndTellsTheWorker) {
  policy([](Policy& policy) { policy.request_timeout_ms = 1; });
  Worker& one = worker();
  Client& slow = submit("/slow");
  turn();
  const auto heads = one.start();
  ASSERT_EQ(heads.size(), 1U);
  ASSERT_TRUE(until([&] { return slow.failure != 0; }));
  EXPECT_EQ(slow.failure, 504);
  const auto told = one.read();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].kind, wire::Kind::Cancel);
  EXPECT_EQ(told[0].slot, heads[0].slot);
  wire::CancelRecord cancel;
  ASSERT_TRUE(wire::read_record(wire::as_bytes(told[0].bytes), cancel));
  EXPECT_EQ(cancel.reason, wire::CancelReason::TimedOut);
}

TEST_F(DispatcherTest, RepliesForACancelledExchangeAreDropped) {
  Worker& one = worker();
  Client& gone = submit("/gone");
  turn();
  const auto heads = one.start();
  ASSERT_EQ(heads.size(), 1U);
  dispatcher.cancel(gone.exchange, wire::CancelReason::ClientGone);
  Client& next = submit("/next");
  turn();
  ASSERT_EQ(one.read().size(), 1U) << "the Cancel alone: its thread still runs";
  ASSERT_TRUE(one.reply(heads[0], 200, "for nobody", 0));
  ASSERT_TRUE(one.body(heads[0], "more", wire::kEnd));
  turn();
  EXPECT_EQ(gone.events, 0);
  EXPECT_EQ(one.link().bad(), nullptr);
  const auto started = one.start();
  ASSERT_EQ(fake::paths(started), Paths{"/next"});
  ASSERT_TRUE(one.reply(started[0], 200, "for next"));
  turn();
  EXPECT_EQ(next.body, "for next");
}

TEST_F(DispatcherTest, ACancelledRequestThatWasNotClaimedNeverStarts) {
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

TEST_F(DispatcherTest, ARecordThatNamesNoRequestInFlightIsBad) {
  Worker& one = worker();
  ASSERT_TRUE(one.reply({wire::Kind::Head, 0, 7, 1, {}}, 200, "who asked?"));
  turn();
  ASSERT_NE(one.link().bad(), nullptr);
  EXPECT_EQ(keeper.bad, one.link().bad());
}

TEST_F(DispatcherTest, ASecondReplyToOneRequestIsBad) {
  Worker& one = worker();
  Client& client = submit("/");
  turn();
  const auto heads = one.start();
  ASSERT_EQ(heads.size(), 1U);
  ASSERT_TRUE(one.reply(heads[0], 200, "once"));
  ASSERT_TRUE(one.reply(heads[0], 200, "twice"));
  turn();
  EXPECT_EQ(client.body, "once");
  EXPECT_FALSE(keeper.bad.empty());
}

TEST_F(DispatcherTest, AnotherGenerationOfASlotIsBad) {
  Worker& one = worker();
  Client& client = submit("/");
  turn();
  auto heads = one.start();
  ASSERT_EQ(heads.size(), 1U);
  ++heads[0].generation;
  ASSERT_TRUE(one.reply(heads[0], 200, "from the future"));
  turn();
  EXPECT_EQ(client.events, 0);
  EXPECT_FALSE(keeper.bad.empty());
}

TEST_F(DispatcherTest, AReplyThatItsClientRefusesIsBad) {
  Worker& one = worker();
  Client& client = submit("/");
  client.accepts = false;
  turn();
  const auto heads = one.start();
  ASSERT_EQ(heads.size(), 1U);
  ASSERT_TRUE(one.body(heads[0], "a body without a head"));
  turn();
  EXPECT_FALSE(keeper.bad.empty());
}

// --- bodies and heads larger than a record

std::string numbered(std::size_t bytes) {
  std::string text;
  for (unsigned i = 0; text.size() < bytes; ++i) text += std::to_string(i) + ",";
  text.resize(bytes);
  return text;
}

class BodyTest : public DispatcherTest {
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
  turn();
  const auto heads = one.start();
  ASSERT_EQ(heads.size(), 1U);
  turn();
  EXPECT_TRUE(one.read().empty());
  ASSERT_TRUE(one.credit(heads[0], 4));
  turn();
  auto pieces = one.read();
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].kind, wire::Kind::Body);
  EXPECT_EQ(pieces[0].bytes, "0123");
  EXPECT_EQ(pieces[0].flags & wire::kEnd, 0);
  EXPECT_EQ(client.body_wanted, 1);
  ASSERT_TRUE(one.credit(heads[0], 100));
  turn();
  pieces = one.read();
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].bytes, "456789");
  EXPECT_NE(pieces[0].flags & wire::kEnd, 0);
}

TEST_F(BodyTest, GoesOnAfterAFullRing) {
  Worker& one = worker(2, {4096, 4096, 64});
  const std::string sent = numbered(100'000);
  submit_with_body("/upload", sent);
  turn();
  const auto heads = one.start();
  ASSERT_EQ(heads.size(), 1U);
  ASSERT_TRUE(one.credit(heads[0], 1 << 20));
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
  turn();
  const auto heads = one.start();
  ASSERT_EQ(heads.size(), 1U);
  ASSERT_TRUE(one.credit(heads[0], 1 << 20));
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
  turn();
  const auto heads = dead.start();
  ASSERT_EQ(heads.size(), 1U);
  ASSERT_TRUE(dead.credit(heads[0], 4));
  turn();
  bury(dead);
  EXPECT_EQ(client.failure, 502);
}

TEST_F(BodyTest, AnAbandonedOneIsToldAsBrokenOff) {
  Worker& one = worker();
  Client& client = submit_with_body("/upload", "0123");
  client.exchange.body_whole = false;
  turn();
  const auto heads = one.start();
  ASSERT_EQ(heads.size(), 1U);
  ASSERT_TRUE(one.credit(heads[0], 100));
  turn();
  client.exchange.body_aborted = true;
  dispatcher.body_arrived(client.exchange);
  const auto pieces = one.read();
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].flags, 0);
  EXPECT_EQ(pieces[1].flags, wire::kEnd | wire::kAbort);
}

TEST_F(DispatcherTest, AHeadLargerThanARecordCrossesInPiecesThroughAFullRing) {
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

TEST_F(DispatcherTest, AReplyHeadInPiecesIsPutTogether) {
  Worker& one = worker();
  Client& client = submit("/");
  turn();
  const auto heads = one.start();
  ASSERT_EQ(heads.size(), 1U);
  std::vector<std::byte> memory(256);
  wire::ReplyWriter writer(memory, 202, 1, 0);
  writer.field("X-Long", "value", wire::Name::Unknown);
  writer.body(wire::as_bytes("whole"));
  const std::string whole(reinterpret_cast<const char*>(memory.data()), writer.finish());
  ASSERT_TRUE(one.send(wire::Kind::Head, wire::kMore, heads[0].slot, heads[0].generation, whole.substr(0, 9)));
  turn();
  EXPECT_EQ(client.events, 0);
  ASSERT_TRUE(one.send(wire::Kind::Head, wire::kEnd, heads[0].slot, heads[0].generation, whole.substr(9)));
  turn();
  EXPECT_EQ(client.status, 202);
  EXPECT_EQ(client.body, "whole");
  EXPECT_TRUE(client.ended);
}

}  // namespace
}  // namespace prefork::dispatch

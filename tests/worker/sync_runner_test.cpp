// Threads around one channel: leader and followers, credit, room, bodies, draining. Meant to run under ThreadSanitizer too.
#include "worker/sync_runner.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "tests/support/fake_master.hpp"

namespace prefork::test {
namespace {

using worker::Exchange;
using worker::SyncRunner;

// What a test says an application does.
class TestApp : public worker::Application {
 public:
  explicit TestApp(std::function<void(Exchange&)> handle) : handle_(std::move(handle)) {}
  void handle(Exchange& exchange) override { handle_(exchange); }

 private:
  std::function<void(Exchange&)> handle_;
};

std::string target(Exchange& exchange) {
  return std::string(exchange.request().text(exchange.request().head().target));
}

void answer(Exchange& exchange, std::string_view body) {
  (void)exchange.send_head({200, 0, {}, {}}, wire::as_bytes(body), true);
}

// Reads the whole body; "aborted" when it broke off.
std::string read_all(Exchange& exchange) {
  std::string body;
  std::span<const std::byte> piece;
  for (;;) {
    switch (exchange.read_body(piece)) {
      case Exchange::Read::Data: body.append(wire::as_text(piece)); break;
      case Exchange::Read::End: return body;
      case Exchange::Read::Aborted: return "aborted";
    }
  }
}

class SyncRunnerTest : public testing::Test {
 protected:
  void serve(unsigned threads, std::function<void(Exchange&)> handle, wire::Settings settings = {}) {
    context = master.attach(std::move(settings));
    app = std::make_unique<TestApp>(std::move(handle));
    runner = std::make_unique<SyncRunner>(*context);
    context->ready(wire::Interface::Echo, threads);
    for (unsigned i = 0; i < threads; ++i) {
      crew.emplace_back([this] {
        worker::SleepHooks hooks;
        last_end = runner->serve(hooks, *app);
      });
    }
  }
  void TearDown() override {
    if (runner) runner->stop();
    join();
  }
  void join() {
    for (auto& thread : crew) thread.join();
    crew.clear();
  }
  // What the worker's flight recorder says, in order, besides requests it took and a ring that we did not empty in time.
  std::vector<std::string> recorded() {
    std::vector<std::string> events;
    const shm::Recorder& recorder = master.end().worker_recorder;
    const auto written = recorder.next.load(std::memory_order_acquire);
    for (std::uint64_t i = 0; i < written; ++i) {
      const auto event = static_cast<shm::Event>(recorder.events.at(i).when_and_event & 0xffff);
      if (event == shm::Event::Take || event == shm::Event::WaitRoom) continue;
      if (events.empty() || events.back() != shm::to_string(event)) events.emplace_back(shm::to_string(event));
    }
    return events;
  }
  std::vector<std::uint32_t> send(int count, Ask ask = {}) {
    std::vector<std::uint32_t> slots;
    for (int i = 0; i < count; ++i) slots.push_back(master.send(ask));
    return slots;
  }

  FakeMaster master{{16384, 16384, 256}};
  std::unique_ptr<worker::Context> context;
  std::unique_ptr<TestApp> app;
  std::unique_ptr<SyncRunner> runner;
  std::vector<std::thread> crew;
  std::atomic<SyncRunner::Ended> last_end{SyncRunner::Ended::Broken};
};

TEST_F(SyncRunnerTest, AnswersOneRequestAfterTheOther) {
  serve(1, [](Exchange& exchange) { answer(exchange, target(exchange)); });
  for (int i = 0; i < 1000; ++i) {
    Ask ask;
    ask.target = "/" + std::to_string(i);
    ASSERT_EQ(master.ask(ask).body, ask.target);
  }
}

TEST_F(SyncRunnerTest, SeveralThreadsAnswerEachRequestOnce) {
  std::atomic<int> handled{0};
  serve(4, [&](Exchange& exchange) {
    handled.fetch_add(1);
    answer(exchange, target(exchange));
  });
  for (int round = 0; round < 50; ++round) {
    std::vector<std::pair<std::uint32_t, std::string>> sent;
    for (int i = 0; i < 100; ++i) {
      Ask ask;
      ask.target = "/" + std::to_string(round * 100 + i);
      sent.emplace_back(master.send(ask), ask.target);
    }
    for (const auto& [slot, expected] : sent) ASSERT_EQ(master.finish(slot).body, expected);
  }
  EXPECT_EQ(handled.load(), 5000);
}

TEST_F(SyncRunnerTest, AsManyRequestsRunAtOnceAsThereAreThreads) {
  struct Meeting {
    std::mutex mutex;
    std::condition_variable all;
    int inside = 0;
  };
  const auto meeting = std::make_shared<Meeting>();  // lives until the last thread has left it
  serve(4, [meeting](Exchange& exchange) {
    std::unique_lock lock(meeting->mutex);
    ++meeting->inside;
    meeting->all.notify_all();
    meeting->all.wait(lock, [&] { return meeting->inside == 4; });
    lock.unlock();
    answer(exchange, "together");
  });
  for (const auto slot : send(4)) EXPECT_EQ(master.finish(slot).body, "together");
}

TEST_F(SyncRunnerTest, ThreadsThatWaitForBodiesAndThreadsThatWaitForRequestsAllWake) {
  serve(4, [](Exchange& exchange) { answer(exchange, read_all(exchange)); });
  for (int round = 0; round < 200; ++round) {
    Ask slow;
    slow.body_follows = true;
    const auto first = master.send(slow);
    const auto second = master.send(slow);
    ASSERT_TRUE(master.until([&] { return master.answer(first).credit > 0 && master.answer(second).credit > 0; }));
    const auto quick = send(3);
    master.body(second, "second", false);
    for (const auto slot : quick) ASSERT_TRUE(master.finish(slot).ended);
    master.body(first, "first", true);
    ASSERT_EQ(master.finish(first).body, "first");
    master.body(second, "!", true);
    ASSERT_EQ(master.finish(second).body, "second!");
  }
}

TEST_F(SyncRunnerTest, LargeBodiesOfSeveralThreadsCrossASmallRing) {
  serve(3, [](Exchange& exchange) {
    const std::string block(50000, target(exchange)[1]);
    (void)exchange.send_head({200, 0, {}, {}}, wire::as_bytes(block), false);
    for (int i = 0; i < 20; ++i) (void)exchange.send_body(wire::as_bytes(block), i == 19);
  });
  std::vector<std::uint32_t> slots;
  for (const char* name : {"/a", "/b", "/c"}) {
    Ask ask;
    ask.target = name;
    slots.push_back(master.send(ask));
  }
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(master.finish(slots[i]).body, std::string(50000 * 21, static_cast<char>('a' + i)));
}

TEST_F(SyncRunnerTest, ASenderWaitsForCredit) {
  wire::Settings settings;
  settings.set("reply_window", "1000");
  serve(
      2, [](Exchange& exchange) { answer(exchange, std::string(5000, 'c')); }, settings);
  master.auto_credit = false;
  const auto slot = master.send(Ask{});
  ASSERT_TRUE(master.until([&] { return master.answer(slot).body.size() == 1000; }));
  for (int i = 1; i < 5; ++i) {
    master.credit(slot, 1000);
    ASSERT_TRUE(
        master.until([&] { return master.answer(slot).body.size() == static_cast<std::size_t>(1000 * (i + 1)); }));
  }
  EXPECT_TRUE(master.finish(slot).ended);
}

TEST_F(SyncRunnerTest, ACancelWakesASenderAndTheReplyIsBrokenOff) {
  wire::Settings settings;
  settings.set("reply_window", "1000");
  std::atomic<bool> gone{false};
  serve(
      1,
      [&](Exchange& exchange) {
        gone = exchange.send_head({200, 0, {}, {}}, wire::as_bytes(std::string(5000, 'c')), true) == worker::Sent::Gone;
      },
      settings);
  master.auto_credit = false;
  const auto slot = master.send(Ask{});
  ASSERT_TRUE(master.until([&] { return master.answer(slot).body.size() == 1000; }));
  master.cancel(slot);
  EXPECT_TRUE(master.finish(slot).aborted);
  EXPECT_TRUE(gone.load());
}

TEST_F(SyncRunnerTest, ABodyThatBreaksOffWakesItsReader) {
  serve(2, [](Exchange& exchange) { answer(exchange, read_all(exchange)); });
  Ask ask;
  ask.body_follows = true;
  const auto slot = master.send(ask);
  ASSERT_TRUE(master.until([&] { return master.answer(slot).credit > 0; }));
  master.body(slot, "", true, true);
  EXPECT_EQ(master.finish(slot).body, "aborted");
}

TEST_F(SyncRunnerTest, WhatIsReadAfterTheClientWentIsWholeWhenItWas) {
  serve(1, [](Exchange& exchange) { answer(exchange, read_all(exchange)); });
  Ask ask;
  ask.body_follows = true;
  const auto slot = master.send(ask);
  ASSERT_TRUE(master.until([&] { return master.answer(slot).credit > 0; }));
  master.body(slot, "all of it", true);
  EXPECT_EQ(master.finish(slot).body, "all of it");
}

TEST_F(SyncRunnerTest, AReplyThatWasNotEndedIsBrokenOff) {
  serve(1, [](Exchange&) {});
  EXPECT_TRUE(master.ask(Ask{}).aborted);
}

TEST_F(SyncRunnerTest, DrainFinishesWhatIsThereAndEndsEveryThread) {
  serve(3, [](Exchange& exchange) { answer(exchange, "done"); });
  const auto slots = send(20);
  master.drain();
  for (const auto slot : slots) EXPECT_EQ(master.finish(slot).body, "done");
  join();
  EXPECT_EQ(last_end.load(), SyncRunner::Ended::Drained);
}

TEST_F(SyncRunnerTest, TheRecorderOutlivesAWorkerAndTellsWhatItWaitedFor) {
  wire::Settings settings;
  settings.set("reply_window", "20000");
  serve(
      1, [](Exchange& exchange) { answer(exchange, read_all(exchange) + std::string(50000, 'c')); }, settings);
  master.auto_credit = false;
  Ask ask;
  ask.body_follows = true;
  const auto slot = master.send(ask);
  ASSERT_TRUE(master.until([&] { return master.answer(slot).credit > 0; }));
  master.body(slot, "all", true);
  ASSERT_TRUE(master.until([&] { return master.answer(slot).body.size() == 20000; }));
  master.cancel(slot);
  EXPECT_TRUE(master.finish(slot).aborted);
  master.drain();
  join();
  EXPECT_EQ(master.end().phase.phase(), shm::Phase::Draining);
  context->leave();
  EXPECT_EQ(master.end().phase.phase(), shm::Phase::Stopped);
  const std::vector<std::string> expected{"attach", "ready", "credit", "wait-credit",
                                          "cancel", "abort", "drain",  "exit"};
  EXPECT_EQ(recorded(), expected);
}

TEST_F(SyncRunnerTest, StopEndsThreadsThatSleep) {
  serve(3, [](Exchange& exchange) { answer(exchange, "done"); });
  EXPECT_EQ(master.ask(Ask{}).body, "done");
  runner->stop();
  join();
}

TEST_F(SyncRunnerTest, ARequestTakenBackIsNotAnswered) {
  std::mutex gate;
  gate.lock();
  std::atomic<int> handled{0};
  serve(1, [&](Exchange& exchange) {
    handled.fetch_add(1);
    const std::lock_guard lock(gate);
    answer(exchange, "ran");
  });
  const auto first = master.send(Ask{});
  ASSERT_TRUE(master.until([&] { return handled.load() == 1; }));
  const auto second = master.send(Ask{});
  EXPECT_TRUE(master.revoke(second));
  gate.unlock();
  EXPECT_EQ(master.finish(first).body, "ran");
  EXPECT_EQ(master.ask(Ask{}).body, "ran");
  EXPECT_EQ(handled.load(), 2);
}

}  // namespace
}  // namespace prefork::test

#include "master/net/deadline.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace prefork::net {
namespace {

struct Alarm : Deadline {
  explicit Alarm(std::function<void()> what) : fire(std::move(what)) {}
  void on_deadline() override { fire(); }
  std::function<void()> fire;
};

class DeadlineTest : public ::testing::Test {
 protected:
  template <class Done>
  bool until(Done&& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      uv_run(loop.uv(), UV_RUN_ONCE);
    }
    return true;
  }
  std::function<void()> note(char letter) {
    return [this, letter] { fired += letter; };
  }
  std::uint64_t in(std::uint64_t milliseconds) {
    loop.update_now();
    return loop.now_ms() + milliseconds;
  }

  Loop loop;
  DeadlineWheel wheel{loop};
  std::string fired;
};

TEST_F(DeadlineTest, FireInTheOrderOfTheirTimes) {
  Alarm last(note('c'));
  Alarm first(note('a'));
  Alarm middle(note('b'));
  const auto start = in(0);
  last.set(wheel, start + 150);
  first.set(wheel, start + 10);
  middle.set(wheel, start + 80);
  ASSERT_TRUE(until([&] { return fired.size() == 3; }));
  EXPECT_EQ(fired, "abc");
  EXPECT_GE(loop.now_ms(), start + 150);
}

TEST_F(DeadlineTest, NeverFireEarly) {
  for (const std::uint64_t wait : {0, 1, 19, 20, 21, 63}) {
    fired.clear();
    Alarm alarm(note('x'));
    const auto due = in(wait);
    alarm.set(wheel, due);
    EXPECT_TRUE(alarm.armed());
    ASSERT_TRUE(until([&] { return !fired.empty(); }));
    EXPECT_GE(loop.now_ms(), due);
    EXPECT_FALSE(alarm.armed());
  }
}

TEST_F(DeadlineTest, MovedLaterFiresOnceAndAtTheLaterTime) {
  Alarm moved(note('m'));
  const auto start = in(0);
  std::uint64_t fired_ms = 0;
  moved.fire = [&] {
    fired += 'm';
    fired_ms = loop.now_ms();
  };
  moved.set(wheel, start + 10);
  moved.set(wheel, start + 160);
  Alarm after(note('.'));
  after.set(wheel, start + 240);
  ASSERT_TRUE(until([&] { return fired.size() == 2; }));
  EXPECT_EQ(fired, "m.");
  EXPECT_GE(fired_ms, start + 160);
}

TEST_F(DeadlineTest, MovedEarlierFiresEarlier) {
  Alarm moved(note('m'));
  Alarm between(note('b'));
  const auto start = in(0);
  moved.set(wheel, start + 60'000);
  between.set(wheel, start + 120);
  moved.set(wheel, start + 20);
  ASSERT_TRUE(until([&] { return fired.size() == 2; }));
  EXPECT_EQ(fired, "mb");
}

TEST_F(DeadlineTest, DisarmedDoesNotFireAndCanBeSetAgain) {
  Alarm quiet(note('q'));
  Alarm after(note('a'));
  quiet.set(wheel, in(10));
  quiet.disarm();
  after.set(wheel, in(80));
  ASSERT_TRUE(until([&] { return !fired.empty(); }));
  EXPECT_EQ(fired, "a");
  quiet.set(wheel, in(10));
  ASSERT_TRUE(until([&] { return fired.size() == 2; }));
  EXPECT_EQ(fired, "aq");
}

TEST_F(DeadlineTest, CallbackCancelsItsNeighbour) {
  Alarm* other[2] = {};
  Alarm one([&] {
    fired += '1';
    other[1]->cancel();
  });
  Alarm two([&] {
    fired += '2';
    other[0]->cancel();
  });
  other[0] = &one;
  other[1] = &two;
  const auto due = in(30);
  one.set(wheel, due);
  two.set(wheel, due);
  Alarm after(note('.'));
  after.set(wheel, due + 60);
  ASSERT_TRUE(until([&] { return !fired.empty() && fired.back() == '.'; }));
  EXPECT_EQ(fired.size(), 2U) << "whichever is first: " << fired;
}

TEST_F(DeadlineTest, CallbackDestroysItsNeighbour) {
  auto neighbour = std::make_unique<Alarm>(note('n'));
  Alarm one([&] {
    fired += 'x';
    neighbour.reset();
  });
  const auto due = in(30);
  neighbour->set(wheel, due);
  one.set(wheel, due);  // in front of the other in the same slot
  Alarm after(note('.'));
  after.set(wheel, due + 60);
  ASSERT_TRUE(until([&] { return !fired.empty() && fired.back() == '.'; }));
  EXPECT_EQ(fired, "x.");
}

TEST_F(DeadlineTest, CallbackSetsItselfAgain) {
  Alarm* self = nullptr;
  Alarm again([&] {
    fired += 'x';
    if (fired.size() < 3) self->set(wheel, loop.now_ms() + 1);
  });
  self = &again;
  again.set(wheel, in(1));
  ASSERT_TRUE(until([&] { return fired.size() == 3; }));
}

TEST_F(DeadlineTest, OneForALaterRoundOfTheWheelWaitsForItsRound) {
  Alarm far(note('f'));
  Alarm near(note('n'));
  const auto start = in(0);
  // The wheel has 1024 slots: the two stand in the same one.
  far.set(wheel, start + 40 + 1024 * DeadlineWheel::kTickMs);
  near.set(wheel, start + 40);
  ASSERT_TRUE(until([&] { return !fired.empty(); }));
  EXPECT_EQ(fired, "n");
  EXPECT_TRUE(far.armed());
}

TEST_F(DeadlineTest, ThousandsFireOnceEach) {
  std::vector<std::unique_ptr<Alarm>> alarms;
  std::vector<int> count(3000);
  const auto start = in(0);
  for (std::size_t i = 0; i < count.size(); ++i) {
    alarms.push_back(std::make_unique<Alarm>([&count, this, i] {
      ++count[i];
      fired += '.';
    }));
    alarms.back()->set(wheel, start + (i * 37) % 200);
  }
  for (std::size_t i = 0; i < count.size(); i += 3) alarms[i]->cancel();
  ASSERT_TRUE(until([&] { return fired.size() == 2000; }));
  for (std::size_t i = 0; i < count.size(); ++i) EXPECT_EQ(count[i], i % 3 == 0 ? 0 : 1) << i;
}

}  // namespace
}  // namespace prefork::net

#include "shm/recorder.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "shm/counters.hpp"
#include "shm/phase.hpp"

namespace prefork::shm {
namespace {

TEST(Recorder, KeepsTheLast1024Events) {
  const auto recorder = std::make_unique<Recorder>();
  for (std::uint32_t i = 0; i < 3000; ++i) recorder->note(Event::Take, i, i, i + 1);
  EXPECT_EQ(recorder->next.load(std::memory_order_relaxed), 3000u);
  for (std::uint64_t serial = 3000 - Recorder::kEvents; serial < 3000; ++serial) {
    const auto& event = recorder->events[serial % Recorder::kEvents];
    EXPECT_EQ(event.when_and_event >> 16, serial);
    EXPECT_EQ(event.when_and_event & 0xffff, static_cast<std::uint64_t>(Event::Take));
    EXPECT_EQ(event.slot, serial);
    EXPECT_EQ(event.value, serial + 1);
  }
}

TEST(Recorder, EveryEventHasANameOfItsOwn) {
  std::set<std::string> names;
  for (std::uint16_t event = 0; event < static_cast<std::uint16_t>(Event::kCount); ++event)
    names.insert(to_string(static_cast<Event>(event)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Event::kCount));
  EXPECT_STREQ(to_string(Event::Revoke), "revoke");
  EXPECT_STREQ(to_string(Event::kCount), "unknown");
  EXPECT_STREQ(to_string(static_cast<Event>(0xffff)), "unknown");
}

TEST(Counters, AreAddedUpOneByOne) {
  const auto counters = std::make_unique<Counters>();
  counters->add(Counter::Taken);
  counters->add(Counter::Taken, 4);
  counters->add(Counter::RoomWaits, 2);
  EXPECT_EQ(counters->get(Counter::Taken), 5u);
  EXPECT_EQ(counters->get(Counter::RoomWaits), 2u);
  EXPECT_EQ(counters->get(Counter::Failed), 0u);
  for (const char* name : kCounterNames) EXPECT_NE(name, nullptr);
}

TEST(Phase, HeartbeatAndPhaseShareAWord) {
  const auto word = std::make_unique<PhaseWord>();
  EXPECT_EQ(word->phase(), Phase::Starting);
  word->set(Phase::Draining, (std::uint64_t{1} << 56) - 1);
  EXPECT_EQ(word->phase(), Phase::Draining);
  EXPECT_EQ(word->heartbeat_us(), (std::uint64_t{1} << 56) - 1);
  word->set(Phase::Stopped, 0);
  EXPECT_EQ(word->heartbeat_us(), 0u);
  EXPECT_STREQ(to_string(word->phase()), "stopped");
}

TEST(Phase, AScribbledWordHasAnUnknownPhase) {
  const auto word = std::make_unique<PhaseWord>();
  word->word.store(~std::uint64_t{0}, std::memory_order_relaxed);
  EXPECT_STREQ(to_string(word->phase()), "unknown");
}

}  // namespace
}  // namespace prefork::shm

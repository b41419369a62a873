#include "shm/doorbell.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

namespace prefork::shm {
namespace {

struct DoorbellTest : ::testing::Test {
  bool readable() const {
    pollfd one{fds.wait.get(), POLLIN, 0};
    return ::poll(&one, 1, 0) == 1;
  }
  BellFlag flag{};
  BellFds fds = make_bell();
  Doorbell bell{flag, fds.wait.get(), fds.signal_fd()};
};

TEST_F(DoorbellTest, RingingAnUnarmedBellCostsNoSystemCall) {
  bell.ring();
  EXPECT_FALSE(readable());
}

TEST_F(DoorbellTest, AnArmedBellIsRungOnce) {
  bell.arm();
  bell.ring();
  EXPECT_TRUE(readable());
  bell.drain();
  bell.ring();
  EXPECT_FALSE(readable());
}

TEST_F(DoorbellTest, ADisarmedBellStaysQuiet) {
  bell.arm();
  bell.disarm();
  bell.ring();
  EXPECT_FALSE(readable());
}

TEST_F(DoorbellTest, DrainingAQuietBellDoesNotBlock) {
  bell.drain();
  EXPECT_FALSE(readable());
}

TEST_F(DoorbellTest, ManySignalsAreOneWakeUpAndNeverBlock) {
  for (int i = 0; i < 100000; ++i) signal_bell(fds.signal_fd());
  EXPECT_TRUE(readable());
  bell.drain();
  EXPECT_FALSE(readable());
}

TEST_F(DoorbellTest, DoesNotSleepWhenTheRecheckFindsSomething) {
  EXPECT_EQ(sleep_unless(bell, [] { return true; }), Slept::NotAtAll);
  EXPECT_EQ(flag.sleeping.load(std::memory_order_relaxed), 0u);
}

TEST_F(DoorbellTest, IsArmedBeforeTheRecheck) {
  (void)sleep_unless(bell, [&] { return flag.sleeping.load(std::memory_order_relaxed) == 1; });
  EXPECT_EQ(sleep_unless(
                bell, [&] { return flag.sleeping.load(std::memory_order_relaxed) == 0; }, 0),
            Slept::UntilTimeout);
}

TEST_F(DoorbellTest, SleepsUntilRungAndIsDrainedAndDisarmed) {
  Atomic<std::uint32_t> said{0};
  std::thread ringer([&] {
    while (flag.sleeping.load(std::memory_order_acquire) == 0) std::this_thread::yield();
    said.store(1, std::memory_order_seq_cst);
    bell.ring();
  });
  while (said.load(std::memory_order_seq_cst) == 0) {
    ASSERT_NE(sleep_unless(
                  bell, [&] { return said.load(std::memory_order_seq_cst) != 0; }, 60000),
              Slept::UntilTimeout);
  }
  ringer.join();
  bell.drain();
  EXPECT_EQ(flag.sleeping.load(std::memory_order_relaxed), 0u);
  EXPECT_FALSE(readable());
}

TEST_F(DoorbellTest, DescriptorsDoNotSurviveExec) {
  EXPECT_TRUE(::fcntl(fds.wait.get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_TRUE(::fcntl(fds.signal_fd(), F_GETFD) & FD_CLOEXEC);
  EXPECT_TRUE(::fcntl(fds.wait.get(), F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(::fcntl(fds.signal_fd(), F_GETFL) & O_NONBLOCK);
}

}  // namespace
}  // namespace prefork::shm

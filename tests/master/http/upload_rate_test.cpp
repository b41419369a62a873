#include "master/http/upload_rate.hpp"

#include <gtest/gtest.h>

namespace prefork::http {
namespace {

constexpr std::uint64_t kLeast = 500;  // bytes a second

class UploadRateTest : public ::testing::Test {
 protected:
  UploadRateTest() { rate.watch(1'000, received); }

  // Looks as often as the rate asks for while `bytes_a_look` arrive between two looks; whether one of `looks` finds it too slow.
  bool too_slow_within(int looks, std::uint64_t bytes_a_look, bool waits_for_us = false) {
    for (int i = 0; i < looks; ++i) {
      received += bytes_a_look;
      if (rate.too_slow(rate.due_ms(), received, kLeast, waits_for_us)) return true;
    }
    return false;
  }

  std::uint64_t received = 0;
  UploadRate rate;
};

TEST_F(UploadRateTest, TellsASlowBodyFromOneThatIsJustFastEnough) {
  EXPECT_FALSE(too_slow_within(50, 400));
  EXPECT_TRUE(too_slow_within(50, 399));
}

TEST_F(UploadRateTest, ForgivesAPauseAndNoLongSilence) {
  EXPECT_FALSE(too_slow_within(5, 2'000));
  EXPECT_FALSE(too_slow_within(3, 0));
  EXPECT_TRUE(too_slow_within(3, 0));
}

TEST_F(UploadRateTest, DoesNotCountTheTimeInWhichTheClientIsNotWaitedFor) {
  EXPECT_FALSE(too_slow_within(50, 0, true));
  EXPECT_FALSE(too_slow_within(5, 0)) << "a whole window again";
  EXPECT_TRUE(too_slow_within(1, 0));
}

}  // namespace
}  // namespace prefork::http

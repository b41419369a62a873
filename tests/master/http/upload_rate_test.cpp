#include "master/http/upload_rate.hpp"

#include <gtest/gtest.h>

namespace prefork::http {
namespace {

constexpr std::uint64_t kLeast = 500;  // bytes a second

// Looks as often as the rate asks for while `bytes_a_look` arrive between two looks; whether one of `looks` finds it too slow.
bool too_slow_within(UploadRate& rate, int looks, std::uint64_t bytes_a_look, std::uint64_t& received,
                     bool waits_for_us = false) {
  for (int i = 0; i < looks; ++i) {
    received += bytes_a_look;
    if (rate.too_slow(rate.due_ms(), received, kLeast, waits_for_us)) return true;
  }
  return false;
}

TEST(UploadRate, TellsASlowBodyFromOneThatIsJustFastEnough) {
  std::uint64_t received = 0;
  UploadRate rate;
  rate.watch(1'000, received);
  EXPECT_FALSE(too_slow_within(rate, 50, 400, received));
  EXPECT_TRUE(too_slow_within(rate, 50, 399, received));
}

TEST(UploadRate, ForgivesAPauseAndNoLongSilence) {
  std::uint64_t received = 0;
  UploadRate rate;
  rate.watch(1'000, received);
  EXPECT_FALSE(too_slow_within(rate, 5, 2'000, received));
  EXPECT_FALSE(too_slow_within(rate, 3, 0, received));
  EXPECT_TRUE(too_slow_within(rate, 3, 0, received));
}

TEST(UploadRate, DoesNotCountTheTimeInWhichTheClientIsNotWaitedFor) {
  std::uint64_t received = 0;
  UploadRate rate;
  rate.watch(1'000, received);
  EXPECT_FALSE(too_slow_within(rate, 50, 0, received, true));
  EXPECT_FALSE(too_slow_within(rate, 5, 0, received)) << "a whole window again";
  EXPECT_TRUE(too_slow_within(rate, 1, 0, received));
}

}  // namespace
}  // namespace prefork::http

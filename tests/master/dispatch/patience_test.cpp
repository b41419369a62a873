#include "master/dispatch/patience.hpp"

#include <gtest/gtest.h>

namespace prefork::dispatch {
namespace {

constexpr std::uint64_t kMicrosecond = 1'000;

// One bell that is due at `now`; every extra look brings something `looks` times. How often it was made to wait.
int bell(Patience& patience, std::uint64_t now, int looks) {
  int waited = 0;
  bool more_came = true;
  while (patience.waits(now, more_came)) {
    ++waited;
    more_came = waited <= looks;
    now += kMicrosecond;
  }
  return waited;
}

TEST(Patience, ABellWaitsAsLongAsEveryLookBringsMore) {
  Patience patience;
  EXPECT_EQ(bell(patience, 0, 5), 6);
}

TEST(Patience, ABellRingsAtTheLatestAfterTheLongestTimeHoweverMuchComes) {
  Patience patience;
  EXPECT_EQ(bell(patience, 0, 1'000'000), static_cast<int>(Patience::kLongestNs / kMicrosecond));
}

TEST(Patience, WhereNothingComesBellsRingAtOnce) {
  Patience patience;
  for (int i = 0; i < 200; ++i) (void)bell(patience, 0, 0);
  int waited = 0;
  for (int i = 0; i < 320; ++i) waited += bell(patience, 0, 0);
  EXPECT_LE(waited, 10);  // only now and then is it tried again
}

TEST(Patience, WaitingComesBackWhenRequestsComeCloseTogetherAgain) {
  Patience patience;
  for (int i = 0; i < 200; ++i) (void)bell(patience, 0, 0);
  for (int i = 0; i < 1'000; ++i) (void)bell(patience, 0, 3);
  EXPECT_EQ(bell(patience, 0, 3), 4);
}

}  // namespace
}  // namespace prefork::dispatch

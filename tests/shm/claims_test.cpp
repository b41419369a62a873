#include "shm/claims.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace prefork::shm {
namespace {

struct ClaimsTest : ::testing::Test {
  std::vector<Atomic<std::uint64_t>> words = std::vector<Atomic<std::uint64_t>>(4);
  Claims claims{words};
};

TEST_F(ClaimsTest, AnOfferIsClaimedOnce) {
  claims.offer(2, 7);
  EXPECT_FALSE(claims.claimed(2, 7));
  EXPECT_TRUE(claims.try_claim(2, 7));
  EXPECT_TRUE(claims.claimed(2, 7));
  EXPECT_FALSE(claims.try_claim(2, 7));
  EXPECT_FALSE(claims.try_revoke(2, 7));
}

TEST_F(ClaimsTest, ARevokedOfferCannotBeClaimed) {
  claims.offer(1, 7);
  EXPECT_TRUE(claims.try_revoke(1, 7));
  EXPECT_FALSE(claims.try_claim(1, 7));
  EXPECT_FALSE(claims.claimed(1, 7));
  EXPECT_FALSE(claims.try_revoke(1, 7));
}

TEST_F(ClaimsTest, AStaleRecordDoesNotClaimANewerOffer) {
  claims.offer(0, 7);
  EXPECT_TRUE(claims.try_revoke(0, 7));
  claims.offer(0, 8);
  EXPECT_FALSE(claims.try_claim(0, 7));
  EXPECT_TRUE(claims.try_claim(0, 8));
}

TEST_F(ClaimsTest, TheGenerationWrapsAlikeOnBothSides) {
  constexpr auto kLast = std::numeric_limits<std::uint32_t>::max();
  claims.offer(0, kLast);
  EXPECT_TRUE(claims.try_revoke(0, kLast));
  EXPECT_EQ(words[0].load(std::memory_order_relaxed), 0u);
  EXPECT_FALSE(claims.try_claim(0, kLast));
  claims.offer(0, kLast);
  EXPECT_TRUE(claims.try_claim(0, kLast));
  EXPECT_EQ(words[0].load(std::memory_order_relaxed), std::uint64_t{kLast} << 2 | 1);
}

TEST_F(ClaimsTest, ASlotOutsideTheTableIsNotClaimed) { EXPECT_FALSE(claims.try_claim(4, 0)); }

TEST_F(ClaimsTest, AScribbledWordIsNeitherClaimedNorRevoked) {
  claims.offer(3, 5);
  for (const std::uint64_t scribble : {~std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{5} << 2 | 2,
                                       std::uint64_t{5} << 2 | 3, std::uint64_t{5} << 34}) {
    words[3].store(scribble, std::memory_order_relaxed);
    EXPECT_FALSE(claims.claimed(3, 5));
    EXPECT_FALSE(claims.try_revoke(3, 5));
    EXPECT_FALSE(claims.try_claim(3, 5));
  }
}

}  // namespace
}  // namespace prefork::shm

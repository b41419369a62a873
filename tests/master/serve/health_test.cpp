#include "master/serve/health.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace prefork::serve {
namespace {

HealthState ready() {
  HealthState state;
  state.ready_workers = 2;
  return state;
}

int status(const Health& health, std::string_view path, const HealthState& state) {
  const auto reply = health.answer(path, state);
  return reply ? reply->status : 0;
}

TEST(Health, OtherPathsAreTheApplications) {
  const Health health({"/livez", "/readyz"});
  for (const char* path : {"", "/", "/livez/", "/live", "/readyz?x", "*"})
    EXPECT_FALSE(health.answer(path, ready())) << path;
  EXPECT_FALSE(Health().enabled());
  EXPECT_FALSE(Health().answer("", ready()));
  EXPECT_FALSE(Health().answer("/livez", ready()));
}

TEST(Health, LivenessHoldsWhateverTheWorkersDo) {
  const Health health({"/livez", "/readyz"});
  EXPECT_EQ(status(health, "/livez", {}), 200);
  HealthState draining = ready();
  draining.draining = true;
  EXPECT_EQ(status(health, "/livez", draining), 200);
}

TEST(Health, ReadinessNeedsAReadyWorkerAndNoDrain) {
  const Health health({"/livez", "/readyz"});
  EXPECT_EQ(status(health, "/readyz", ready()), 200);
  EXPECT_EQ(status(health, "/readyz", {}), 503);
  HealthState state = ready();
  state.draining = true;
  EXPECT_EQ(status(health, "/readyz", state), 503);
  EXPECT_EQ(health.answer("/readyz", state)->body, "draining\n");
}

TEST(Health, AFullQueueIsNotReady) {
  const Health health({"/livez", "/readyz"});
  HealthState state = ready();
  state.queue_depth = 10;
  EXPECT_EQ(status(health, "/readyz", state), 200);
  state.queue_limit = 10;
  EXPECT_EQ(status(health, "/readyz", state), 503);
  state.queue_depth = 9;
  EXPECT_EQ(status(health, "/readyz", state), 200);
}

TEST(Health, OnePathAloneIsReadiness) {
  EXPECT_EQ(status(Health({"/healthz"}), "/healthz", {}), 503);
  EXPECT_EQ(status(Health({"/healthz", "/healthz"}), "/healthz", {}), 503);
}

TEST(Health, PathsAreChecked) {
  EXPECT_THROW(Health({"livez"}), std::invalid_argument);
  EXPECT_THROW(Health({"/a?b"}), std::invalid_argument);
  EXPECT_THROW(Health({"/a", "/b", "/c"}), std::invalid_argument);
}

}  // namespace
}  // namespace prefork::serve

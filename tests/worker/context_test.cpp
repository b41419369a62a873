// What a worker is told at its start, and what it refuses.
#include "worker/context.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace prefork::worker {
namespace {

Attachment sample() { return {{4096, 8192, 64}, 3, 4, 5, 6, -1, 7, 8}; }

TEST(Attachment, ComesBackAsItWasTold) {
  const auto copy = Attachment::from_text(sample().to_text());
  EXPECT_EQ(copy.geometry.to_text(), sample().geometry.to_text());
  EXPECT_EQ(copy.region_fd, 3);
  EXPECT_EQ(copy.own_bell_fd, 4);
  EXPECT_EQ(copy.master_bell_fd, 5);
  EXPECT_EQ(copy.side_fd, 6);
  EXPECT_EQ(copy.settings_fd, -1);
  EXPECT_EQ(copy.worker_id, 7U);
  EXPECT_EQ(copy.worker_age, 8U);
}

std::string refusal(const std::string& text) {
  try {
    (void)Attachment::from_text(text);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

TEST(Attachment, AMasterOfAnotherLayoutVersionIsRefusedClearly) {
  auto text = sample().to_text();
  const auto version = std::to_string(shm::kLayoutVersion);
  ASSERT_EQ(text.substr(0, version.size() + 1), version + ":");
  text.replace(0, version.size(), std::to_string(shm::kLayoutVersion + 1));
  EXPECT_NE(refusal(text).find("not of one installation"), std::string::npos) << refusal(text);
}

TEST(Attachment, ACutOrMalformedOneIsRefused) {
  const auto whole = sample().to_text();
  for (std::size_t length = 0; length + 1 < whole.size(); ++length)
    EXPECT_NE(refusal(whole.substr(0, length)), "") << length;
  EXPECT_NE(refusal(whole + "x"), "");
}

}  // namespace
}  // namespace prefork::worker

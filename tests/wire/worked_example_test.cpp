// The worked example of shm/wire/README.md, made anew by the shipped code and compared byte for byte with what the text shows.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "shm/ring.hpp"
#include "tests/wire/sample.hpp"

namespace prefork::wire {
namespace {

// The bytes of the block that starts with ```NAME: after the offset, until three spaces.
std::vector<std::byte> shown(const std::string& name) {
  std::ifstream file(PREFORK_WIRE_README);
  std::vector<std::byte> bytes;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line == "```" + name) {
      inside = true;
    } else if (inside && line == "```") {
      break;
    } else if (inside) {
      EXPECT_EQ(std::stoul(line.substr(0, 4), nullptr, 16), bytes.size());
      std::istringstream numbers(line.substr(6, line.find("   ", 6) - 6));
      for (std::string number; numbers >> number;)
        bytes.push_back(static_cast<std::byte>(std::stoul(number, nullptr, 16)));
    }
  }
  return bytes;
}

std::vector<std::byte> in_a_ring(std::span<const std::byte> payload, std::uint16_t flags) {
  shm::RingPositions positions{};
  std::vector<std::byte> bytes(4096);
  shm::Producer producer(positions, bytes);
  const auto room = producer.try_claim(static_cast<std::uint32_t>(payload.size()));
  std::copy(payload.begin(), payload.end(), room.begin());
  producer.commit({static_cast<std::uint16_t>(Kind::Head), flags, 7, 3}, static_cast<std::uint32_t>(payload.size()));
  bytes.resize(sizeof(shm::RecordHeader) + payload.size());
  return bytes;
}

TEST(WorkedExample, TheRequestIsWhatTheTextShows) {
  const auto text = shown("request");
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(in_a_ring(testing::sample_request().payload(), 0), text);
}

TEST(WorkedExample, TheReplyIsWhatTheTextShows) {
  const auto text = shown("reply");
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(in_a_ring(testing::sample_reply(), kEnd), text);
}

}  // namespace
}  // namespace prefork::wire

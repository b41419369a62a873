#include "shm/packet.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <vector>

namespace prefork::shm {
namespace {

class PacketTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    here_.reset(ends[0]);
    there_.reset(ends[1]);
  }
  UniqueFd here_, there_;
};

TEST_F(PacketTest, KeepsTheBoundariesOfMessages) {
  ASSERT_TRUE(send_packet(here_.get(), "first", {}));
  ASSERT_TRUE(send_packet(here_.get(), "second one", {}));
  Packet packet;
  ASSERT_EQ(receive_packet(there_.get(), packet), Received::Packet);
  EXPECT_EQ(packet.text, "first");
  ASSERT_EQ(receive_packet(there_.get(), packet), Received::Packet);
  EXPECT_EQ(packet.text, "second one");
  EXPECT_TRUE(packet.descriptors.empty());
}

TEST_F(PacketTest, CarriesDescriptorsInOrderAndClosedAtExec) {
  std::array<int, 2> first{}, second{};
  ASSERT_EQ(::pipe(first.data()), 0);
  ASSERT_EQ(::pipe(second.data()), 0);
  const UniqueFd owned[] = {UniqueFd(first[0]), UniqueFd(first[1]), UniqueFd(second[0]), UniqueFd(second[1])};
  const std::array<int, 2> writers{first[1], second[1]};
  ASSERT_TRUE(send_packet(here_.get(), "pipes", writers));
  Packet packet;
  ASSERT_EQ(receive_packet(there_.get(), packet), Received::Packet);
  ASSERT_EQ(packet.descriptors.size(), 2u);
  EXPECT_NE(::fcntl(packet.descriptors[0].get(), F_GETFD) & FD_CLOEXEC, 0);
  ASSERT_EQ(::write(packet.descriptors[1].get(), "x", 1), 1);
  char seen = 0;
  EXPECT_EQ(::read(second[0], &seen, 1), 1);
}

TEST_F(PacketTest, TellsNothingFromTheEnd) {
  Packet packet;
  EXPECT_EQ(receive_packet(there_.get(), packet, MSG_DONTWAIT), Received::Nothing);
  here_.reset();
  EXPECT_EQ(receive_packet(there_.get(), packet), Received::End);
}

TEST_F(PacketTest, ReadsIntoRoomThatTheCallerHas) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd reader(ends[0]), writer(ends[1]);
  ASSERT_TRUE(send_packet(here_.get(), "12345678", std::array{writer.get()}));
  ASSERT_TRUE(send_packet(here_.get(), "abc", {}));
  std::array<std::byte, 4> room{};
  std::size_t length = 9;
  std::vector<UniqueFd> descriptors;
  ASSERT_EQ(receive_packet(there_.get(), room, length, descriptors), Received::Packet);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(room.data()), length), "1234");  // the rest is lost
  ASSERT_EQ(descriptors.size(), 1u);
  EXPECT_EQ(::write(descriptors[0].get(), "x", 1), 1);
  ASSERT_EQ(receive_packet(there_.get(), room, length, descriptors), Received::Packet);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(room.data()), length), "abc");
  EXPECT_TRUE(descriptors.empty());
  EXPECT_EQ(receive_packet(there_.get(), room, length, descriptors, MSG_DONTWAIT), Received::Nothing);
  EXPECT_EQ(length, 0u);
}

TEST_F(PacketTest, RefusesMoreDescriptorsThanAPacketHolds) {
  const std::array<int, kMaxPacketDescriptors + 1> many{};
  EXPECT_FALSE(send_packet(here_.get(), "many", many));
  EXPECT_EQ(errno, EINVAL);
}

}  // namespace
}  // namespace prefork::shm

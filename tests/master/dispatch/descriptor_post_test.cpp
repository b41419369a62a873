#include "master/dispatch/descriptor_post.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "shm/fd.hpp"
#include "shm/packet.hpp"

namespace prefork::dispatch {
namespace {

class DescriptorPostTest : public ::testing::Test {
 protected:
  DescriptorPostTest() {
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    ours.reset(pair[0]);
    theirs.reset(pair[1]);
  }

  void send(std::uint32_t serial, int fd) const {
    const std::string_view number(reinterpret_cast<const char*>(&serial), sizeof serial);
    ASSERT_TRUE(shm::send_packet(theirs.get(), number, {&fd, 1}));
  }

  // The write end of a pipe is sent; its read end says when the last copy of it is closed.
  shm::UniqueFd send_pipe(std::uint32_t serial) const {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    const shm::UniqueFd write(ends[1]);
    send(serial, write.get());
    return shm::UniqueFd(ends[0]);
  }
  static bool writer_left(const shm::UniqueFd& read) {
    char byte = 0;
    return ::read(read.get(), &byte, 1) != 0;
  }

  shm::UniqueFd ours, theirs;
};

TEST_F(DescriptorPostTest, GivesTheDescriptorOfItsSerialNumber) {
  DescriptorPost post(ours.get());
  const auto pipe = send_pipe(7);
  const auto got = post.take(7);
  ASSERT_TRUE(got.came);
  ASSERT_EQ(::write(got.fd.get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(pipe.get(), &byte, 1), 1);
}

TEST_F(DescriptorPostTest, OnesThatWerePassedOverAreClosed) {
  DescriptorPost post(ours.get());
  const auto first = send_pipe(1);
  const auto second = send_pipe(2);
  const auto got = post.take(2);
  EXPECT_TRUE(got.fd);
  EXPECT_FALSE(writer_left(first));
  EXPECT_TRUE(writer_left(second));
}

TEST_F(DescriptorPostTest, ANumberThatNeverCameGivesNone) {
  DescriptorPost post(ours.get());
  EXPECT_FALSE(post.take(1).came);
}

TEST_F(DescriptorPostTest, WhatNobodyTookIsClosedWithTheSocket) {
  DescriptorPost post(ours.get());
  const auto first = send_pipe(1);
  const auto second = send_pipe(2);
  ASSERT_TRUE(post.take(1).fd);
  EXPECT_TRUE(writer_left(second));
  ours.reset();
  EXPECT_FALSE(writer_left(second));
}

TEST_F(DescriptorPostTest, OneForWhichNoneIsFreeHasComeAllTheSame) {
  DescriptorPost post(ours.get());
  const auto pipe = send_pipe(5);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{0, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto got = post.take(5);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_TRUE(got.came);
  EXPECT_FALSE(got.fd);
}

TEST_F(DescriptorPostTest, APacketWithMoreOrLessThanOneDescriptorGivesNone) {
  DescriptorPost post(ours.get());
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const shm::UniqueFd read(ends[0]);
  shm::UniqueFd write(ends[1]);
  const std::uint32_t serial = 3;
  const std::string_view number(reinterpret_cast<const char*>(&serial), sizeof serial);
  ASSERT_TRUE(shm::send_packet(theirs.get(), number, std::array{write.get(), write.get()}));
  ASSERT_TRUE(shm::send_packet(theirs.get(), number, {}));
  write.reset();
  EXPECT_FALSE(post.take(serial).fd);
  EXPECT_FALSE(writer_left(read));
}

}  // namespace
}  // namespace prefork::dispatch

#include "shm/region.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <fstream>
#include <string>
#include <system_error>

#include "shm/channel.hpp"

namespace prefork::shm {
namespace {

UniqueFd copy(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

TEST(Region, IsZeroedAndOfTheSizeAsked) {
  const Region region = Region::create(3 * 4096);
  ASSERT_EQ(region.bytes().size(), 3u * 4096);
  for (const std::byte byte : region.bytes()) ASSERT_EQ(byte, std::byte{0});
}

TEST(Region, BothMappingsShowTheSameBytes) {
  const Region first = Region::create(8192);
  const Region second = Region::attach(copy(first.fd()), 8192);
  first.bytes()[5000] = std::byte{42};
  EXPECT_EQ(second.bytes()[5000], std::byte{42});
  second.bytes()[1] = std::byte{7};
  EXPECT_EQ(first.bytes()[1], std::byte{7});
}

TEST(Region, RefusesAnObjectThatIsSmallerThanItsGeometry) {
  const Region region = Region::create(4096);
  EXPECT_THROW(Region::attach(copy(region.fd()), 8192), std::system_error);
  EXPECT_THROW(Region::attach_read_only(copy(region.fd()), 4097), std::system_error);
  EXPECT_THROW(Region::attach(UniqueFd(), 4096), std::system_error);
}

#ifndef PREFORK_POSIX_SHM
TEST(Region, CannotBeShrunkGrownOrSealedFurther) {
  const Region region = Region::create(8192);
  EXPECT_EQ(::ftruncate(region.fd(), 4096), -1);
  EXPECT_EQ(::ftruncate(region.fd(), 16384), -1);
  EXPECT_EQ(::fcntl(region.fd(), F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(region.bytes()[8191], std::byte{0});
}
#endif

TEST(Region, ItsDescriptorDoesNotSurviveExec) {
  const Region region = Region::create(4096);
  EXPECT_TRUE(::fcntl(region.fd(), F_GETFD) & FD_CLOEXEC);
}

TEST(Region, LeavesNoNameBehind) {
  const Region region = Region::create(4096);
  struct stat status {};
  ASSERT_EQ(::fstat(region.fd(), &status), 0);
  EXPECT_EQ(status.st_nlink, 0u);
}

// The child dies of SIGSEGV when it looks at the parent's mapping: there is none.
TEST(Region, AForkedChildDoesNotInheritTheMapping) {
  const Region region = Region::create(4096);
  region.bytes()[0] = std::byte{1};
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    unsigned char seen = 0;
    // mincore fails with ENOMEM where nothing is mapped.
    const bool mapped = ::mincore(region.bytes().data(), 4096, &seen) == 0;
    ::_exit(mapped ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(region.bytes()[0], std::byte{1});
}

TEST(Region, AReadOnlyMappingCannotBeWritten) {
  const Region region = Region::create(4096);
  const Region reader = Region::attach_read_only(copy(region.fd()), 4096);
  region.bytes()[9] = std::byte{3};
  EXPECT_EQ(reader.bytes()[9], std::byte{3});
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGSEGV, [](int) { ::_exit(77); });
    const Region mine = Region::attach_read_only(copy(region.fd()), 4096);
    const_cast<volatile std::byte&>(mine.bytes()[0]) = std::byte{1};
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 77);
}

TEST(Region, GivesEverythingBackWhenItEnds) {
  const auto mappings = [] {
    std::ifstream maps("/proc/self/maps");
    int count = 0;
    for (std::string line; std::getline(maps, line);)
      count += line.find("prefork") != std::string::npos && line.find("deleted") != std::string::npos;
    return count;
  };
  const int before = mappings();
  int fd = -1;
  {
    Region region = Region::create(4096);
    fd = region.fd();
    EXPECT_EQ(mappings(), before + 1);
    const Region moved = std::move(region);
    EXPECT_EQ(moved.fd(), fd);
    EXPECT_EQ(mappings(), before + 1);
  }
  EXPECT_EQ(mappings(), before);
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
}

// What an idle channel costs after a time of quiet traffic, with both recorders written all over.
TEST(Region, AnIdleChannelTouchesLessThan200KiB) {
  const Geometry geometry{256 * 1024, 1024 * 1024, 32768};
  const Layout layout(geometry);
  const Region region = Region::create(layout.total);
  const Parts parts(region.bytes(), geometry);
  MasterEnd master(parts, -1, -1);
  WorkerEnd worker(parts, -1, -1);
  const auto cross = [](Producer& producer, Consumer& consumer, std::uint32_t length) {
    const auto room = producer.try_claim(length);
    ASSERT_NE(room.data(), nullptr);
    std::fill(room.begin(), room.end(), std::byte{1});
    producer.commit({1, 0, 0, 0}, length);
    producer.publish();
    Record record;
    ASSERT_EQ(consumer.peek(record), Peek::Record);
    consumer.release();
  };
  worker.phase.set(Phase::Ready, 1);
  for (std::uint32_t i = 0; i < 20000; ++i) {
    master.claims.offer(i % 8, i);
    cross(master.requests, worker.requests, 400);
    ASSERT_TRUE(worker.claims.try_claim(i % 8, i));
    cross(worker.replies, master.replies, 200);
    master.recorder.note(Event::Revoke, i);
    worker.recorder.note(Event::Take, i);
    worker.counters.add(Counter::Taken);
  }
  std::vector<unsigned char> pages(region.bytes().size() / 4096);
  ASSERT_EQ(::mincore(region.bytes().data(), region.bytes().size(), pages.data()), 0);
  std::size_t touched = 0;
  for (const unsigned char page : pages) touched += (page & 1) * 4096;
  RecordProperty("touched_kib", static_cast<int>(touched / 1024));
  EXPECT_LT(touched, 200u * 1024);
}

}  // namespace
}  // namespace prefork::shm

// Replies out of files, before their turn and in it.
#include <fcntl.h>
#include <sys/mman.h>

#include "tests/master/http/connection_fixture.hpp"

namespace prefork::http {
namespace {

using ConnectionFileTest = ConnectionTest;

shm::UniqueFd file_of(std::string_view content) {
  shm::UniqueFd fd(::memfd_create("content", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  return fd;
}

TEST_F(ConnectionFileTest, FilesBeforeTheirTurnKeepTheirPlacesAmongTheBytes) {
  send(get("/1") + get("/2"));
  ASSERT_TRUE(until_started(2));
  const auto first = file_of("first file"), second = file_of("second file");
  ASSERT_TRUE(worker.reply(started[1], 200, "<", 0, "24"));
  ASSERT_TRUE(worker.file(started[1], first.get(), 10, 0));
  ASSERT_TRUE(worker.body(started[1], "|"));
  ASSERT_TRUE(worker.file(started[1], second.get(), 11, 0));
  ASSERT_TRUE(worker.body(started[1], ">", wire::kEnd));
  settle();
  EXPECT_EQ(received, "");
  ASSERT_TRUE(answer(0, "before it"));
  ASSERT_TRUE(until_received("<first file|second file>"));
  EXPECT_TRUE(in_order({"before it", "HTTP/1.1 200 ", "<first file|second file>"})) << received;
}

TEST_F(ConnectionFileTest, AFileBeforeItsTurnMayBeLongerThanMemory) {
  send(get("/1") + get("/2"));
  ASSERT_TRUE(until_started(2));
  const auto file = file_of("not so long");
  ASSERT_TRUE(worker.reply(started[1], 200, "", 0));
  ASSERT_TRUE(worker.file(started[1], file.get(), std::uint64_t{1} << 62));
  settle();
  EXPECT_EQ(worker.link().bad(), nullptr);
  ASSERT_TRUE(answer(0, "the first is answered"));
  ASSERT_TRUE(until_received("the first is answered"));
  EXPECT_TRUE(until_closed()) << "the file had less than was said";
}

TEST_F(ConnectionFileTest, ADescriptorThatIsNoFileIsBad) {
  send(get("/1"));
  ASSERT_TRUE(until_started(1));
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const shm::UniqueFd read(ends[0]), write(ends[1]);
  ASSERT_TRUE(worker.reply(started[0], 200, "", 0, "5"));
  ASSERT_TRUE(worker.file(started[0], read.get(), 5));
  settle();
  EXPECT_NE(worker.link().bad(), nullptr);
}

}  // namespace
}  // namespace prefork::http

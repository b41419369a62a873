#include "master/net/spool.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>

#include "shm/fd.hpp"

namespace prefork::net {
namespace {

constexpr std::uint64_t kMemory = 64 * 1024;
constexpr std::uint64_t kLarge = std::uint64_t{1} << 30;

// Every eight bytes of the stream say where they are.
std::string stretch(std::uint64_t from, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(((from + i) * 2654435761U) >> 16);
  return text;
}

// The descriptor of this process that is a file of that directory, deleted or not.
int descriptor_in(const std::string& directory) {
  for (int fd = 0; fd < 256; ++fd) {
    std::array<char, 4096> path{};
    const auto length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path.data(), path.size());
    if (length > 0 && std::string_view(path.data(), static_cast<std::size_t>(length)).starts_with(directory)) return fd;
  }
  return -1;
}

class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() {
    std::string pattern = ::testing::TempDir() + "prefork-spool-XXXXXX";
    directory = ::mkdtemp(pattern.data());
    budget.directory = directory;
    budget.report = [this](const std::string& text) { reports.push_back(text); };
  }
  ~SpoolTest() override { ::rmdir(directory.c_str()); }

  std::unique_ptr<Spool> make(std::uint64_t file = kLarge) {
    return std::make_unique<Spool>(loop, budget, Spool::Limits{kMemory, file}, [this] { ++changes; });
  }
  void append(Spool& spool, std::size_t bytes) {
    spool.append(stretch(appended, bytes));
    appended += bytes;
  }
  template <class Done>
  bool until(Done&& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      uv_run(loop.uv(), UV_RUN_NOWAIT);
    }
    return true;
  }
  // Takes up to `bytes` of what is here; false when a byte is wrong.
  ::testing::AssertionResult take(Spool& spool, std::size_t bytes) {
    while (bytes != 0) {
      if (!until([&] { return !spool.front().empty(); })) return ::testing::AssertionFailure() << "nothing comes";
      const auto front = spool.front().first(std::min(bytes, spool.front().size()));
      if (std::string(front.data(), front.size()) != stretch(taken, front.size())) {
        return ::testing::AssertionFailure() << "wrong bytes from offset " << taken << " on";
      }
      taken += front.size();
      bytes -= front.size();
      spool.consume(front.size());
    }
    return ::testing::AssertionSuccess();
  }

  Loop loop;
  SpoolBudget budget;
  std::string directory;
  std::vector<std::string> reports;
  int changes = 0;
  std::uint64_t appended = 0;
  std::uint64_t taken = 0;
};

TEST_F(SpoolTest, LittleStaysInMemory) {
  auto spool = make();
  append(*spool, 1000);
  append(*spool, 1000);
  EXPECT_EQ(spool->size(), 2000U);
  EXPECT_EQ(spool->in_memory(), 2000U);
  EXPECT_TRUE(take(*spool, 2000));
  EXPECT_TRUE(spool->empty());
  EXPECT_EQ(budget.used, 0U);
}

TEST_F(SpoolTest, KeepsOrderThroughMemoryFileAndMemory) {
  auto spool = make();
  for (int i = 0; i < 300; ++i) append(*spool, 7'001);
  ASSERT_TRUE(until([&] { return budget.used > 0; }));
  append(*spool, 5'003);  // behind the file, in memory again
  EXPECT_EQ(spool->size(), appended);
  EXPECT_TRUE(take(*spool, appended));
  EXPECT_TRUE(spool->empty());
  EXPECT_EQ(budget.used, 0U);
}

TEST_F(SpoolTest, KeepsOrderWhileBothEndsMove) {
  auto spool = make();
  for (int i = 0; i < 300; ++i) append(*spool, 7'001);
  ASSERT_TRUE(until([&] { return budget.used > 0; }));  // from here on the file is in between
  for (int i = 0; i < 2'000; ++i) {
    append(*spool, 1 + static_cast<std::size_t>(i * 7919) % 9'000);
    uv_run(loop.uv(), UV_RUN_NOWAIT);
    const auto ready = spool->front().size();
    if (ready != 0) {
      ASSERT_TRUE(take(*spool, std::min<std::size_t>(ready, 1 + static_cast<std::size_t>(i * 104729) % 8'000)));
    }
  }
  EXPECT_TRUE(take(*spool, appended - taken));
  EXPECT_TRUE(spool->empty());
  EXPECT_EQ(budget.used, 0U);
}

TEST_F(SpoolTest, MemoryStaysFlatWhenTheSourceStopsAtFull) {
  auto spool = make();
  std::uint64_t most = 0;
  while (appended < (64 << 20)) {
    ASSERT_TRUE(until([&] { return !spool->full(); }));
    append(*spool, 32 * 1024);
    most = std::max(most, spool->in_memory());
  }
  EXPECT_LE(most, 3 * kMemory);
  EXPECT_TRUE(take(*spool, appended));
}

TEST_F(SpoolTest, WithoutAFileTheSourceIsToldToStop) {
  auto spool = make(0);
  append(*spool, kMemory);
  EXPECT_FALSE(spool->stuck());
  append(*spool, 1);
  EXPECT_TRUE(spool->stuck());
  EXPECT_TRUE(spool->full());
  EXPECT_TRUE(take(*spool, appended));
  EXPECT_FALSE(spool->full());
  EXPECT_TRUE(reports.empty());
}

TEST_F(SpoolTest, AFileThatCannotBeMadeIsReportedOnceAndTheBytesAreKept) {
  budget.directory = directory + "/not/there";
  auto spool = make();
  append(*spool, kMemory);
  append(*spool, kMemory);
  append(*spool, kMemory);
  EXPECT_EQ(reports.size(), 1U);
  EXPECT_TRUE(spool->stuck());
  EXPECT_TRUE(take(*spool, appended));
  EXPECT_TRUE(spool->empty());
}

TEST_F(SpoolTest, TheFirstBytesAreThereAtOnceWhereNoFileCanTakeThem) {
  budget.directory = directory + "/not/there";
  auto spool = make();
  append(*spool, 2 * kMemory);
  EXPECT_TRUE(spool->stuck());
  EXPECT_FALSE(spool->front().empty()) << "nothing will call back";
  EXPECT_TRUE(take(*spool, appended));
}

TEST_F(SpoolTest, AFullBudgetKeepsOtherSpoolsInMemory) {
  budget.limit = kMemory;
  auto first = make();
  append(*first, 4 * kMemory);
  ASSERT_TRUE(until([&] { return budget.used >= budget.limit; }));
  auto second = std::make_unique<Spool>(loop, budget, Spool::Limits{kMemory, kLarge}, [] {});
  second->append(stretch(0, 2 * kMemory));
  EXPECT_TRUE(second->stuck());
  EXPECT_EQ(second->in_memory(), 2 * kMemory);
  first.reset();
  EXPECT_EQ(budget.used, 0U) << "given back with its owner";
  EXPECT_FALSE(second->stuck());
}

TEST_F(SpoolTest, BorrowsMemoryBeforeAFileIsUsedAndRepaysWhatIsTaken) {
  Spool spool(loop, budget, {.memory = kMemory, .file = kLarge, .loan = 2 * kMemory}, [] {});
  append(spool, 3 * kMemory);
  EXPECT_EQ(spool.in_memory(), 3 * kMemory);
  EXPECT_EQ(budget.lent, 2 * kMemory);
  EXPECT_FALSE(spool.full()) << "nothing will be written that would make room";
  EXPECT_TRUE(take(spool, 3 * kMemory));
  EXPECT_EQ(budget.lent, 0U);
  EXPECT_EQ(budget.used, 0U);
  append(spool, 4 * kMemory);
  ASSERT_TRUE(until([&] { return budget.used > 0; })) << "more than can be borrowed goes to the file";
  EXPECT_TRUE(take(spool, 4 * kMemory));
  EXPECT_EQ(budget.lent, 0U);
}

TEST_F(SpoolTest, WhoFindsNothingToBorrowUsesAFile) {
  budget.lendable = 2 * kMemory;
  auto first = std::make_unique<Spool>(loop, budget, Spool::Limits{kMemory, kLarge, 2 * kMemory}, [] {});
  first->append(stretch(0, 3 * kMemory));
  auto second = std::make_unique<Spool>(loop, budget, Spool::Limits{kMemory, kLarge, 2 * kMemory}, [] {});
  second->append(stretch(0, 2 * kMemory));
  ASSERT_TRUE(until([&] { return budget.used == 2 * kMemory; }));
  EXPECT_EQ(budget.lent, 2 * kMemory);
  first.reset();
  EXPECT_EQ(budget.lent, 0U) << "given back with its owner";
}

TEST_F(SpoolTest, WhatIsReadBackTakesNoDisk) {
  auto spool = make();
  append(*spool, 40 * kMemory);
  ASSERT_TRUE(until([&] { return budget.used > 30 * kMemory; }));
  const auto before = budget.used;
  ASSERT_TRUE(take(*spool, 20 * kMemory));
  EXPECT_LT(budget.used, before - 10 * kMemory);
}

TEST_F(SpoolTest, LeavesNoFileInItsDirectory) {
  auto spool = make();
  append(*spool, 4 * kMemory);
  ASSERT_TRUE(until([&] { return budget.used > 0; }));
  DIR* folder = ::opendir(directory.c_str());
  ASSERT_NE(folder, nullptr);
  int names = 0;
  while (const dirent* entry = ::readdir(folder)) names += entry->d_name[0] == '.' ? 0 : 1;
  ::closedir(folder);
  EXPECT_EQ(names, 0);
}

TEST_F(SpoolTest, DestructionWhileAJobIsUnderWayCallsNobodyBack) {
  for (int i = 0; i < 20; ++i) {
    auto writing = make();
    writing->append(stretch(0, 4 * kMemory));
    if (i % 2 != 0) {  // and while a read is
      ASSERT_TRUE(until([&] { return budget.used > 0; }));
    }
    const int before = changes;
    writing.reset();
    EXPECT_EQ(budget.used, 0U);
    while (uv_run(loop.uv(), UV_RUN_NOWAIT) != 0 && uv_loop_alive(loop.uv()) != 0 &&
           loop.uv()->active_reqs.count != 0) {
    }
    EXPECT_EQ(changes, before);
  }
}

TEST_F(SpoolTest, AFileThatCannotBeReadBackIsReportedAndNothingIsLeftToWaitFor) {
  auto spool = make();
  append(*spool, 40 * kMemory);
  ASSERT_TRUE(until([&] { return budget.used != 0 && !spool->front().empty(); }));
  const shm::UniqueFd unreadable(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  ASSERT_GE(::dup3(unreadable.get(), descriptor_in(directory), O_CLOEXEC), 0);
  ASSERT_TRUE(until([&] {
    while (!spool->front().empty()) spool->consume(spool->front().size());
    return spool->failed();
  }));
  EXPECT_TRUE(spool->empty());
  EXPECT_EQ(budget.used, 0u);
  EXPECT_EQ(reports.size(), 1u);
  EXPECT_GE(changes, 1);
}

TEST_F(SpoolTest, TellsWhenBytesHaveComeBackFromTheFile) {
  auto spool = make();
  append(*spool, kMemory);
  append(*spool, 8 * kMemory);
  ASSERT_TRUE(until([&] { return budget.used > 0; }));
  ASSERT_TRUE(take(*spool, kMemory));
  const int before = changes;
  if (spool->front().empty()) {
    ASSERT_TRUE(until([&] { return changes > before; }));
  }
  ASSERT_TRUE(until([&] { return !spool->front().empty(); }));
}

}  // namespace
}  // namespace prefork::net

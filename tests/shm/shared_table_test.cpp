// The applications' table: by threads, by processes, and by processes that are killed at any instruction.
#include "shm/shared_table.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "shm/process_token.hpp"

namespace prefork::shm {
namespace {

constexpr std::uint64_t kBytes = 64 * 1024;

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

class Table : public ::testing::Test {
 protected:
  SharedEntry& counter(const std::string& name) {
    SharedEntry* const entry = table.counter(name, failure);
    EXPECT_NE(entry, nullptr) << name;
    return *entry;
  }
  SharedEntry& value(const std::string& name, std::uint32_t capacity = 100) {
    SharedEntry* const entry = table.value(name, capacity, failure);
    EXPECT_NE(entry, nullptr) << name;
    return *entry;
  }
  std::uint64_t set(SharedEntry& entry, const std::string& text, std::optional<std::uint64_t> expected = {}) {
    return table.set(entry, bytes_of(text), expected, failure);
  }
  std::string get(const SharedEntry& entry) {
    std::string text;
    (void)table.get(entry, text);
    return text;
  }

  UniqueFd memory = SharedTable::create(kBytes);
  SharedTable table{memory.get()};
  SharedFailure failure = SharedFailure::None;
};

// A process that runs until it is killed, or for as long as `work` takes.
template <class Work>
pid_t child(Work&& work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    work();
    ::_exit(0);
  }
  return pid;
}

void reap(pid_t pid) { ASSERT_EQ(::waitpid(pid, nullptr, 0), pid); }

TEST_F(Table, CountsByName) {
  EXPECT_EQ(SharedTable::add(counter("a"), 2), 2);
  EXPECT_EQ(SharedTable::add(counter("a"), -5), -3);
  EXPECT_EQ(SharedTable::count(counter("a")), -3);
  EXPECT_EQ(SharedTable::count(counter("b")), 0);
  EXPECT_EQ(SharedTable::exchange(counter("a"), 7), -3);
  EXPECT_EQ(SharedTable::count(counter("a")), 7);
}

TEST_F(Table, AnotherMappingSeesTheSame) {
  SharedTable other(memory.get());
  SharedTable::add(counter("a"), 1);
  set(value("v"), "text");
  EXPECT_EQ(SharedTable::count(*other.counter("a", failure)), 1);
  std::string text;
  EXPECT_EQ(other.get(*other.value("v", 100, failure), text), 1u);
  EXPECT_EQ(text, "text");
}

TEST_F(Table, ValuesHaveVersions) {
  auto& entry = value("v");
  EXPECT_EQ(SharedTable::version(entry), 0u);
  EXPECT_EQ(get(entry), "");
  EXPECT_EQ(set(entry, "one"), 1u);
  EXPECT_EQ(set(entry, std::string(100, 'x')), 2u);
  EXPECT_EQ(get(entry), std::string(100, 'x'));
  EXPECT_EQ(set(entry, ""), 3u);
  EXPECT_EQ(get(entry), "");
}

TEST_F(Table, SetsOnlyTheExpectedVersion) {
  auto& entry = value("v");
  EXPECT_EQ(set(entry, "one", 0), 1u);
  EXPECT_EQ(set(entry, "two", 0), 0u);
  EXPECT_EQ(failure, SharedFailure::Moved);
  EXPECT_EQ(get(entry), "one");
  EXPECT_EQ(set(entry, "two", 1), 2u);
}

TEST_F(Table, RefusesWhatDoesNotFit) {
  EXPECT_EQ(set(value("v"), std::string(101, 'x')), 0u);
  EXPECT_EQ(failure, SharedFailure::TooLong);
  counter("c");
  EXPECT_EQ(table.value("c", 10, failure), nullptr);
  EXPECT_EQ(failure, SharedFailure::Mismatch);
  EXPECT_EQ(table.value("v", 101, failure), nullptr);
  EXPECT_EQ(failure, SharedFailure::Mismatch);
  EXPECT_NE(table.value("v", 50, failure), nullptr);
  EXPECT_EQ(table.value("large", kBytes, failure), nullptr);
  EXPECT_EQ(failure, SharedFailure::Full);
  EXPECT_NE(table.counter("large", failure), nullptr);
}

TEST_F(Table, IsFullWhenEveryEntryHasAName) {
  for (std::size_t i = 0; i < table.entries(); ++i) counter("name-" + std::to_string(i));
  EXPECT_EQ(table.counter("another", failure), nullptr);
  EXPECT_EQ(failure, SharedFailure::Full);
  EXPECT_NE(table.counter("name-3", failure), nullptr);
  EXPECT_NE(table.counter(std::string("name-0"), failure), nullptr);
}

TEST_F(Table, ProcessesThatMakeTheSameNamesMeet) {
  constexpr int kProcesses = 4, kNames = 40, kRounds = 50;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(child([&] {
      for (int round = 0; round < kRounds; ++round)
        for (int name = 0; name < kNames; ++name) SharedTable::add(counter("name-" + std::to_string(name)), 1);
    }));
  }
  for (const pid_t pid : children) reap(pid);
  for (int name = 0; name < kNames; ++name)
    EXPECT_EQ(SharedTable::count(counter("name-" + std::to_string(name))), kProcesses * kRounds) << name;
}

TEST_F(Table, ReadersSeeWholeVersions) {
  auto& entry = value("v", 512);
  std::vector<pid_t> writers;
  for (int i = 0; i < 2; ++i) {
    writers.push_back(child([&] {
      for (int round = 0; round < 4000; ++round) set(entry, std::string(1 + round % 512, 'a' + round % 26));
    }));
  }
  std::uint64_t last = 0;
  std::string text;
  while (last < 8000) {
    const auto version = table.get(entry, text);
    ASSERT_GE(version, last);
    ASSERT_EQ(text.find_first_not_of(text.empty() ? 'a' : text[0]), std::string::npos) << text;
    last = version;
  }
  for (const pid_t pid : writers) reap(pid);
  EXPECT_EQ(SharedTable::version(entry), 8000u);
}

TEST_F(Table, ThreadsSetAndReadWholeVersions) {
  auto& entry = value("v", 64);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      SharedFailure mine = SharedFailure::None;
      std::string text;
      for (int round = 0; round < 1000; ++round) {
        table.set(entry, bytes_of(std::string(64, static_cast<char>('a' + i))), {}, mine);
        table.get(entry, text);
        EXPECT_EQ(text, std::string(64, text[0]));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(SharedTable::version(entry), 3000u);
}

// A killed process leaves a whole version, the count of what it had added, and nothing that another would wait for long.
TEST_F(Table, OutlivesProcessesKilledAnywhere) {
  auto& steady = counter("steady");
  auto& entry = value("v", 2000);
  const pid_t witness = child([&] {
    for (int i = 0; i < 20'000; ++i) SharedTable::add(steady, 1);
  });
  for (int round = 0; round < 60; ++round) {
    auto& pulse = counter("pulse-" + std::to_string(round % 10));
    const auto before = SharedTable::count(pulse);
    const pid_t victim = child([&] {
      for (int i = 0;; ++i) {
        set(entry, std::string(static_cast<std::size_t>(1 + i % 2000), static_cast<char>('a' + i % 26)));
        counter("made-" + std::to_string(round % 20));
        SharedTable::add(pulse, 1);
      }
    });
    while (SharedTable::count(pulse) < before + 3) std::this_thread::yield();
    ::kill(victim, SIGKILL);
    reap(victim);
    const auto text = get(entry);
    ASSERT_EQ(text.find_first_not_of(text[0]), std::string::npos);
    const auto version = SharedTable::version(entry);
    ASSERT_EQ(set(entry, "after"), version + 1);
    counter("made-" + std::to_string(round % 20));
  }
  reap(witness);
  EXPECT_EQ(SharedTable::count(steady), 20'000);
}

TEST_F(Table, TakesOverFromTheDead) {
  auto& entry = value("v");
  std::uint64_t dead = 0;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t pid = child([&] {
    const auto token = process_token();
    (void)!::write(ends[1], &token, sizeof token);
  });
  ASSERT_EQ(::read(ends[0], &dead, sizeof dead), static_cast<ssize_t>(sizeof dead));
  reap(pid);
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_FALSE(token_alive(dead));
  EXPECT_TRUE(token_alive(process_token()));
  entry.writer.store(dead, std::memory_order_relaxed);
  EXPECT_EQ(set(entry, "mine"), 1u);
  auto& half_made = counter("half");
  half_made.state.store(dead, std::memory_order_relaxed);
  EXPECT_EQ(table.counter("half", failure), &half_made);
}

TEST_F(Table, AForkedChildIsAnotherProcess) {
  const auto mine = process_token();
  int status = 0;
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(process_token() != mine && token_alive(mine) ? 0 : 1);
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace prefork::shm

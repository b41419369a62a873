// Both ends in two processes, and either of them killed at any instruction.
#include <dirent.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <string>

#include "tests/shm/two_processes.hpp"

namespace prefork::shm {
namespace {

using namespace testing;

struct Held {
  int descriptors = 0;
  int mappings = 0;
  bool operator==(const Held&) const = default;
};

// What this process holds of what could leak.
Held held_now() {
  Held held;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++held.descriptors;
  ::closedir(folder);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    held.mappings += line.find("prefork") != std::string::npos && line.find("(deleted)") != std::string::npos;
  }
  return held;
}

// Busy for a random time, so that a kill meets the other side anywhere.
void idle_about(Random& random) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random.below(300));
  while (std::chrono::steady_clock::now() < until) {
  }
}

int work(Link& link) {
  link.master_life.reset();
  const auto ended = EchoWorker(link).run();
  return ended == EchoWorker::Ended::MasterDied ? 0 : ended == EchoWorker::Ended::Broken ? 1 : 2;
}

TEST(Processes, EveryRecordComesBackOnceAndWhole) {
  for (const Geometry geometry : {Geometry{4096, 4096, 64}, Geometry{65536, 4096, 64}, Geometry{4096, 65536, 64}}) {
    Link link(geometry);
    Child worker([&] { return work(link); });
    link.worker_life.reset();
    PushingMaster master(link, 1, 1500, 64);
    ASSERT_EQ(master.run(30000), PushingMaster::Ended::Done) << geometry.to_text();
    link.master_life.reset();
    const int status = worker.wait();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
}

TEST(Processes, TheMasterOutlivesAWorkerKilledAnywhere) {
  const Held before = held_now();
  Random random(7);
  std::uint64_t requeued = 0, started = 0, replied = 0;
  for (int round = 0; round < 250; ++round) {
    Link link({4096, 4096, 64});
    Child worker([&] { return work(link); });
    link.worker_life.reset();
    PushingMaster master(link, static_cast<std::uint64_t>(round), 1500, 1 + random.below(64));
    ASSERT_EQ(master.run(random.below(60)), PushingMaster::Ended::Done);
    idle_about(random);
    worker.signal(SIGKILL);
    ASSERT_EQ(master.run(1'000'000'000), PushingMaster::Ended::WorkerDied);
    const int status = worker.wait();
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ASSERT_TRUE(master.drain_replies());  // what was published is whole
    const auto judged = master.judge();
    ASSERT_TRUE(judged.in_order);
    ASSERT_LE(judged.claimed, 1u);  // the worker had one thread
    ASSERT_EQ(master.replied() + judged.claimed + judged.unclaimed, master.sent());
    requeued += judged.unclaimed;
    started += judged.claimed;
    replied += master.replied();
  }
  EXPECT_EQ(held_now(), before);
  RecordProperty("requeued", static_cast<int>(requeued));
  RecordProperty("started", static_cast<int>(started));
  EXPECT_GT(requeued, 0u);
  EXPECT_GT(replied, 0u);
}

TEST(Processes, TheWorkerOutlivesAMasterKilledAnywhere) {
  const Held before = held_now();
  Random random(11);
  std::uint64_t echoed = 0;
  for (int round = 0; round < 250; ++round) {
    Link link({4096, 4096, 64});
    const std::uint64_t kill_after = random.below(60);
    Child master([&] {
      link.worker_life.reset();
      PushingMaster pushing(link, static_cast<std::uint64_t>(round), 1500, 1 + static_cast<std::uint32_t>(round) % 64);
      if (pushing.run(kill_after) != PushingMaster::Ended::Done) return 1;
      Random inner(static_cast<std::uint64_t>(round));
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(inner.below(300));
      // Goes on working until it is killed by a child of its own, at an instruction of nobody's choice.
      const pid_t self = ::getpid();
      if (::fork() == 0) {
        while (std::chrono::steady_clock::now() < until) {
        }
        ::kill(self, SIGKILL);
        ::_exit(0);
      }
      (void)pushing.run(1'000'000'000);
      return 1;
    });
    link.master_life.reset();
    EchoWorker worker(link);
    ASSERT_EQ(worker.run(), EchoWorker::Ended::MasterDied);
    const int status = master.wait();
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    ASSERT_GE(worker.echoed(), kill_after);
    // The requests that were published are whole to the last.
    Record record;
    Peek seen;
    while ((seen = worker.end().requests.peek(record)) == Peek::Record) {
      ASSERT_TRUE(has_pattern(record.payload, record.tag.generation));
      worker.end().requests.release();
    }
    ASSERT_EQ(seen, Peek::Empty);
    echoed += worker.echoed();
  }
  EXPECT_EQ(held_now(), before);
  EXPECT_GT(echoed, 0u);
}

}  // namespace
}  // namespace prefork::shm

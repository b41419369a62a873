// The inspector as an executable: on this live process, on a saved copy, and on copies that were scribbled over.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "shm/channel.hpp"
#include "shm/region.hpp"
#include "tests/shm/ring_memory.hpp"
#include "tests/wire/sample.hpp"

namespace prefork::shm {
namespace {

struct Shown {
  int status = -1;
  std::string text;
  bool has(std::string_view part) const { return text.find(part) != std::string::npos; }
};

Shown run(const std::string& arguments) {
  Shown shown;
  FILE* pipe = ::popen((std::string(PREFORK_RING) + " " + arguments + " 2>&1").c_str(), "r");
  PREFORK_CHECK(pipe != nullptr, "a shell");
  for (int c; (c = std::fgetc(pipe)) != EOF;) shown.text += static_cast<char>(c);
  const int status = ::pclose(pipe);
  shown.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return shown;
}

struct PreforkRing : ::testing::Test {
  Geometry geometry{4096, 8192, 16};
  Region region = Region::create(Layout(geometry).total);
  Parts parts{region.bytes(), geometry};
  MasterEnd master{parts, -1, -1};
  WorkerEnd worker{parts, -1, -1};

  void SetUp() override {
    parts.introduce(3, 7, 1);
    worker.phase.set(Phase::Busy, 2);
    worker.counters.add(Counter::Taken, 5);
    worker.recorder.note(Event::Take, 100, 9, 1);
    master.recorder.note(Event::Revoke, 90, 9, 1);
    worker.own_bell.arm();
    const auto request = wire::testing::sample_request();
    push(master.requests, wire::Kind::Head, 9, 1, request.payload());
    push(worker.replies, wire::Kind::Head, 9, 1, wire::testing::sample_reply());
    push(worker.replies, wire::Kind::Body, 9, 1, wire::as_bytes("the rest"));
    master.claims.offer(9, 1);
    ASSERT_TRUE(worker.claims.try_claim(9, 1));
  }
  static void push(Producer& producer, wire::Kind kind, std::uint32_t slot, std::uint32_t generation,
                   std::span<const std::byte> payload) {
    ASSERT_TRUE(
        testing::push(producer, payload,
                      {static_cast<std::uint16_t>(kind),
                       static_cast<std::uint16_t>(kind == wire::Kind::Body ? wire::kEnd : 0), slot, generation}));
  }
  std::string save(std::span<const std::byte> bytes) {
    std::string path = ::testing::TempDir() + "prefork-ring-" + std::to_string(::getpid()) + ".region";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    paths_.push_back(path);
    return path;
  }
  void TearDown() override {
    for (const auto& path : paths_) ::unlink(path.c_str());
  }
  static void expect_all(const Shown& shown) {
    EXPECT_EQ(shown.status, 0) << shown.text;
    for (const char* part :
         {"worker 3 of generation 7", "phase busy", "worker sleeps, master does not sleep", "taken 5",
          "1 slots last claimed", "request ring: capacity 4096, head 0, tail 256, in use 256 (6.2 %)",
          "oldest 0 head slot 9 generation 1: POST /a%20b?x=1, 3 fields, body 5", "host: example.org", "x-tint: blue",
          "201 Made, 2 fields, body 4", "X-Tint: red", "body slot 9 generation 1 end: 8 bytes: the rest",
          "take         slot 9 value 1", "revoke       slot 9 value 1"}) {
      EXPECT_TRUE(shown.has(part)) << part << " is not in\n" << shown.text;
    }
  }
  std::vector<std::string> paths_;
};

TEST_F(PreforkRing, ShowsALiveProcess) {
  const Shown shown = run(std::to_string(::getpid()));
  expect_all(shown);
  EXPECT_EQ(parts.request_positions().head.load(std::memory_order_relaxed), 0u);  // it took nothing
}

TEST_F(PreforkRing, ShowsASavedCopy) { expect_all(run(save(region.bytes()))); }

TEST_F(PreforkRing, ShowsAsManyRecordsAndEventsAsAskedFor) {
  const Shown shown = run("--records 1 --events 0 " + save(region.bytes()));
  EXPECT_TRUE(shown.has("201 Made"));
  EXPECT_FALSE(shown.has("the rest"));
  EXPECT_FALSE(shown.has("ms ago  take"));
}

TEST_F(PreforkRing, RefusesWhatIsNoRegion) {
  region.bytes()[0] = std::byte{0};
  Shown shown = run(save(region.bytes()));
  EXPECT_EQ(shown.status, 1);
  EXPECT_TRUE(shown.has("not a prefork region"));
  shown = run(save(region.bytes().first(20)));
  EXPECT_EQ(shown.status, 1);
  shown = run("/nowhere/at/all");
  EXPECT_EQ(shown.status, 1);
  EXPECT_EQ(run("").status, 2);
  EXPECT_EQ(run("--help").status, 0);
}

TEST_F(PreforkRing, RefusesAnotherLayoutAndACutCopy) {
  Shown shown = run(save(region.bytes().first(region.bytes().size() - 1)));
  EXPECT_EQ(shown.status, 1);
  EXPECT_TRUE(shown.has("smaller than its geometry")) << shown.text;
  parts.header().version = kLayoutVersion + 1;
  shown = run(save(region.bytes()));
  EXPECT_EQ(shown.status, 1);
  EXPECT_TRUE(shown.has("its layout is version"));
}

TEST_F(PreforkRing, SaysWhatIsCorrupt) {
  parts.request_positions().tail.store(1 << 20, std::memory_order_relaxed);
  const RecordHeader header{3, 1, 0, 0, 0};
  std::memcpy(parts.reply_bytes().data(), &header, sizeof header);
  const Shown shown = run(save(region.bytes()));
  EXPECT_EQ(shown.status, 0);
  EXPECT_TRUE(shown.has("CORRUPT: more is in use than the ring has")) << shown.text;
  EXPECT_TRUE(shown.has("CORRUPT: a record at 0 has length 3")) << shown.text;
}

TEST_F(PreforkRing, OutlivesScribbledCopies) {
  testing::Random random(5);
  for (int round = 0; round < 30; ++round) {
    std::vector<std::byte> copy(region.bytes().begin(), region.bytes().end());
    const std::size_t writes = 1 + random.below(20000);
    for (std::size_t i = 0; i < writes; ++i) {
      // Often where it matters: the positions, the first records.
      const std::size_t place =
          64 + random.below(random.below(2) == 0 ? 6000 : static_cast<std::uint32_t>(copy.size() - 64));
      copy[place] = static_cast<std::byte>(random.next());
    }
    const Shown shown = run(save(copy));
    ASSERT_EQ(shown.status, 0) << round << "\n" << shown.text;
  }
}

}  // namespace
}  // namespace prefork::shm

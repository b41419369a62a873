#include "shm/layout.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "shm/channel.hpp"

namespace prefork::shm {
namespace {

std::string text(const std::string& rest) { return std::to_string(kLayoutVersion) + rest; }

TEST(Geometry, TextComesBackAsItWas) {
  const Geometry geometry{8192, 65536, 77};
  const auto back = Geometry::from_text(geometry.to_text());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->request_bytes, 8192u);
  EXPECT_EQ(back->reply_bytes, 65536u);
  EXPECT_EQ(back->slots, 77u);
  EXPECT_EQ(geometry.to_text(), text(":8192:65536:77"));
}

TEST(Geometry, TheDefaultIsValid) { EXPECT_TRUE(Geometry{}.valid()); }

TEST(Geometry, RefusesWhatIsMalformed) {
  EXPECT_TRUE(Geometry::from_text(text(":4096:4096:1")));
  for (const auto& bad :
       {std::string{}, std::string{"1"}, text(":4096:4096"), text(":4096:4096:"), text(":4096:4096:1:"),
        text(":4096:4096:1 "), text(":4096:4096:-1"), text(":4096::1"), text(" :4096:4096:1"), text(":4096:4096:0x10"),
        text(":99999999999:4096:1"), std::string{"::::"}, std::string{"a:b:c:d"}}) {
    EXPECT_FALSE(Geometry::from_text(bad)) << bad;
  }
}

TEST(Geometry, RefusesSizesThatARingCannotHave) {
  for (const auto& bad : {text(":4095:4096:1"), text(":4096:5000:1"), text(":2048:4096:1"), text(":4096:0:1"),
                          text(":4096:4096:0"), text(":2147483648:4096:1"), text(":4096:4096:1048577")}) {
    EXPECT_FALSE(Geometry::from_text(bad)) << bad;
  }
}

TEST(Geometry, RefusesAnotherVersion) {
  EXPECT_FALSE(Geometry::from_text(std::to_string(kLayoutVersion + 1) + ":4096:4096:1"));
  EXPECT_FALSE(Geometry::from_text("0:4096:4096:1"));
}

TEST(Layout, PartsLieApartAndInside) {
  for (const Geometry geometry : {Geometry{}, Geometry{4096, 4096, 1}, Geometry{4096, 1u << 20, 5000}}) {
    const Layout layout(geometry);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> parts{{layout.header, sizeof(RegionHeader)},
                                                               {layout.request_ring, sizeof(RingPositions)},
                                                               {layout.reply_ring, sizeof(RingPositions)},
                                                               {layout.worker_bell, sizeof(BellFlag)},
                                                               {layout.master_bell, sizeof(BellFlag)},
                                                               {layout.phase, sizeof(PhaseWord)},
                                                               {layout.counters, sizeof(Counters)},
                                                               {layout.master_recorder, sizeof(Recorder)},
                                                               {layout.worker_recorder, sizeof(Recorder)},
                                                               {layout.claims, geometry.slots * 8ull},
                                                               {layout.request_bytes, geometry.request_bytes},
                                                               {layout.reply_bytes, geometry.reply_bytes}};
    std::sort(parts.begin(), parts.end());
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) EXPECT_LE(parts[i].first + parts[i].second, parts[i + 1].first);
    EXPECT_LE(parts.back().first + parts.back().second, layout.total);
    for (const auto& [offset, size] : parts) EXPECT_EQ(offset % kLine, 0u);
    for (const auto offset : {layout.claims, layout.request_bytes, layout.reply_bytes, layout.total})
      EXPECT_EQ(offset % 4096, 0u);
  }
}

TEST(Parts, TheTwoEndsMeet) {
  const Geometry geometry{4096, 4096, 16};
  const Layout layout(geometry);
  std::vector<std::byte> memory(layout.total + 4096);
  void* start = memory.data();
  std::size_t space = memory.size();
  ASSERT_NE(std::align(4096, layout.total, start, space), nullptr);
  const Parts parts({static_cast<std::byte*>(start), layout.total}, geometry);
  MasterEnd master(parts, -1, -1);
  WorkerEnd worker(parts, -1, -1);

  const auto room = master.requests.try_claim(3);
  std::fill(room.begin(), room.end(), std::byte{'x'});
  master.claims.offer(5, 2);
  master.requests.commit({1, 0, 5, 2}, 3);
  Record record;
  ASSERT_EQ(worker.requests.peek(record), Peek::Record);
  EXPECT_EQ(record.payload.size(), 3u);
  EXPECT_TRUE(worker.claims.try_claim(record.tag.slot, record.tag.generation));
  EXPECT_TRUE(master.claims.claimed(5, 2));
  worker.phase.set(Phase::Busy, 123);
  EXPECT_EQ(master.phase.phase(), Phase::Busy);
  EXPECT_EQ(master.phase.heartbeat_us(), 123u);
  worker.counters.add(Counter::Taken, 3);
  EXPECT_EQ(master.counters.get(Counter::Taken), 3u);
  worker.recorder.note(Event::Take, 77, 5, 1);
  EXPECT_EQ(master.worker_recorder.events[0].slot, 5u);
  ASSERT_NE(worker.replies.try_claim(0).data(), nullptr);
  worker.replies.commit({2, 0, 0, 0}, 0);
  EXPECT_EQ(master.replies.peek(record), Peek::Record);
  worker.own_bell.arm();
  EXPECT_EQ(parts.worker_bell().sleeping.load(std::memory_order_relaxed), 1u);
}

}  // namespace
}  // namespace prefork::shm

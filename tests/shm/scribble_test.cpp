// A worker that writes random bytes over its whole region at random times: the master detects it or survives it, reads nothing
// outside and never hangs.
#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>

#include "shm/wire/reply_head.hpp"
#include "tests/shm/scribble.hpp"
#include "tests/shm/two_processes.hpp"
#include "tests/wire/sample.hpp"

namespace prefork::shm {
namespace {

using namespace testing;

enum class Verdict { Survived, BadRecord, BadHead, BadReply };

// Everything a master does with what a worker may have written.
class Suspicious {
 public:
  explicit Suspicious(Link& link)
      : region_(Region::attach(duplicate(link.region.fd()), Layout(link.geometry).total)),
        end_(Parts(region_.bytes(), link.geometry), link.master_bell.wait.get(), link.worker_bell.signal_fd()),
        life_(link.master_life.get()),
        payload_(wire::testing::sample_reply()) {}

  Verdict run() {
    for (;;) {
      push();
      if (end_.requests.corrupt()) return Verdict::BadHead;
      const Verdict drained = drain();
      if (drained != Verdict::Survived) return drained;
      end_.own_bell.arm();
      if (end_.replies.anything_now()) {
        end_.own_bell.disarm();
        continue;
      }
      // A scribbled flag may keep the bell silent: the master has its clocks for that.
      std::array<pollfd, 2> both{{{end_.own_bell.fd(), POLLIN, 0}, {life_, POLLIN, 0}}};
      (void)::poll(both.data(), both.size(), 2);
      end_.own_bell.disarm();
      if (both[0].revents != 0) end_.own_bell.drain();
      if (both[1].revents != 0) return drain();  // dead: what it published is still judged
    }
  }

 private:
  void push() {
    for (std::uint32_t i = 0; i < 16; ++i) {
      const auto room = end_.requests.try_claim(static_cast<std::uint32_t>(payload_.size()));
      if (room.data() == nullptr) {
        (void)end_.requests.request_room(static_cast<std::uint32_t>(payload_.size()));
        break;
      }
      ++serial_;
      std::copy(payload_.begin(), payload_.end(), room.begin());
      end_.claims.offer(serial_ % 64, serial_);
      end_.requests.commit({kRequestKind, 0, serial_ % 64, serial_}, static_cast<std::uint32_t>(payload_.size()));
      if (serial_ % 7 == 0) (void)end_.claims.try_revoke(serial_ % 64, serial_);
    }
    end_.requests.publish();
    end_.worker_bell.ring();
  }

  Verdict drain() {
    Record record;
    // More than fits the ring at once, so that whoever writes without end is left for the next turn.
    for (int i = 0; i < 1000; ++i) {
      switch (end_.replies.peek(record)) {
        case Peek::Empty: i = 1000; continue;
        case Peek::Bad: return Verdict::BadRecord;
        case Peek::Record: break;
      }
      expect_inside(record.payload);
      if (!read(record.payload)) return Verdict::BadReply;
      (void)end_.claims.claimed(record.tag.slot % 64, record.tag.generation);
      end_.replies.release();
    }
    if (end_.replies.settle()) end_.worker_bell.ring();
    (void)end_.phase.phase();
    (void)to_string(end_.phase.phase());
    for (const auto& event : end_.worker_recorder.events)
      sum_ += to_string(static_cast<Event>(event.when_and_event & 0xffff))[0];
    return Verdict::Survived;
  }

  bool read(std::span<const std::byte> payload) {
    wire::ReplyView view(payload);
    if (view.validate() != nullptr) return false;
    expect_inside(wire::as_bytes(view.reason()));
    expect_inside(view.body());
    for (std::size_t i = 0; i < view.head().field_count; ++i) {
      wire::ReplyField field;
      if (!view.field(i, field)) return false;
      expect_inside(wire::as_bytes(field.name));
      expect_inside(wire::as_bytes(field.value));
      for (const char c : field.value) sum_ += static_cast<unsigned char>(c);
    }
    return true;
  }

  void expect_inside(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    ASSERT_GE(bytes.data(), region_.bytes().data());
    ASSERT_LE(bytes.data() + bytes.size(), region_.bytes().data() + region_.bytes().size());
    sum_ += static_cast<std::uint64_t>(bytes.front()) + static_cast<std::uint64_t>(bytes.back());
  }

  Region region_;
  MasterEnd end_;
  int life_;
  std::vector<std::byte> payload_;
  std::uint32_t serial_ = 0;
  std::uint64_t sum_ = 0;
};

TEST(Scribble, TheMasterDetectsOrSurvivesRandomBytesInItsRegion) {
  int survived = 0, records = 0, heads = 0, replies = 0;
  for (std::uint64_t run = 0; run < 200; ++run) {
    Link link({4096, 4096, 64});
    Child worker([&] {
      link.master_life.reset();
      (void)EchoWorker(link, EchoWorker::Contents::Any).run();
      return 0;
    });
    Child scribbler([&] {
      link.master_life.reset();
      link.worker_life.reset();
      scribble(link.region.fd(), link.geometry, run);
      // The worker goes on for a while with what is left.
      const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
      while (std::chrono::steady_clock::now() < until) ::sched_yield();
      worker.signal(SIGKILL);
      return 0;
    });
    link.worker_life.reset();
    Suspicious master(link);
    switch (master.run()) {
      case Verdict::Survived: ++survived; break;
      case Verdict::BadRecord: ++records; break;
      case Verdict::BadHead: ++heads; break;
      case Verdict::BadReply: ++replies; break;
    }
    (void)worker.kill();
    (void)scribbler.wait();
    ASSERT_FALSE(HasFatalFailure()) << "run " << run;
  }
  RecordProperty("survived", survived);
  EXPECT_EQ(survived + records + heads + replies, 200);
  EXPECT_GT(records, 0);
  EXPECT_GT(heads, 0);
  std::printf("survived %d, bad records %d, bad positions %d, bad replies %d\n", survived, records, heads, replies);
}

}  // namespace
}  // namespace prefork::shm

// One request and its reply on the thread of the test.
#include "worker/exchange.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "tests/support/fake_master.hpp"

namespace prefork::test {
namespace {

using worker::Crew;
using worker::Exchange;
using worker::Job;

// What a test does at the moment at which a thread would sleep.
struct AtSleep : worker::SleepHooks {
  std::function<void()> act;
  void before_sleep() override {
    if (act) std::exchange(act, nullptr)();
  }
};

class ExchangeTest : public testing::Test {
 protected:
  Job take() {
    Job job;
    EXPECT_EQ(crew.until(hooks, Crew::For::Request, [&] { return crew.inbox().take(job); }), worker::Waited::Ready);
    return job;
  }
  static shm::UniqueFd file_of(std::string_view content) {
    shm::UniqueFd file(::memfd_create("content", MFD_CLOEXEC));
    EXPECT_EQ(::write(file.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
    return file;
  }
  // Body records of this reply until no more go in.
  std::size_t fill_ring(const Job& job) {
    const std::string block(1000, 'x');
    std::size_t sent = 0, taken = 0;
    while (crew.outbox().try_body({job.slot, job.generation}, wire::as_bytes(block), false, 1 << 20, taken))
      sent += taken;
    while (crew.outbox().try_body({job.slot, job.generation}, {}, false, 0, taken)) sent += taken;
    return sent;
  }

  FakeMaster master{{4096, 4096, 64}};
  std::unique_ptr<worker::Context> context = master.attach();
  Crew crew{context->channel(), 1 << 20, 0};
  AtSleep hooks;
};

TEST_F(ExchangeTest, AFileThatWaitsForRoomMayBeOvertakenByAnother) {
  const auto first_slot = master.send(Ask{}), second_slot = master.send(Ask{});
  Job first_job = take(), second_job = take();
  ASSERT_EQ(first_job.slot, first_slot);
  Exchange first(*context, crew, hooks, first_job, 1 << 16), second(*context, crew, hooks, second_job, 1 << 16);
  const auto first_file = file_of("the first"), second_file = file_of("the second");
  ASSERT_EQ(first.send_head({200, 0, {}, {}}, {}, false), worker::Sent::Ok);
  ASSERT_EQ(second.send_head({200, 0, {}, {}}, {}, false), worker::Sent::Ok);
  const auto filler = fill_ring(first_job);
  hooks.act = [&] {
    master.pump();
    EXPECT_EQ(second.send_file(second_file.get(), 0, 10, true), worker::Sent::Ok);
  };
  EXPECT_EQ(first.send_file(first_file.get(), 0, 9, true), worker::Sent::Ok);
  EXPECT_FALSE(hooks.act) << "the first did not wait";
  EXPECT_EQ(master.finish(second_slot).body, "the second");
  EXPECT_EQ(master.finish(first_slot).body, std::string(filler, 'x') + "the first");
}

}  // namespace
}  // namespace prefork::test

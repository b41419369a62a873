// A worker that writes random bytes over its whole region while the master works with it: whatever it does, every client hears of it.
#include "tests/shm/scribble.hpp"

#include <sched.h>

#include <cstdio>

#include "tests/master/dispatch/dispatcher_fixture.hpp"
#include "tests/shm/two_processes.hpp"

namespace prefork::dispatch {
namespace {

using fake::Client;
using fake::Worker;

class ScribbleTest : public fake::DispatcherTest {
 protected:
  // Requests and replies in turns until the scribbler has ended, or until its records are refused.
  void work(Worker& worker) {
    for (int i = 0; i < 100 && worker.link().bad() == nullptr; ++i) {
      submit("/" + std::to_string(clients.size()), i % 3 == 0 ? wire::Method::POST : wire::Method::GET, i * 7 % 300);
      turn();
      for (const auto& head : worker.start()) {
        if (head.slot % 4 == 0) continue;  // some never get their answer
        const bool whole = head.slot % 4 != 1;
        (void)worker.reply(head, 200, std::string(head.slot % 500, 'r'), whole ? wire::kEnd : 0);
        if (!whole) (void)worker.credit(head, 100);
      }
      turn();
      ::sched_yield();  // to the scribbler
      loop.update_now();
    }
  }
  static bool heard(const Client& client) { return client.ended || client.aborted || client.failure != 0; }
};

TEST_F(ScribbleTest, EveryRequestEndsWhateverAWorkerWrites) {
  const shm::Geometry geometry{4096, 4096, 64};
  int survived = 0, caught = 0;
  for (std::uint64_t run = 0; run < 200; ++run) {
    Worker& mad = worker(8, geometry);
    {
      shm::testing::Child scribbler([&] {
        shm::testing::scribble(mad.link().region().fd(), geometry, run);
        return 0;
      });
      work(mad);
      ASSERT_EQ(scribbler.wait(), 0);
    }
    work(mad);  // with all of it there
    const bool trusted = mad.link().bad() == nullptr;
    trusted ? ++survived : ++caught;
    bury(mad, trusted);
    // What may be begun again is.
    Worker& sound = worker(8);
    ASSERT_TRUE(until([&] {
      for (const auto& head : sound.start()) EXPECT_TRUE(sound.reply(head, 200, "sound"));
      return dispatcher.idle();
    })) << "run "
        << run;
    for (const Client& client : clients) ASSERT_TRUE(heard(client)) << "run " << run << " " << client.events;
    bury(sound);
    clients.clear();
    workers.clear();
  }
  std::printf("survived %d, caught %d\n", survived, caught);
  EXPECT_GT(caught, 0);
}

}  // namespace
}  // namespace prefork::dispatch

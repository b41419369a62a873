// Several threads of a worker around one bell: the shipped crew, inbox and outbox under every interleaving with a master.
// A thread that is not woken for what is there sleeps for ever here, and so does one to which nobody passed the lead.
#include <array>
#include <cstring>

#include "shm/channel.hpp"
#include "shm/wire/request_head.hpp"
#include "tests/model/bells.hpp"
#include "tests/model/explore.hpp"
#include "worker/crew.hpp"

namespace prefork::model {
namespace {

using namespace shm;
using worker::Crew;
using worker::Job;
using worker::Waited;

constexpr Geometry kGeometry{4096, 4096, 4};
constexpr std::size_t kRegionBytes = 4096 + 2 * sizeof(Recorder) + 4096 * 5;
constexpr std::size_t kUsedOfARing = 512;
constexpr std::uint32_t kGeneration = 3;

// Made before any model runs: what lies outside the arena must never change.
wire::RequestBuilder make_request(std::uint8_t flags) {
  wire::RequestBuilder made;
  made.head.flags = flags;
  made.finish();
  return made;
}
const wire::RequestBuilder kWithoutBody = make_request(0);
const wire::RequestBuilder kWithBody = make_request(wire::kHasBody);

// The master's side.
class Master {
 public:
  explicit Master(const Parts& parts) : end_(parts, Bells::fd(1), Bells::fd(0)) {}

  void head(std::uint32_t slot, std::span<const std::byte> payload) {
    end_.claims.offer(slot, kGeneration);
    record(wire::Kind::Head, 0, slot, payload);
  }
  void body_end(std::uint32_t slot) { record(wire::Kind::Body, wire::kEnd, slot, {}); }
  void drain() { record(wire::Kind::Drain, 0, 0, {}); }
  void ring() {
    end_.requests.publish();
    end_.worker_bell.ring();
  }
  void take_replies(std::uint32_t count) {
    Record reply;
    while (count > 0) {
      const Peek seen = end_.replies.peek(reply);
      require(seen != Peek::Bad, "the ring is sound");
      if (seen == Peek::Record) {
        end_.replies.release();
        --count;
        continue;
      }
      if (end_.replies.settle()) end_.worker_bell.ring();
      (void)sleep_unless(end_.own_bell, [&] { return end_.replies.anything_now(); });
    }
    if (end_.replies.settle()) end_.worker_bell.ring();
  }

 private:
  void record(wire::Kind kind, std::uint16_t flags, std::uint32_t slot, std::span<const std::byte> payload) {
    const auto room = end_.requests.try_claim(static_cast<std::uint32_t>(payload.size()));
    require(room.data() != nullptr, "there is room");
    std::copy(payload.begin(), payload.end(), room.begin());
    end_.requests.commit({static_cast<std::uint16_t>(kind), flags, slot, kGeneration},
                         static_cast<std::uint32_t>(payload.size()));
  }
  MasterEnd end_;
};

// The master and the worker's memory; a scenario adds who does what.
struct Worker {
  alignas(4096) std::array<std::byte, kRegionBytes> memory{};
  Parts parts{memory, kGeometry};
  WorkerEnd channel{parts, Bells::fd(0), Bells::fd(1)};
  Bells bells;
  Master master{parts};
  worker::SleepHooks hooks;
  Crew crew;
  std::array<Job, kMostThreads> jobs;  // of each thread
  std::array<std::uint32_t, 4> answered{};
  std::uint32_t body_wanted = 0;

  explicit Worker(unsigned spin_us = 0) : crew(channel, 1 << 20, spin_us) {
    // Written by one side for inspectors and clocks; nobody decides anything by them here.
    const Layout layout(kGeometry);
    ignore(memory.data(), layout.request_ring);
    ignore(memory.data() + layout.phase, layout.claims - layout.phase);
    ignore(memory.data() + layout.total, memory.size() - layout.total);
    constexpr std::size_t kWords = kGeometry.slots * sizeof(std::uint64_t);
    quiet(memory.data() + layout.claims, kWords);  // nobody revokes here: transport_model.cpp has that
    ignore(memory.data() + layout.claims + kWords, 4096 - kWords);
    // No record gets further.
    ignore(parts.request_bytes().data() + kUsedOfARing, kGeometry.request_bytes - kUsedOfARing);
    name(&parts.request_positions().tail, "requests.tail");
    name(&parts.request_positions().head, "requests.head");
    name(&parts.request_positions().want_room, "requests.want_room");
    name(&parts.reply_positions().tail, "replies.tail");
    name(&parts.reply_positions().head, "replies.head");
    name(&parts.reply_positions().want_room, "replies.want_room");
    name(&parts.worker_bell().sleeping, "worker.sleeping");
    name(&parts.master_bell().sleeping, "master.sleeping");
  }

  // What SyncRunner::serve does around the application.
  template <class Answer>
  void serve(Answer&& answer) {
    Job& job = jobs[self()];
    while (next(job)) {
      forget_calls();
      answer(job);
      ++answered[job.slot];
      forget_calls();
      close(job);
      forget_calls();
    }
    crew.wake_all();
  }

  [[gnu::noinline]] bool next(Job& job) {
    bool taken = false;
    const auto step = [&] {
      taken = crew.inbox().take(job);
      return taken || crew.inbox().draining();
    };
    require(crew.until(hooks, Crew::For::Request, step) == Waited::Ready, "the ring is sound");
    return taken;
  }

  [[gnu::noinline]] void close(Job& job) {
    const auto step = [&] {
      crew.inbox().close(job);
      return true;
    };
    (void)crew.until(hooks, Crew::For::Request, step);
  }

  [[gnu::noinline]] void wait_for_body(Job& job) {
    if ((job.view.head().flags & wire::kHasBody) == 0) return;
    body_wanted = 1;
    const auto step = [&] { return crew.inbox().stream(job.slot).body_ended; };
    require(crew.until(hooks, Crew::For::Stream, step) == Waited::Ready, "the body comes");
  }

  [[gnu::noinline]] void reply(Job& job, std::span<const std::byte> body) {
    const auto step = [&] {
      std::size_t sent = 0;
      if (!crew.outbox().try_head({job.slot, job.generation}, {}, body, true, 1 << 20, sent)) return false;
      crew.outbox().ring();
      return true;
    };
    require(crew.until(hooks, Crew::For::Stream, step) == Waited::Ready, "there is room for a reply");
  }
};

// The first request waits for its body, perhaps as the leader, and then runs until the second is answered: the lead must be passed on.
struct TwoThreads : Worker {
  static constexpr const char* kName = "lead-between-two-threads";
  static constexpr unsigned kThreads = 3;
  static constexpr unsigned kMayWait = 0b110;
  static constexpr bool kDelayedStores = true;
  static constexpr std::uint64_t kPreemptions = kAny;

  TwoThreads() {
    master.head(0, kWithBody.payload());
    master.ring();
  }
  void run(unsigned thread) {
    if (thread == 0) {
      block([](const void* wanted) { return *static_cast<const std::uint32_t*>(wanted) == 1; }, &body_wanted);
      master.body_end(0);
      master.ring();
      master.head(1, kWithoutBody.payload());
      master.ring();
      return;
    }
    serve([this](Job& job) {
      const auto second_is_answered = [](const void* answered) {
        return *static_cast<const std::uint32_t*>(answered) == 1;
      };
      wait_for_body(job);
      if (job.slot == 0) block(second_is_answered, &answered[1]);
    });
  }
  void at_end() { require(answered[0] == 1 && answered[1] == 1, "every request was answered once"); }
};

// Told to finish: what came before is answered, and every thread hears of it, the leader and who follows.
struct Drained : Worker {
  static constexpr const char* kName = "drained";
  static constexpr unsigned kThreads = 3;
  static constexpr unsigned kMayWait = 0;
  static constexpr bool kDelayedStores = true;
  static constexpr std::uint64_t kPreemptions = kAny;

  void run(unsigned thread) {
    if (thread != 0) return serve([](Job&) {});
    master.head(0, kWithoutBody.payload());
    master.ring();
    master.drain();
    master.ring();
  }
  void at_end() { require(answered[0] == 1, "every request was answered once"); }
};

// One thread waits for a body, the others for requests; any of them may be the leader when another's record comes, and what a running
// one takes out of the ring on its way may be another's, while the lead is being passed to a third. A leader that spins before it sleeps
// lets go of the mutex meanwhile: what is taken out of the ring then may be its own.
template <unsigned kWorkers, std::uint64_t kBound, unsigned kSpinUs = 0>
struct BodyBesideRequests : Worker {
  static constexpr const char* kName = kSpinUs != 0    ? "body-beside-a-spinner"
                                       : kWorkers == 2 ? "body-beside-requests"
                                                       : "three-threads";
  static constexpr unsigned kThreads = kWorkers + 1;
  static constexpr unsigned kMayWait = 0b1110;
  static constexpr bool kDelayedStores = false;
  static constexpr std::uint64_t kPreemptions = kBound;

  BodyBesideRequests() : Worker(kSpinUs) {
    master.head(0, kWithBody.payload());
    master.ring();
  }
  void run(unsigned thread) {
    if (thread != 0) return serve([this](Job& job) { wait_for_body(job); });
    // A body comes when the worker has asked for it.
    block([](const void* wanted) { return *static_cast<const std::uint32_t*>(wanted) == 1; }, &body_wanted);
    master.head(1, kWithoutBody.payload());
    master.ring();
    master.body_end(0);
    master.ring();
  }
  void at_end() { require(answered[0] == 1 && answered[1] == 1, "every request was answered once"); }
};

// Replies of half the ring each: all but the first two wait for room.
template <unsigned kWorkers, std::uint64_t kBound, unsigned kSpinUs = 0>
struct RoomForReplies : Worker {
  static constexpr const char* kName = kSpinUs == 0 ? "room-for-replies" : "room-beside-a-spinner";
  static constexpr unsigned kThreads = kWorkers + 1;
  static constexpr std::uint32_t kRequests = kThreads;
  static constexpr unsigned kMayWait = 0b1110;
  static constexpr bool kDelayedStores = false;
  static constexpr std::uint64_t kPreemptions = kBound;
  static constexpr std::size_t kBody = 2000;

  RoomForReplies() : Worker(kSpinUs) {
    for (std::uint32_t slot = 0; slot < kRequests; ++slot) master.head(slot, kWithoutBody.payload());
  }
  void run(unsigned thread) {
    static const std::array<std::byte, kBody> body{};
    if (thread != 0) return serve([this](Job& job) { reply(job, body); });
    master.take_replies(kRequests);
  }
  void at_end() {
    for (std::uint32_t slot = 0; slot < kRequests; ++slot)
      require(answered[slot] == 1, "every request was answered once");
  }
};

using TwoThreadsAndABody = BodyBesideRequests<2, 3>;
using ThreeThreadsAndABody = BodyBesideRequests<3, 2>;
using BodyBesideASpinner = BodyBesideRequests<2, 3, 1>;
using RoomForTwoThreads = RoomForReplies<2, 2>;
using RoomBesideASpinner = RoomForReplies<3, 1, 1>;

constexpr Model kModels[] = {
    {TwoThreads::kName, &explore<TwoThreads>},
    {Drained::kName, &explore<Drained>},
    {TwoThreadsAndABody::kName, &explore<TwoThreadsAndABody>},
    {RoomForTwoThreads::kName, &explore<RoomForTwoThreads>},
    {ThreeThreadsAndABody::kName, &explore<ThreeThreadsAndABody>},
    {BodyBesideASpinner::kName, &explore<BodyBesideASpinner>},
    {RoomBesideASpinner::kName, &explore<RoomBesideASpinner>},
};

}  // namespace
}  // namespace prefork::model

int main(int argc, char** argv) {
  return prefork::model::run_models(argc, argv, prefork::model::kModels, std::size(prefork::model::kModels));
}

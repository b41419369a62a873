// The shipped ring, doorbell, claims and fragments under every interleaving.
#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "shm/claims.hpp"
#include "shm/doorbell.hpp"
#include "shm/fragments.hpp"
#include "shm/ring.hpp"
#include "tests/model/bells.hpp"
#include "tests/model/explore.hpp"

namespace prefork::model {
namespace {

using namespace shm;

// One direction with its bells. Producer and Consumer are made by the threads that use them.
struct Direction {
  RingPositions positions{};
  alignas(16) std::array<std::byte, 256> bytes{};

  void describe(const char* tail, const char* head, const char* want) {
    name(&positions.tail, tail);
    name(&positions.head, head);
    name(&positions.want_room, want);
  }
};

std::byte byte_of(std::uint32_t serial, std::size_t at) { return static_cast<std::byte>(serial * 29 + at * 7 + 1); }

void write(std::span<std::byte> room, std::uint32_t serial) {
  for (std::size_t at = 0; at < room.size(); ++at) room[at] = byte_of(serial, at);
}
bool is_whole(std::span<const std::byte> payload, std::uint32_t serial) {
  for (std::size_t at = 0; at < payload.size(); ++at) {
    if (payload[at] != byte_of(serial, at)) return false;
  }
  return true;
}

struct BellPair {
  BellFlag consumer{};
  BellFlag producer{};
  BellPair() {
    name(&consumer.sleeping, "consumer.sleeping");
    name(&producer.sleeping, "producer.sleeping");
  }
};

void push(Producer& producer, Doorbell& own, Doorbell& other, std::uint32_t serial, std::uint32_t length) {
  auto room = producer.try_claim(length);
  while (room.data() == nullptr) {
    producer.publish();
    other.ring();
    (void)sleep_unless(own, [&] { return producer.request_room(length); });
    room = producer.try_claim(length);
  }
  write(room, serial);
  producer.commit({1, 0, serial, 0}, length);
}

// Takes `count` records, asks `accept` of each.
template <class Accept>
void take(Consumer& consumer, Doorbell& own, Doorbell& other, std::uint32_t count, Accept&& accept) {
  Record record;
  for (std::uint32_t taken = 0; taken < count;) {
    const Peek seen = consumer.peek(record);
    require(seen != Peek::Bad, "the ring is sound");
    if (seen == Peek::Record) {
      accept(record);
      consumer.release();
      ++taken;
      continue;
    }
    if (consumer.settle()) other.ring();
    if (taken < count) (void)sleep_unless(own, [&] { return consumer.anything_now(); });
  }
  if (consumer.settle()) other.ring();
}

// Three records in two batches; the third does not fit before the end and waits for the first to be released.
struct TwoBatchesAndAWrap {
  static constexpr const char* kName = "two-batches-and-a-wrap";
  static constexpr unsigned kThreads = 2;
  static constexpr unsigned kMayWait = 0;
  static constexpr bool kDelayedStores = true;
  static constexpr std::uint64_t kPreemptions = kAny;
  Direction ring;
  BellPair flags;
  Bells bells;
  std::uint32_t received = 0;

  TwoBatchesAndAWrap() { ring.describe("tail", "head", "want_room"); }

  void run(unsigned thread) {
    Doorbell consumer_bell(flags.consumer, Bells::fd(0), Bells::fd(0));
    Doorbell producer_bell(flags.producer, Bells::fd(1), Bells::fd(1));
    if (thread == 0) {
      Producer producer(ring.positions, ring.bytes);
      push(producer, producer_bell, consumer_bell, 0, 80);
      push(producer, producer_bell, consumer_bell, 1, 80);
      producer.publish();
      consumer_bell.ring();
      push(producer, producer_bell, consumer_bell, 2, 80);
      producer.publish();
      consumer_bell.ring();
    } else {
      Consumer consumer(ring.positions, ring.bytes);
      take(consumer, consumer_bell, producer_bell, 3, [this](const Record& record) {
        require(record.tag.slot == received, "records arrive in order, none lost, none doubled");
        require(record.payload.size() == 80 && is_whole(record.payload, received), "a record arrives whole");
        ++received;
      });
    }
  }
  void at_end() { require(received == 3, "every record arrived"); }
};

// Records of half the ring: nearly every one waits for room.
struct FullRing {
  static constexpr const char* kName = "full-ring";
  static constexpr unsigned kThreads = 2;
  static constexpr unsigned kMayWait = 0;
  static constexpr bool kDelayedStores = true;
  static constexpr std::uint64_t kPreemptions = kAny;
  static constexpr std::uint32_t kRecords = 4;
  Direction ring;
  BellPair flags;
  Bells bells;
  std::uint32_t received = 0;

  FullRing() { ring.describe("tail", "head", "want_room"); }

  void run(unsigned thread) {
    Doorbell consumer_bell(flags.consumer, Bells::fd(0), Bells::fd(0));
    Doorbell producer_bell(flags.producer, Bells::fd(1), Bells::fd(1));
    if (thread == 0) {
      Producer producer(ring.positions, ring.bytes);
      for (std::uint32_t serial = 0; serial < kRecords; ++serial)
        push(producer, producer_bell, consumer_bell, serial, 100);
      producer.publish();
      consumer_bell.ring();
    } else {
      Consumer consumer(ring.positions, ring.bytes);
      for (std::uint32_t i = 0; i < kRecords; ++i) {
        take(consumer, consumer_bell, producer_bell, 1, [this](const Record& record) {
          require(record.tag.slot == received && is_whole(record.payload, received),
                  "a record arrives whole and in order");
          ++received;
        });
      }
    }
  }
  void at_end() { require(received == kRecords, "every record arrived"); }
};

// A payload of more than the ring, in fragments, then a small one.
struct Fragment {
  static constexpr const char* kName = "fragments";
  static constexpr unsigned kThreads = 2;
  static constexpr unsigned kMayWait = 0;
  static constexpr bool kDelayedStores = true;
  static constexpr std::uint64_t kPreemptions = kAny;
  static constexpr std::size_t kLarge = 150;
  Direction ring;
  BellPair flags;
  Bells bells;
  std::uint32_t received = 0;
  std::array<std::byte, kLarge> payload{};

  Fragment() {
    ring.describe("tail", "head", "want_room");
    write(payload, 0);
  }

  void run(unsigned thread) {
    Doorbell consumer_bell(flags.consumer, Bells::fd(0), Bells::fd(0));
    Doorbell producer_bell(flags.producer, Bells::fd(1), Bells::fd(1));
    if (thread == 0) {
      Producer producer(ring.positions, ring.bytes);
      FragmentWriter writer(payload);
      for (;;) {
        const bool done = writer.push(producer, {1, 0, 0, 0});
        producer.publish();
        consumer_bell.ring();
        if (done) break;
        (void)sleep_unless(producer_bell, [&] { return producer.request_room(writer.next_length(producer)); });
      }
      push(producer, producer_bell, consumer_bell, 1, 10);
      producer.publish();
      consumer_bell.ring();
    } else {
      Consumer consumer(ring.positions, ring.bytes);
      Reassembler reassembler(1024, 1024);
      while (received < 2) {
        take(consumer, consumer_bell, producer_bell, 1, [&](const Record& record) {
          std::span<const std::byte> whole;
          const auto taken = reassembler.take(record, whole);
          require(taken == Reassembler::Take::Whole || taken == Reassembler::Take::More, "fragments fit together");
          if (taken != Reassembler::Take::Whole) return;
          require(whole.size() == (received == 0 ? kLarge : 10) && is_whole(whole, received),
                  "a payload arrives whole");
          ++received;
        });
      }
    }
  }
  void at_end() { require(received == 2, "every payload arrived"); }
};

// Requests one way, replies the other way; either side sleeps when it has nothing to do.
struct RequestAndReply {
  static constexpr const char* kName = "request-and-reply";
  static constexpr unsigned kThreads = 2;
  static constexpr unsigned kMayWait = 0;
  static constexpr bool kDelayedStores = true;
  static constexpr std::uint64_t kPreemptions = kAny;
  static constexpr std::uint32_t kRequests = 2;
  Direction requests;
  Direction replies;
  BellPair flags;  // consumer: the worker's; producer: the master's
  Bells bells;
  std::array<Atomic<std::uint64_t>, kRequests> words{};
  std::uint32_t started = 0, replied = 0;

  RequestAndReply() {
    requests.describe("requests.tail", "requests.head", "requests.want_room");
    replies.describe("replies.tail", "replies.head", "replies.want_room");
  }

  void run(unsigned thread) {
    Doorbell worker_bell(flags.consumer, Bells::fd(0), Bells::fd(0));
    Doorbell master_bell(flags.producer, Bells::fd(1), Bells::fd(1));
    Claims claims(words);
    if (thread == 0) {
      Producer producer(requests.positions, requests.bytes);
      Consumer consumer(replies.positions, replies.bytes);
      for (std::uint32_t slot = 0; slot < kRequests; ++slot) {
        claims.offer(slot, 7);
        push(producer, master_bell, worker_bell, slot, 40);
        producer.publish();
        worker_bell.ring();
      }
      take(consumer, master_bell, worker_bell, kRequests, [this](const Record& record) {
        require(record.tag.slot == replied + 100 && is_whole(record.payload, replied + 100),
                "a reply arrives whole and in order");
        ++replied;
      });
    } else {
      Consumer consumer(requests.positions, requests.bytes);
      Producer producer(replies.positions, replies.bytes);
      take(consumer, worker_bell, master_bell, kRequests, [&](const Record& record) {
        require(is_whole(record.payload, record.tag.slot), "a request arrives whole");
        require(claims.try_claim(record.tag.slot, 7), "an offer that nobody took back is claimed");
        ++started;
        push(producer, worker_bell, master_bell, record.tag.slot + 100, 24);
        producer.publish();
        master_bell.ring();
      });
    }
  }
  void at_end() { require(started == kRequests && replied == kRequests, "every request was answered"); }
};

// Two threads of a worker claim what one consumer hands out, while the master takes everything back.
struct RevokeAgainstTwoClaimers {
  static constexpr const char* kName = "revoke-against-two-claimers";
  static constexpr unsigned kThreads = 3;
  static constexpr unsigned kMayWait = 0;
  static constexpr bool kDelayedStores = true;
  static constexpr std::uint64_t kPreemptions = kAny;
  static constexpr std::uint32_t kSlots = 2;
  static constexpr std::uint32_t kGeneration = 5;
  Direction ring;
  std::array<Atomic<std::uint64_t>, kSlots> words{};
  std::mutex mutex;
  Consumer consumer{ring.positions, ring.bytes};  // guarded by the mutex
  std::array<std::uint32_t, kSlots> started{}, revoked{};

  RevokeAgainstTwoClaimers() {
    ring.describe("tail", "head", "want_room");
    name(&words[0], "claims[0]");
    name(&words[1], "claims[1]");
  }

  void run(unsigned thread) {
    if (thread == 0) {
      offer_and_revoke();
    } else {
      claim();
    }
  }

  void offer_and_revoke() {
    Claims claims(words);
    Producer producer(ring.positions, ring.bytes);
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      claims.offer(slot, kGeneration);
      require(producer.try_claim(0).data() != nullptr, "there is room");
      producer.commit({1, 0, slot, kGeneration}, 0);
    }
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      if (claims.try_revoke(slot, kGeneration)) ++revoked[slot];
    }
  }

  void claim() {
    Claims claims(words);
    for (std::uint32_t look = 0; look < kSlots; ++look) {
      Record record;
      mutex.lock();
      const Peek seen = consumer.peek(record);
      if (seen == Peek::Record) consumer.release();
      mutex.unlock();
      require(seen != Peek::Bad, "the ring is sound");
      if (seen == Peek::Record && claims.try_claim(record.tag.slot, record.tag.generation)) ++started[record.tag.slot];
    }
  }

  // What nobody looked at is still in the ring, and can be claimed unless it was taken back.
  void at_end() {
    Claims claims(words);
    Record record;
    std::array<std::uint32_t, kSlots> left{};
    while (consumer.peek(record) == Peek::Record) {
      consumer.release();
      if (claims.try_claim(record.tag.slot, record.tag.generation)) ++left[record.tag.slot];
    }
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      require(started[slot] + revoked[slot] + left[slot] == 1, "a request starts once or is taken back once");
    }
  }
};

constexpr Model kModels[] = {
    {TwoBatchesAndAWrap::kName, &explore<TwoBatchesAndAWrap>},
    {FullRing::kName, &explore<FullRing>},
    {Fragment::kName, &explore<Fragment>},
    {RequestAndReply::kName, &explore<RequestAndReply>},
    {RevokeAgainstTwoClaimers::kName, &explore<RevokeAgainstTwoClaimers>},
};

}  // namespace
}  // namespace prefork::model

int main(int argc, char** argv) {
  return prefork::model::run_models(argc, argv, prefork::model::kModels, std::size(prefork::model::kModels));
}

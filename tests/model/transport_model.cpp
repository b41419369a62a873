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

// One direction. Producer and Consumer are made by the threads that use them.
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
  Doorbell of_consumer() { return {consumer, Bells::fd(0), Bells::fd(0)}; }
  Doorbell of_producer() { return {producer, Bells::fd(1), Bells::fd(1)}; }
};

// One side of a direction: sleeps on its own bell, rings the other.
struct Sender {
  Producer producer;
  Doorbell own;
  Doorbell other;

  void push(std::uint32_t serial, std::uint32_t length) {
    auto room = producer.try_claim(length);
    while (room.data() == nullptr) {
      tell();
      (void)sleep_unless(own, [&] { return producer.request_room(length); });
      room = producer.try_claim(length);
    }
    write(room, serial);
    producer.commit({1, 0, serial, 0}, length);
  }
  void tell() {
    producer.publish();
    other.ring();
  }
};

struct Receiver {
  Consumer consumer;
  Doorbell own;
  Doorbell other;

  // Takes `count` records, asks `accept` of each.
  template <class Accept>
  void take(std::uint32_t count, Accept&& accept) {
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
};

// Two threads that may do anything in any order, with stores delayed.
struct Unbounded {
  static constexpr unsigned kThreads = 2;
  static constexpr unsigned kMayWait = 0;
  static constexpr bool kDelayedStores = true;
  static constexpr std::uint64_t kPreemptions = kAny;
};

// Thread 0 sends, thread 1 receives.
struct OneWay : Unbounded {
  Direction ring;
  BellPair flags;
  Bells bells;
  std::uint32_t received = 0;

  OneWay() { ring.describe("tail", "head", "want_room"); }
  Sender sender() { return {Producer(ring.positions, ring.bytes), flags.of_producer(), flags.of_consumer()}; }
  Receiver receiver() { return {Consumer(ring.positions, ring.bytes), flags.of_consumer(), flags.of_producer()}; }
  void expect_next(std::span<const std::byte> payload, std::uint32_t serial, std::size_t length) {
    require(serial == received, "records arrive in order, none lost, none doubled");
    require(payload.size() == length && is_whole(payload, serial), "a record arrives whole");
    ++received;
  }
};

// Three records in two batches; the third does not fit before the end and waits for the first to be released.
struct TwoBatchesAndAWrap : OneWay {
  static constexpr const char* kName = "two-batches-and-a-wrap";

  void run(unsigned thread) {
    if (thread == 0) {
      Sender to = sender();
      to.push(0, 80);
      to.push(1, 80);
      to.tell();
      to.push(2, 80);
      to.tell();
    } else {
      receiver().take(3, [this](const Record& record) { expect_next(record.payload, record.tag.slot, 80); });
    }
  }
  void at_end() { require(received == 3, "every record arrived"); }
};

// Records of half the ring: nearly every one waits for room.
struct FullRing : OneWay {
  static constexpr const char* kName = "full-ring";
  static constexpr std::uint32_t kRecords = 4;

  void run(unsigned thread) {
    if (thread == 0) {
      Sender to = sender();
      for (std::uint32_t serial = 0; serial < kRecords; ++serial) to.push(serial, 100);
      to.tell();
    } else {
      Receiver from = receiver();
      for (std::uint32_t i = 0; i < kRecords; ++i)
        from.take(1, [this](const Record& record) { expect_next(record.payload, record.tag.slot, 100); });
    }
  }
  void at_end() { require(received == kRecords, "every record arrived"); }
};

// A payload of more than the ring takes in one piece, in fragments, then a small one.
struct Fragment : OneWay {
  static constexpr const char* kName = "fragments";
  static constexpr std::size_t kLarge = 150;
  static constexpr std::uint32_t kSmall = 10;
  std::array<std::byte, kLarge> payload{};

  Fragment() { write(payload, 0); }

  void run(unsigned thread) {
    if (thread == 0) {
      Sender to = sender();
      FragmentWriter writer(payload);
      for (;;) {
        const bool done = writer.push(to.producer, {1, 0, 0, 0});
        to.tell();
        if (done) break;
        (void)sleep_unless(to.own, [&] { return to.producer.request_room(writer.next_length(to.producer)); });
      }
      to.push(1, kSmall);
      to.tell();
    } else {
      Receiver from = receiver();
      Reassembler reassembler(1024, 1024);
      while (received < 2) {
        from.take(1, [&](const Record& record) {
          std::span<const std::byte> whole;
          const auto taken = reassembler.take(record, whole);
          require(taken == Reassembler::Take::Whole || taken == Reassembler::Take::More, "fragments fit together");
          if (taken == Reassembler::Take::Whole) expect_next(whole, record.tag.slot, received == 0 ? kLarge : kSmall);
        });
      }
    }
  }
  void at_end() { require(received == 2, "every payload arrived"); }
};

// Requests one way, replies the other way; either side sleeps when it has nothing to do.
struct RequestAndReply : Unbounded {
  static constexpr const char* kName = "request-and-reply";
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
    if (thread == 0) {
      ask();
    } else {
      answer();
    }
  }

  void ask() {
    Sender to{Producer(requests.positions, requests.bytes), flags.of_producer(), flags.of_consumer()};
    Receiver from{Consumer(replies.positions, replies.bytes), flags.of_producer(), flags.of_consumer()};
    Claims claims(words);
    for (std::uint32_t slot = 0; slot < kRequests; ++slot) {
      claims.offer(slot, 7);
      to.push(slot, 40);
      to.tell();
    }
    from.take(kRequests, [this](const Record& record) {
      require(record.tag.slot == replied + 100 && is_whole(record.payload, replied + 100),
              "a reply arrives whole and in order");
      ++replied;
    });
  }

  void answer() {
    Receiver from{Consumer(requests.positions, requests.bytes), flags.of_consumer(), flags.of_producer()};
    Sender to{Producer(replies.positions, replies.bytes), flags.of_consumer(), flags.of_producer()};
    Claims claims(words);
    from.take(kRequests, [&](const Record& record) {
      require(is_whole(record.payload, record.tag.slot), "a request arrives whole");
      require(claims.try_claim(record.tag.slot, 7), "an offer that nobody took back is claimed");
      ++started;
      to.push(record.tag.slot + 100, 24);
      to.tell();
    });
  }
  void at_end() { require(started == kRequests && replied == kRequests, "every request was answered"); }
};

// Two threads of a worker claim what one consumer hands out, while the master takes everything back.
struct RevokeAgainstTwoClaimers : Unbounded {
  static constexpr const char* kName = "revoke-against-two-claimers";
  static constexpr unsigned kThreads = 3;
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

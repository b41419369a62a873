// A master and a worker over one region, in two processes: the worker echoes what it claims, the master checks what comes back.
// Whoever dies, the other sees it at its end of a socket pair, as a real worker does at its side socket.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <deque>

#include "shm/channel.hpp"
#include "tests/shm/ring_memory.hpp"

namespace prefork::shm::testing {

inline constexpr std::uint16_t kRequestKind = 1, kReplyKind = 2;
inline constexpr int kGenerousMs = 60000;

inline UniqueFd duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

// What both processes need; made before the fork. The mapping itself does not cross a fork: each side attaches by itself.
struct Link {
  explicit Link(const Geometry& shape) : geometry(shape), region(Region::create(Layout(shape).total)) {
    std::array<int, 2> ends{};
    PREFORK_CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0, "a socket pair");
    master_life = UniqueFd(ends[0]);
    worker_life = UniqueFd(ends[1]);
  }
  Geometry geometry;
  Region region;
  BellFds worker_bell = make_bell();
  BellFds master_bell = make_bell();
  UniqueFd master_life;  // the master's end
  UniqueFd worker_life;
};

enum class Woken { ByBellOrWork, ByDeath, Never };

// Sleeps on the bell unless there is something; a closed `life` wakes too.
template <class Anything>
Woken sleep_or_die(Doorbell& bell, int life, Anything&& anything) {
  bell.arm();
  if (anything()) {
    bell.disarm();
    return Woken::ByBellOrWork;
  }
  std::array<pollfd, 2> both{{{bell.fd(), POLLIN, 0}, {life, POLLIN, 0}}};
  const int got = ::poll(both.data(), both.size(), kGenerousMs);
  bell.disarm();
  if (got <= 0) return Woken::Never;
  if (both[0].revents != 0) bell.drain();
  return both[1].revents != 0 ? Woken::ByDeath : Woken::ByBellOrWork;
}

// The worker's side. Records carry a serial: generation is its low half and decides the contents.
class EchoWorker {
 public:
  enum class Contents { Pattern, Any };
  explicit EchoWorker(Link& link, Contents contents = Contents::Pattern)
      : region_(Region::attach(duplicate(link.region.fd()), Layout(link.geometry).total)),
        end_(Parts(region_.bytes(), link.geometry), link.worker_bell.wait.get(), link.master_bell.signal_fd()),
        life_(link.worker_life.get()),
        contents_(contents) {}

  enum class Ended { MasterDied, Broken, Stuck };
  Ended run() {
    for (;;) {
      Record record;
      const Peek seen = end_.requests.peek(record);
      if (seen == Peek::Bad) return Ended::Broken;
      if (seen == Peek::Record) {
        if (contents_ == Contents::Pattern && !has_pattern(record.payload, record.tag.generation)) return Ended::Broken;
        if (end_.claims.try_claim(record.tag.slot, record.tag.generation) && !reply(record)) return ended_;
        end_.requests.release();
        continue;
      }
      tell();
      if (!sleep([&] { return end_.requests.anything_now(); })) return ended_;
    }
  }
  std::uint64_t echoed() const { return echoed_; }
  WorkerEnd& end() { return end_; }

 private:
  bool reply(const Record& record) {
    const auto length = static_cast<std::uint32_t>(record.payload.size());
    auto room = end_.replies.try_claim(length);
    while (room.data() == nullptr) {
      tell();
      if (!sleep([&] { return end_.replies.request_room(length); })) return false;
      room = end_.replies.try_claim(length);
    }
    std::copy(record.payload.begin(), record.payload.end(), room.begin());
    end_.replies.commit({kReplyKind, 0, record.tag.slot, record.tag.generation}, length);
    ++echoed_;
    if (echoed_ % 8 == 0) tell();
    return true;
  }
  void tell() {
    end_.replies.publish();
    const bool wanted = end_.requests.settle();
    (void)wanted;  // one bell says both
    end_.master_bell.ring();
  }
  template <class Anything>
  bool sleep(Anything&& anything) {
    switch (sleep_or_die(end_.own_bell, life_, anything)) {
      case Woken::ByBellOrWork: return true;
      case Woken::ByDeath: ended_ = Ended::MasterDied; return false;
      case Woken::Never: ended_ = Ended::Stuck; return false;
    }
    return false;
  }

  Region region_;
  WorkerEnd end_;
  int life_;
  Contents contents_;
  std::uint64_t echoed_ = 0;
  Ended ended_ = Ended::Broken;
};

// The master's side: a window of requests in flight, one slot each.
class PushingMaster {
 public:
  PushingMaster(Link& link, std::uint64_t seed, std::uint32_t longest, std::uint32_t window)
      : region_(Region::attach(duplicate(link.region.fd()), Layout(link.geometry).total)),
        end_(Parts(region_.bytes(), link.geometry), link.master_bell.wait.get(), link.worker_bell.signal_fd()),
        life_(link.master_life.get()),
        random_(seed),
        longest_(std::min(longest, end_.requests.max_payload())),
        window_(window),
        next_length_(random_.below(longest_ + 1)) {}

  enum class Ended { Done, WorkerDied, Broken, Stuck };

  // Until `count` more replies have come, or the worker has died.
  Ended run(std::uint64_t count) {
    const std::uint64_t until = replied_ + count;
    for (;;) {
      const std::uint64_t before = replied_ + sent_;
      push_requests();
      if (!drain_replies()) return Ended::Broken;
      if (replied_ >= until) return Ended::Done;
      if (replied_ + sent_ != before) continue;
      const auto woken = sleep_or_die(end_.own_bell, life_, [&] {
        return end_.replies.anything_now() || (flying_.size() < window_ && end_.requests.request_room(next_length_));
      });
      if (woken == Woken::ByDeath) return Ended::WorkerDied;
      if (woken == Woken::Never) return Ended::Stuck;
    }
  }

  // False when a reply is not what was asked for.
  bool drain_replies() {
    Record record;
    for (;;) {
      const Peek seen = end_.replies.peek(record);
      if (seen == Peek::Empty) break;
      if (seen == Peek::Bad || flying_.empty()) return false;
      const Flight flight = flying_.front();  // one worker thread: replies come in order
      if (record.tag.kind != kReplyKind || record.tag.slot != flight.slot || record.tag.generation != flight.serial)
        return false;
      if (record.payload.size() != flight.length || !has_pattern(record.payload, flight.serial)) return false;
      flying_.pop_front();
      ++replied_;
      end_.replies.release();
    }
    if (end_.replies.settle()) end_.worker_bell.ring();
    return true;
  }

  struct Judged {
    std::uint64_t claimed = 0, unclaimed = 0;
    bool in_order = true;  // nothing claimed behind something unclaimed
  };
  // After the worker's death and a last drain: who was started?
  Judged judge() {
    Judged judged;
    for (const Flight& flight : flying_) {
      if (end_.claims.claimed(flight.slot, flight.serial)) {
        judged.in_order &= judged.unclaimed == 0;
        ++judged.claimed;
      } else {
        ++judged.unclaimed;
      }
    }
    return judged;
  }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t replied() const { return replied_; }
  MasterEnd& end() { return end_; }

 private:
  struct Flight {
    std::uint32_t slot, serial, length;
  };

  void push_requests() {
    bool any = false;
    while (flying_.size() < window_) {
      const auto room = end_.requests.try_claim(next_length_);
      if (room.data() == nullptr) break;
      const auto serial = static_cast<std::uint32_t>(++sent_);
      const std::uint32_t slot = serial % window_;
      fill_pattern(room, serial);
      end_.claims.offer(slot, serial);
      end_.requests.commit({kRequestKind, 0, slot, serial}, next_length_);
      flying_.push_back({slot, serial, next_length_});
      next_length_ = random_.below(random_.below(4) == 0 ? longest_ + 1 : std::min(longest_ + 1, 200u));
      any = true;
    }
    if (!any) return;
    end_.requests.publish();
    end_.worker_bell.ring();
  }

  Region region_;
  MasterEnd end_;
  int life_;
  Random random_;
  std::uint32_t longest_;
  std::uint32_t window_;
  std::uint32_t next_length_;
  std::deque<Flight> flying_;
  std::uint64_t sent_ = 0, replied_ = 0;
};

// A child process that is killed at the latest when the test ends.
class Child {
 public:
  template <class Body>
  explicit Child(Body&& body) : pid_(::fork()) {
    PREFORK_CHECK(pid_ >= 0, "fork");
    if (pid_ == 0) ::_exit(body());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) (void)kill();
  }
  void signal(int number) const { ::kill(pid_, number); }
  int kill() {
    ::kill(pid_, SIGKILL);
    return wait();
  }
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

}  // namespace prefork::shm::testing

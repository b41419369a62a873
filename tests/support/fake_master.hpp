// The master's side of one channel for tests and benchmarks: a region, its bells and the side socket, requests in, replies out.
// Attached to a worker process that it starts, or to worker objects in this process (attach()). One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shm/channel.hpp"
#include "shm/fragments.hpp"
#include "shm/wire/frame.hpp"
#include "shm/wire/reply_head.hpp"
#include "shm/wire/request_head.hpp"
#include "shm/wire/settings.hpp"
#include "worker/context.hpp"

namespace prefork::test {

// A request in the words of a test.
struct Ask {
  std::string method = "GET";
  std::string target = "/";
  std::vector<std::pair<std::string, std::string>> fields{{"Host", "kit.example"}};
  std::string body;
  bool body_follows = false;                       // Body records come later: `body` is not sent with the head
  std::uint64_t announced = wire::kUnknownLength;  // with body_follows
  std::uint8_t http_version = 11;
  std::uint8_t extra_flags = 0;
  std::string script_name;
  std::string request_id;
};

// Everything that came for one stream.
struct Answer {
  std::uint16_t status = 0;
  std::string reason;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  std::vector<std::string> pieces;  // as the records had them, the head's first
  std::vector<std::uint16_t> interim;
  std::uint8_t flags = 0;
  bool ended = false;
  bool aborted = false;
  unsigned records = 0;
  std::uint64_t credit = 0;                        // body bytes that the worker asked for
  std::string field(std::string_view name) const;  // "" when absent; any case
};

wire::RequestBuilder build(const Ask& ask);

class FakeMaster {
 public:
  static constexpr std::uint32_t kSlots = 1024;
  explicit FakeMaster(shm::Geometry geometry = {256 << 10, 1 << 20, kSlots});
  ~FakeMaster();  // ends the worker process, if any

  // Starts `executable` with these settings and waits for its Ready record; false when it ended instead: exit_status() has it.
  bool start(const std::string& executable, wire::Settings settings);
  // A worker in this process; the master keeps the region's descriptors.
  std::unique_ptr<worker::Context> attach(wire::Settings settings = {});

  // Sends a request on a free slot; the slot.
  std::uint32_t send(const Ask& ask);
  std::uint32_t send(const wire::RequestBuilder& request);
  void body(std::uint32_t slot, std::string_view bytes, bool end, bool abort = false);
  void credit(std::uint32_t slot, std::uint64_t bytes);
  void cancel(std::uint32_t slot, wire::CancelReason reason = wire::CancelReason::ClientGone);
  void drain();
  bool revoke(std::uint32_t slot);
  // Grants reply credit by itself as bytes arrive, as a fast client's connection does. On unless a test turns it off.
  bool auto_credit = true;

  // Takes what is in the reply ring now.
  void pump();
  // Pumps until `done`; false after `patience`.
  template <class Done>
  bool until(Done&& done, std::chrono::seconds patience = std::chrono::seconds(30)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
      pump();
      if (done()) return true;
      if (std::chrono::steady_clock::now() > deadline) return false;
      sleep();
    }
  }
  Answer& answer(std::uint32_t slot) { return answers_[slot]; }
  // The whole answer to a request; fails the promise when it does not come.
  Answer ask(const Ask& ask);
  Answer finish(std::uint32_t slot);

  pid_t pid() const { return pid_; }
  int wait_exit();    // the status as a shell tells it
  std::string log();  // the worker's standard error so far
  const std::optional<wire::ReadyRecord>& ready() const { return ready_; }
  shm::MasterEnd& end() { return *end_; }
  std::uint64_t ended() const { return ended_; }

 private:
  struct InFlight {
    std::uint32_t generation = 0;
    bool busy = false;
  };
  void put(wire::Kind kind, std::uint16_t flags, std::uint32_t slot, std::span<const std::byte> payload);
  void take(const shm::Record& record);
  void take_file(Answer& answer, const shm::Record& record);
  void sleep();
  bool reap(bool wait);

  shm::Geometry geometry_;
  shm::Region region_;
  shm::BellFds worker_bell_;
  shm::BellFds own_bell_;
  shm::UniqueFd side_;
  shm::UniqueFd worker_side_;
  std::unique_ptr<shm::MasterEnd> end_;
  shm::Reassembler heads_{1 << 20, 1 << 22};
  std::vector<Answer> answers_;
  std::vector<InFlight> slots_;
  std::deque<std::uint32_t> free_;  // the longest unused first: an answer can be looked at after its end
  std::vector<std::pair<std::uint32_t, shm::UniqueFd>> files_;
  std::optional<wire::ReadyRecord> ready_;
  std::uint64_t ended_ = 0;
  pid_t pid_ = -1;
  std::optional<int> status_;
  std::string log_path_;
};

}  // namespace prefork::test

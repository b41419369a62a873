// The loop: epoll, a heap of timers, the clock of --rate, and the end of the run. Clients ask it for permission to start a
// request and report what became of it. One thread.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "mix.hpp"
#include "options.hpp"
#include "socket.hpp"
#include "tally.hpp"

namespace prefork::load {

class Address {
 public:
  explicit Address(const Options& options);  // exits with 2 when the host cannot be resolved
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t length() const { return length_; }
  int family() const { return storage_.ss_family; }

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = 0;
};

class Runner {
 public:
  explicit Runner(const Options& options);
  ~Runner();

  double run();  // seconds from the first connect until the last request started was over

  // For clients.
  const Options& options() const { return options_; }
  const Address& address() const { return address_; }
  Mix& mix() { return mix_; }
  Tally& tally() { return tally_; }
  std::string& read_buffer() { return read_buffer_; }
  int epoll_fd() const { return epoll_fd_; }
  bool stopping() const { return stopping_; }
  void wake_at(Time when, Client& client) { timers_.push({when, &client}); }
  // The moment since which the request counts, or nothing: not now. With --rate the client is called when one is due.
  std::optional<Time> next_request(Client& client);
  void note_progress() { last_progress_ = Clock::now(); }
  void count_ok(std::size_t target, Time due);
  void count_failure(Failure kind, unsigned client, const char* detail, std::size_t target);

 private:
  struct Timer {
    Time when;
    Client* client;
    bool operator<(const Timer& other) const { return when > other.when; }
  };

  void wait_for_events(Time now);
  void run_timers(Time now);
  void make_due(Time now);
  void scan(Time now);
  bool finished(Time now);
  bool enough_started() const { return options_.count > 0 && tally_.started >= options_.count; }

  const Options& options_;
  Address address_;
  Mix mix_;
  Tally tally_;
  std::string read_buffer_;
  int epoll_fd_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::priority_queue<Timer> timers_;
  std::deque<Time> due_;         // requests whose time came while every client was busy
  std::deque<Client*> waiting_;  // clients that could take one
  Time start_{}, end_{}, next_due_{}, next_scan_{}, last_progress_{}, stopped_{};
  std::uint64_t made_due_ = 0;
  unsigned logged_ = 0;
  bool stopping_ = false;
};

}  // namespace prefork::load

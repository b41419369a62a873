// One client's connection: connecting, reading, writing, hanging up and connecting again. What is said over it is the
// business of the derived class (HttpClient, WsClient).
// Owned by Runner, driven by its loop; one thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string_view>

#include "tally.hpp"

namespace prefork::load {

class Runner;
using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

class Client {
 public:
  Client(Runner& runner, unsigned id) : runner_(runner), id_(id) {}
  virtual ~Client() { hang_up(false); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void open();
  void on_events(std::uint32_t events);
  void on_timer();
  void check_deadline(Time now);
  void abandon();  // the run is over: what is under way is counted as unfinished

  // With --rate, a request became due while this client had told the runner that it waits for one.
  virtual void on_request_due() = 0;
  virtual bool wants_request() const = 0;
  virtual unsigned under_way() const = 0;

 protected:
  enum class State { Closed, Connecting, Open };

  virtual void on_open() = 0;
  virtual void on_bytes(std::string_view bytes) = 0;
  virtual void on_end(int error) = 0;  // 0: the server closed; else errno. The connection still exists: call reopen().
  virtual void on_writable() = 0;
  virtual void on_drip() {}            // a timer set by wake_in() while Open
  virtual void on_late(Time now) = 0;  // regular look at deadlines while Open

  std::size_t send_some(std::string_view bytes);  // what the kernel took; 0 when it takes no more
  void watch(bool read, bool write);
  void wake_in(std::chrono::milliseconds delay);
  void hang_up(bool reset);
  void reopen(bool reset = false);
  void fail(Failure kind, const char* detail, std::size_t target = kNoTarget);

  static constexpr std::size_t kNoTarget = ~std::size_t{0};

  Runner& runner_;
  const unsigned id_;
  State state_ = State::Closed;
  std::size_t read_limit_ = ~std::size_t{0};

 private:
  void connect_failed(int error);
  void finish_connecting();
  void read_some();

  int fd_ = -1;
  std::uint32_t watched_ = 0;
  std::uint64_t incarnation_ = 0;  // grows with every hang-up; a callback that changed it ended this event's work
  Time opened_{};
  Time wake_at_{};  // the one timer that counts; Time{}: none
};

}  // namespace prefork::load

// One event loop and what hangs on its turns. A turn: timers, then the hooks that want to work before the loop sleeps, then poll,
// then the hooks that must run first after it. Owned by the Server; everything on it is used by its thread only.
#pragma once

#include <uv.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

namespace prefork::net {

// Deletes a heap-allocated handle the only way libuv allows: from its close callback.
template <class Handle>
struct CloseHandle {
  void operator()(Handle* handle) const {
    handle->data = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(handle),
             [](uv_handle_t* closed) { delete reinterpret_cast<Handle*>(closed); });
  }
};
template <class Handle>
using UvHandle = std::unique_ptr<Handle, CloseHandle<Handle>>;

class Loop {
 public:
  Loop();  // throws std::system_error
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  uv_loop_t* uv() { return &uv_; }
  // The threads that work beside the loop. libuv would make them at the first use and end the process when the system gives none; like
  // this it is known at the start. Signals stay with the calling thread. Throws std::system_error.
  void start_threads();
  void run();  // until stop()
  void stop() { uv_stop(&uv_); }

  // CLOCK_MONOTONIC of this turn: read once after poll, so that a batch of requests shares one clock read.
  std::uint64_t now_ns() const { return now_ns_; }
  std::uint64_t now_ms() const { return now_ns_ / 1'000'000; }
  void update_now();

  // `before_sleep` says whether there is work that must not wait: then poll returns at once. `after_sleep` runs first after poll.
  void on_turn(std::function<bool()> before_sleep, std::function<void()> after_sleep);

  // One buffer to read into for every stream of the loop: an idle connection owns none. A head and 64 KiB of body fit.
  std::array<char, 128 * 1024>& read_buffer() { return read_buffer_; }

 private:
  void about_to_sleep();

  uv_loop_t uv_{};
  UvHandle<uv_prepare_t> prepare_;
  UvHandle<uv_check_t> check_;
  UvHandle<uv_idle_t> idle_;  // active only while poll must not sleep
  std::function<bool()> before_sleep_;
  std::function<void()> after_sleep_;
  std::uint64_t now_ns_ = 0;
  std::array<char, 128 * 1024> read_buffer_{};
};

// A one-shot timer that calls back on its loop.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> fire);
  void start(std::uint64_t milliseconds, std::uint64_t repeat_milliseconds = 0);
  void stop();
  bool active() const;

 private:
  UvHandle<uv_timer_t> timer_;
  std::unique_ptr<std::function<void()>> fire_;
};

}  // namespace prefork::net

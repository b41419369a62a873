#include "master/net/loop.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <latch>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "master/net/signals_held.hpp"

namespace prefork::net {
namespace {

template <class Handle, class Init>
UvHandle<Handle> make_handle(uv_loop_t* loop, Init init, void* data) {
  auto* handle = new Handle;
  init(loop, handle);
  handle->data = data;
  return UvHandle<Handle>(handle);
}

// As many as libuv starts.
std::size_t pool_size() {
  const char* text = std::getenv("UV_THREADPOOL_SIZE");
  return text == nullptr ? 4 : static_cast<std::size_t>(std::clamp(std::atoi(text), 1, 1024));
}

// Throws std::system_error when the system does not give so many threads at once.
void try_threads(std::size_t count) {
  std::latch end(1);
  std::vector<std::jthread> threads;
  try {
    while (threads.size() < count) threads.emplace_back([&end] { end.wait(); });
  } catch (const std::system_error& error) {
    end.count_down();
    throw std::system_error(error.code(), "starting " + std::to_string(count) + " threads");
  }
  end.count_down();
}

}  // namespace

Loop::Loop() {
  if (const int error = uv_loop_init(&uv_); error != 0)
    throw std::system_error(-error, std::system_category(), "starting the event loop");
  prepare_ = make_handle<uv_prepare_t>(&uv_, uv_prepare_init, this);
  check_ = make_handle<uv_check_t>(&uv_, uv_check_init, this);
  idle_ = make_handle<uv_idle_t>(&uv_, uv_idle_init, this);
  uv_prepare_start(prepare_.get(), [](uv_prepare_t* handle) { static_cast<Loop*>(handle->data)->about_to_sleep(); });
  uv_check_start(check_.get(), [](uv_check_t* handle) {
    auto* loop = static_cast<Loop*>(handle->data);
    loop->update_now();
    if (loop->after_sleep_) loop->after_sleep_();
  });
  update_now();
}

Loop::~Loop() {
  prepare_.reset();
  check_.reset();
  idle_.reset();
  uv_run(&uv_, UV_RUN_DEFAULT);  // lets the close callbacks run
  uv_loop_close(&uv_);
}

void Loop::start_threads() {
  const SignalsHeld held;
  try_threads(pool_size());
  uv_queue_work(
      &uv_, new uv_work_t{}, [](uv_work_t*) {}, [](uv_work_t* work, int) { delete work; });
}

void Loop::run() { uv_run(&uv_, UV_RUN_DEFAULT); }

void Loop::update_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  now_ns_ = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void Loop::on_turn(std::function<bool()> before_sleep, std::function<void()> after_sleep) {
  before_sleep_ = std::move(before_sleep);
  after_sleep_ = std::move(after_sleep);
}

// An active idle handle makes libuv poll with a zero timeout; libuv looks at it after the prepare callbacks.
void Loop::about_to_sleep() {
  const bool busy = before_sleep_ && before_sleep_();
  if (busy) {
    uv_idle_start(idle_.get(), [](uv_idle_t*) {});
  } else {
    uv_idle_stop(idle_.get());
  }
}

Timer::Timer(Loop& loop, std::function<void()> fire) : fire_(std::make_unique<std::function<void()>>(std::move(fire))) {
  timer_ = make_handle<uv_timer_t>(loop.uv(), uv_timer_init, fire_.get());
}

void Timer::start(std::uint64_t milliseconds, std::uint64_t repeat_milliseconds) {
  uv_timer_start(
      timer_.get(),
      [](uv_timer_t* handle) {
        if (handle->data != nullptr) (*static_cast<std::function<void()>*>(handle->data))();
      },
      milliseconds, repeat_milliseconds);
}

void Timer::stop() { uv_timer_stop(timer_.get()); }

bool Timer::active() const { return uv_is_active(reinterpret_cast<const uv_handle_t*>(timer_.get())) != 0; }

}  // namespace prefork::net

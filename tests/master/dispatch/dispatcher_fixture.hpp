// A dispatcher with workers and clients that a test plays.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <functional>
#include <string>

#include "tests/master/dispatch/fake_worker.hpp"

namespace prefork::fake {

using namespace dispatch;

struct Keeper : WorkerKeeper {
  void on_ready(WorkerLink&) override { ++ready; }
  void on_bad_record(WorkerLink&, const char* why) override { bad = why; }
  void on_retire_wish(WorkerLink&) override { ++wishes; }
  void on_request_finished(WorkerLink&) override { ++finished; }

  int ready = 0;
  int wishes = 0;
  int finished = 0;
  std::string bad;
};

// The loop's clock stands still unless a test lets time pass, so that nothing is taken back behind its back.
class DispatcherTest : public ::testing::Test {
 protected:
  DispatcherTest() { dispatcher.set_keeper(&keeper); }

  void turn() {
    (void)dispatcher.before_sleep();
    dispatcher.after_sleep();
  }
  // Lets time pass, timers fire and the dispatcher work until `done`.
  template <class Done>
  bool until(Done&& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      uv_run(loop.uv(), UV_RUN_NOWAIT);
      turn();
    }
    return true;
  }
  Worker& worker(std::uint32_t concurrency = 1, const shm::Geometry& geometry = {64 << 10, 64 << 10, 64}) {
    Worker& one = workers.emplace_back(dispatcher, geometry);
    one.ready(concurrency);
    turn();
    return one;
  }
  Client& submit(std::string_view path, wire::Method method = wire::Method::GET, std::size_t padding = 0) {
    Client& client = clients.emplace_back(path, method, padding);
    dispatcher.submit(client.exchange);
    return client;
  }
  // The one request that this worker begins now.
  Record begun(Worker& worker) {
    turn();
    auto started = worker.start();
    EXPECT_EQ(started.size(), 1U);
    return started.empty() ? Record{} : std::move(started.front());
  }
  void policy(const std::function<void(Policy&)>& change) {
    Policy changed;
    change(changed);
    dispatcher.set_policy(changed);
  }
  void bury(Worker& worker, bool trusted = true) {
    dispatcher.bury(worker.link(), trusted,
                    [this](const http::Exchange&, bool started) { mourned += started ? 's' : 'u'; });
  }

  net::Loop loop;
  net::DeadlineWheel wheel{loop};
  Keeper keeper;
  Dispatcher dispatcher{loop, wheel, Policy{}};
  std::deque<Worker> workers;
  std::deque<Client> clients;
  std::string mourned;
};

}  // namespace prefork::fake

// Keeps as many workers as were asked for: spawns them, waits for their Ready, replaces what dies or misbehaves, and stops them.
// Owned by the Server, on its loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "master/dispatch/dispatcher.hpp"
#include "master/process/worker_process.hpp"

namespace prefork::process {

class Supervisor : public dispatch::WorkerKeeper {
 public:
  using Say = std::function<void(const std::string&)>;
  Supervisor(net::Loop& loop, dispatch::Dispatcher& dispatcher, const WorkerCommand& command, unsigned workers, Say say);
  ~Supervisor() override;

  void start();
  // Every worker finishes what it runs and goes; `done` when the last is gone. stop_now() kills what is left.
  void stop(std::function<void()> done);
  void stop_now(int signal);
  std::size_t running() const { return workers_.size(); }

  void on_ready(dispatch::WorkerLink& link) override;
  void on_bad_record(dispatch::WorkerLink& link, const char* why) override;
  void on_retire_wish(dispatch::WorkerLink& link) override;
  void on_request_finished(dispatch::WorkerLink& link) override;

 private:
  void spawn(unsigned id);
  void on_exit(WorkerProcess& worker, ExitStatus status);
  WorkerProcess* find(const dispatch::WorkerLink& link);

  net::Loop& loop_;
  dispatch::Dispatcher& dispatcher_;
  WorkerCommand command_;
  unsigned wanted_;
  Say say_;
  shm::Geometry geometry_;
  shm::BellFds bell_;
  net::UvHandle<uv_poll_t> bell_poll_;
  std::vector<std::unique_ptr<WorkerProcess>> workers_;
  std::vector<std::unique_ptr<WorkerProcess>> gone_;  // until the turn ends
  net::Timer respawn_;
  std::vector<unsigned> to_respawn_;
  unsigned age_ = 0;
  std::uint64_t back_off_ms_ = 0;
  bool stopping_ = false;
  std::function<void()> stopped_;
};

}  // namespace prefork::process

// A mold: a process of ours that has loaded the application and forks workers from itself when we ask for one, so that they share its
// memory (--preload). It runs the master's hooks, so that workers see what those leave behind. One serves one generation.
// shm/wire/mold.hpp tells what crosses the socket between us.
//
// Its workers are our children from the moment that we hear of them: they live on when it dies. For that the master is a subreaper.
//
// Owned by the Supervisor, on its loop's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "master/net/loop.hpp"
#include "master/process/hook_runner.hpp"
#include "master/process/spawn.hpp"
#include "master/serve/error_log.hpp"
#include "shm/fd.hpp"
#include "shm/packet.hpp"
#include "shm/wire/mold.hpp"

namespace prefork::process {

class Mold : public HookRunner {
 public:
  struct Events {
    std::function<void(unsigned age, int pid)> forked;
    std::function<void(unsigned age, const std::string& why)> not_forked;
    std::function<void(Mold& mold, ExitStatus status)> exited;
  };

  // Throws std::system_error when the process cannot be made.
  Mold(net::Loop& loop, serve::ErrorLog& log, const WorkerCommand& command, std::uint32_t generation, Events events);

  // Asks for a worker; forked or not_forked answers. The descriptors are borrowed for this call.
  void fork(unsigned age, std::string_view attachment, std::span<const int> descriptors);
  // Withdraws that. False: it may have been forked by now, and the answer comes.
  bool take_back(unsigned age);
  bool forking() const { return forking_ != 0; }  // an answer is to come

  void call(std::string_view hook, const Facts& facts, const WorkerFacts* worker, std::string_view arguments) override;
  std::optional<std::string> call_and_wait(std::string_view hook, const Facts& facts,
                                           std::chrono::milliseconds most) override;

  // What it has said and nobody has read. Calls the events.
  void read();
  // No more of anything: it ends when it has done what it was told, or is killed after `patience_ms`.
  void retire(std::uint64_t patience_ms);
  // The same, and waits for it.
  void end(std::chrono::milliseconds most);
  void kill(int signal);

  std::string cause;  // why it was killed

  std::uint32_t generation() const { return generation_; }
  int pid() const { return pid_; }
  bool loaded() const { return loaded_; }
  bool running() const { return running_; }
  bool retired() const { return retired_; }
  std::uint64_t started_ms() const { return started_ms_; }

 private:
  struct Message {
    unsigned age = 0;  // of the worker that it asks for
    std::string text;
    std::vector<shm::UniqueFd> descriptors;
  };

  void watch(int events);
  void send(Message message);
  void flush();
  void on_packet(const shm::Packet& packet);
  bool wants(std::string_view hook) const;
  void close_channel();

  net::Loop& loop_;
  serve::ErrorLog& log_;
  Events events_;
  std::string hooks_;  // those that are set, by commas
  net::UvHandle<uv_process_t> process_;
  shm::UniqueFd channel_;
  net::UvHandle<uv_poll_t> poll_;
  net::Timer patience_;
  std::deque<Message> unsent_;  // until it has loaded, and what its socket does not take
  Answer last_;
  std::uint64_t last_id_ = 0;
  unsigned forking_ = 0;  // asked for and not answered
  std::uint32_t generation_;
  int pid_ = 0;
  std::uint64_t started_ms_;
  bool loaded_ = false;
  bool running_ = false;
  bool retired_ = false;
};

}  // namespace prefork::process

// One request and its reply as a sync application sees them: reads the body, writes the reply, waits where it must.
// Made by the SyncRunner for the time of one Application::handle(); used by that thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "worker/context.hpp"
#include "worker/crew.hpp"

namespace prefork::worker {

enum class Sent {
  Ok,
  Gone,  // the client, or this worker's time, is over: stop producing
};

class Exchange {
 public:
  Exchange(Context& context, Crew& crew, SleepHooks& hooks, Job& job, std::uint64_t body_window)
      : context_(context),
        crew_(crew),
        hooks_(hooks),
        job_(job),
        body_window_(body_window),
        inline_body_(job.view.body()) {}
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const wire::RequestView& request() const { return job_.view; }
  StreamId id() const { return {job_.slot, job_.generation}; }
  Context& context() { return context_; }

  enum class Read { Data, End, Aborted };
  // The next piece of the request's body, valid until the next call. Waits for it without the GIL.
  Read read_body(std::span<const std::byte>& piece);
  bool body_broken() const { return body_broken_; }  // a read said Aborted

  // The head, with the whole body when `end`. Nothing was sent before.
  Sent send_head(const Reply& reply, std::span<const std::byte> body, bool end);
  Sent send_interim(const Reply& reply);
  Sent send_body(std::span<const std::byte> body, bool end);
  // `length` bytes of the file from `offset`: the master sends them itself. Empty: the descriptor cannot cross, send bytes instead.
  std::optional<Sent> send_file(int fd, std::uint64_t offset, std::uint64_t length, bool end);
  // The other end of `fd`, a stream socket, becomes the connection's if anything is written to it. Empty as above.
  std::optional<Sent> send_socket(int fd);
  // The reply cannot be completed: before its head the client gets a 502, after it the connection is cut.
  void abort();

  bool client_gone();  // looks, does not wait
  bool head_sent() const { return head_sent_; }
  bool ended() const { return ended_; }

 private:
  template <class Step>
  Sent push(Step&& step);
  // Sends the descriptor, then the record that `put` makes with its serial.
  template <class Put>
  std::optional<Sent> send_descriptor(int fd, Put&& put);

  Context& context_;
  Crew& crew_;
  SleepHooks& hooks_;
  Job& job_;
  std::uint64_t body_window_;
  std::span<const std::byte> inline_body_;
  Buffer current_;             // the piece handed out last
  std::uint64_t granted_ = 0;  // body bytes the master was allowed to send and that are not read yet
  bool body_broken_ = false;
  bool head_sent_ = false;
  bool ended_ = false;
};

}  // namespace prefork::worker

// A worker played by a test: the other end of a WorkerLink over a real region in this process. It does only what it is told, so that
// a test decides what has been claimed, answered or left in the ring. And Client, who asks for one request and keeps what came.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "master/dispatch/dispatcher.hpp"
#include "shm/channel.hpp"
#include "shm/packet.hpp"

namespace prefork::fake {

struct Client : http::ReplySink {
  explicit Client(std::string_view path, wire::Method method = wire::Method::GET, std::size_t padding = 0) {
    auto& request = exchange.request;
    request.head.method = static_cast<std::uint8_t>(method);
    request.head.http_version = 11;
    request.head.target = request.head.raw_path = request.head.path = request.add_text(path);
    if (padding != 0)
      request.fields().push_back(
          {static_cast<std::uint16_t>(wire::Name::UserAgent), 0, 0, request.add_text(std::string(padding, 'x'))});
    request.finish();
  }

  bool on_reply(http::Exchange&, const http::ReplyEvent& event) override {
    ++events;
    if (event.kind == wire::Kind::Head) {
      status = event.head.head().status;
      body += wire::as_text(event.head.body());
    } else if (event.kind == wire::Kind::Body) {
      body += wire::as_text(event.bytes);
    }
    ended = ended || event.end;
    aborted = aborted || event.aborted;
    return accepts;
  }
  void on_failure(http::Exchange&, std::uint16_t with, const char* reason) override {
    failure = with;
    why = reason;
    if (when_failed) when_failed();
  }
  void on_body_wanted(http::Exchange&) override { ++body_wanted; }
  void on_worker_retired(http::Exchange&) override { ++retired; }

  int events = 0;
  int status = 0;
  int failure = 0;
  int body_wanted = 0;
  int retired = 0;
  bool ended = false;
  bool aborted = false;
  bool accepts = true;
  std::string why;
  std::string body;
  std::function<void()> when_failed;
  http::Exchange exchange{*this};
};

// One record of the request ring, copied out.
struct Record {
  wire::Kind kind = wire::Kind::Padding;
  std::uint16_t flags = 0;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::string bytes;

  std::string path() const {  // of a whole head
    wire::RequestView view(wire::as_bytes(bytes));
    return view.validate() == nullptr ? std::string(view.text(view.head().path)) : std::string("(not a request head)");
  }
};

class Worker {
 public:
  explicit Worker(dispatch::Dispatcher& dispatcher, const shm::Geometry& geometry = {64 << 10, 64 << 10, 64})
      : bell_(shm::make_bell()),
        master_bell_(shm::make_bell()),
        link_(std::make_unique<dispatch::WorkerLink>(dispatcher, shm::Region::create(shm::Layout(geometry).total),
                                                     geometry, master_bell_.wait.get(), bell_.signal_fd(),
                                                     side_.master.get(), dispatch::WorkerIdentity{1, 0, 0, 4711})),
        end_(shm::Parts(link_->region().bytes(), geometry), bell_.wait.get(), master_bell_.signal_fd()) {
    dispatcher.add(*link_);
  }

  dispatch::WorkerLink& link() { return *link_; }
  shm::WorkerEnd& end() { return end_; }
  int master_bell_fd() const { return master_bell_.wait.get(); }

  void ready(std::uint32_t concurrency = 1, wire::Interface interface = wire::Interface::Wsgi) {
    const wire::ReadyRecord record{wire::kWireVersion, 4711, interface, concurrency};
    (void)send(wire::Kind::Ready, 0, 0, 0, {reinterpret_cast<const char*>(&record), sizeof record});
  }

  // Everything that is in the request ring now, unclaimed: what a worker does that reads on but starts nothing.
  std::vector<Record> read() {
    std::vector<Record> records;
    shm::Record seen;
    while (end_.requests.peek(seen) == shm::Peek::Record) {
      records.push_back({static_cast<wire::Kind>(seen.tag.kind), seen.tag.flags, seen.tag.slot, seen.tag.generation,
                         std::string(wire::as_text(seen.payload))});
      end_.requests.release();
      (void)end_.requests.settle();
    }
    return records;
  }
  bool claim(const Record& head) {
    end_.counters.add(shm::Counter::Taken);
    return end_.claims.try_claim(head.slot, head.generation);
  }
  // The heads that it reads and may start.
  std::vector<Record> start() {
    std::vector<Record> started;
    for (auto& record : read()) {
      if (record.kind == wire::Kind::Head && claim(record)) started.push_back(std::move(record));
    }
    return started;
  }

  bool reply(const Record& to, std::uint16_t status, std::string_view body, std::uint16_t flags = wire::kEnd,
             std::string_view length = {}) {
    std::vector<std::byte> memory(wire::reply_head_space(1, 32) + body.size());
    wire::ReplyWriter writer(memory, status, 1, 0);
    if (!length.empty()) writer.field("Content-Length", length, wire::Name::ContentLength);
    writer.body(wire::as_bytes(body));
    const auto used = writer.finish();
    return send(wire::Kind::Head, flags, to.slot, to.generation, {reinterpret_cast<const char*>(memory.data()), used});
  }
  bool body(const Record& to, std::string_view bytes, std::uint16_t flags = 0) {
    return send(wire::Kind::Body, flags, to.slot, to.generation, bytes);
  }
  bool credit(const Record& to, std::uint64_t bytes) {
    const wire::CreditRecord record{bytes};
    return send(wire::Kind::Credit, 0, to.slot, to.generation, {reinterpret_cast<const char*>(&record), sizeof record});
  }
  bool send(wire::Kind kind, std::uint16_t flags, std::uint32_t slot, std::uint32_t generation,
            std::string_view bytes) {
    const auto space = end_.replies.try_claim(static_cast<std::uint32_t>(bytes.size()));
    if (space.data() == nullptr) return false;
    if (!bytes.empty()) std::memcpy(space.data(), bytes.data(), bytes.size());
    end_.replies.commit({static_cast<std::uint16_t>(kind), flags, slot, generation},
                        static_cast<std::uint32_t>(bytes.size()));
    end_.replies.publish();
    end_.master_bell.ring();
    return true;
  }

  // A piece of a body out of a file, or of whatever else the descriptor is.
  bool file(const Record& to, int fd, std::uint64_t length, std::uint16_t flags = wire::kEnd) {
    const wire::FileRecord record{0, length, ++last_serial_, 0};
    return post(fd) && send(wire::Kind::File, flags, to.slot, to.generation,
                            {reinterpret_cast<const char*>(&record), sizeof record});
  }
  // The other end of a connection, or whatever else the descriptor is.
  bool socket(const Record& to, int fd) {
    const wire::SocketRecord record{++last_serial_, 0};
    return post(fd) &&
           send(wire::Kind::Socket, 0, to.slot, to.generation, {reinterpret_cast<const char*>(&record), sizeof record});
  }

 private:
  // The descriptor under the serial that was given last.
  bool post(int fd) {
    const std::string_view number(reinterpret_cast<const char*>(&last_serial_), sizeof last_serial_);
    return shm::send_packet(side_.worker.get(), number, {&fd, 1});
  }
  struct Side {
    Side() {
      std::array<int, 2> ends{};
      PREFORK_CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0, "a socket pair");
      master.reset(ends[0]);
      worker.reset(ends[1]);
    }
    shm::UniqueFd master, worker;
  };

  std::uint32_t last_serial_ = 0;
  Side side_;
  shm::BellFds bell_;
  shm::BellFds master_bell_;
  std::unique_ptr<dispatch::WorkerLink> link_;
  shm::WorkerEnd end_;
};

inline std::vector<std::string> paths(const std::vector<Record>& records) {
  std::vector<std::string> all;
  for (const auto& record : records) all.push_back(record.path());
  return all;
}

}  // namespace prefork::fake

#include "python/bridge/mold.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/gil.hpp"
#include "python/bridge/signals.hpp"
#include "python/bridge/worker_main.hpp"

namespace prefork::bridge {
namespace {

constexpr int kBeatMs = 1000;

struct Pipe {
  shm::UniqueFd read, write;

  bool open() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    read.reset(ends[0]);
    write.reset(ends[1]);
    return true;
  }
};

struct Forked {
  pid_t worker = -1;  // 0: this is the worker
  int error = 0;
};

// The process in between has no memory of its own (vfork), so that this costs one copy of the page tables and not two: only the worker
// has one. We stand still until it is gone, and then the worker is the master's child.
// NOLINTBEGIN(clang-analyzer-unix.Vfork): it wants nothing but exec after vfork; fork works too, in the way that this relies on.
__attribute__((noinline)) void fork_twice(Forked& forked) {
  const pid_t middle = ::vfork();
  if (middle == 0) {
    forked.worker = ::fork();
    if (forked.worker == 0) return;
    if (forked.worker < 0) forked.error = errno;
    ::_exit(0);
  }
  if (middle < 0) {
    forked.error = errno;
    return;
  }
  while (::waitpid(middle, nullptr, 0) < 0 && errno == EINTR) {
  }
}
// NOLINTEND(clang-analyzer-unix.Vfork)

// In the worker: until it is the master's child and the master has been told. A mold that dies before that has told nobody.
void wait_for_leave(Pipe& leave) {
  leave.write.reset();
  char byte = 0;
  ssize_t count = 0;
  do count = ::read(leave.read.get(), &byte, 1);
  while (count < 0 && errno == EINTR);
  if (count != 1) ::_exit(kExitOk);
}

worker::Attachment attachment_of(shm::Packet& packet) {
  if (packet.descriptors.size() != wire::kMoldDescriptors)
    throw std::runtime_error("a worker was asked for without its descriptors");
  auto attachment = worker::Attachment::from_text(std::string_view(packet.text).substr(1));
  attachment.region_fd = packet.descriptors[wire::kMoldRegion].get();
  attachment.own_bell_fd = packet.descriptors[wire::kMoldOwnBell].get();
  attachment.master_bell_fd = packet.descriptors[wire::kMoldMasterBell].get();
  attachment.side_fd = packet.descriptors[wire::kMoldSide].get();
  attachment.settings_fd = -1;
  return attachment;
}

}  // namespace

Mold::Mold(shm::UniqueFd channel, PyRef hooks, const wire::Settings& settings)
    : channel_(std::move(channel)), hooks_(std::move(hooks)), settings_(settings) {}

void Mold::tell(wire::MoldMessage kind, std::string_view text) {
  std::string message(1, static_cast<char>(kind));
  message.append(text);
  // Not taken: the master is gone, and so is this process in a moment.
  (void)!shm::send_packet(channel_.get(), message, {});
}

std::optional<worker::Attachment> Mold::serve() {
  tell(wire::MoldMessage::Loaded, {});
  shm::Packet packet;
  for (;;) {
    auto received = shm::Received::Nothing;
    {
      const GilFree free;  // threads that the application has started go on here
      pollfd wait{channel_.get(), POLLIN, 0};
      // A beat at most: a signal that comes just before poll() does not interrupt it.
      if (::poll(&wait, 1, kBeatMs) > 0) received = shm::receive_packet(channel_.get(), packet, MSG_DONTWAIT);
    }
    if (received == shm::Received::End) return {};
    if (PyErr_CheckSignals() != 0) {
      if (PyErr_ExceptionMatches(PyExc_SystemExit) != 0) {
        PyErr_Clear();
        return {};
      }
      log_error("Exception in a signal handler");
    }
    if (received == shm::Received::Nothing) continue;
    switch (static_cast<wire::MoldMessage>(packet.text.front())) {
      case wire::MoldMessage::Call: answer(std::string_view(packet.text).substr(1)); break;
      case wire::MoldMessage::Fork:
        if (auto attachment = fork_worker(packet)) return attachment;
        break;
      default: throw std::runtime_error("the master says what a mold does not understand");
    }
  }
}

void Mold::answer(std::string_view call) {
  const PyRef text =
      PyRef::steal(PyObject_CallMethod(hooks_.get(), "call", "s#", call.data(), static_cast<Py_ssize_t>(call.size())));
  std::string_view line;
  if (!text || !PyUnicode_Check(text.get()) || !latin1_view(text.get(), line)) {
    log_error("A hook's outcome cannot be told");
    throw std::runtime_error("hooks do not run");
  }
  tell(wire::MoldMessage::Answer, line);
}

std::optional<worker::Attachment> Mold::fork_worker(shm::Packet& packet) {
  const auto attachment = attachment_of(packet);
  Pipe leave;
  if (!leave.open()) return report(attachment.worker_age, 0, errno), std::nullopt;
  Forked forked;
  PyOS_BeforeFork();
  fork_twice(forked);
  if (forked.worker == 0) {
    PyOS_AfterFork_Child();
    channel_.reset();
    wait_for_leave(leave);
    for (auto& descriptor : packet.descriptors) (void)descriptor.release();  // the attachment's now
    return attachment;
  }
  PyOS_AfterFork_Parent();
  packet.descriptors.clear();
  report(attachment.worker_age, std::max(forked.worker, 0), forked.error);
  if (forked.worker > 0) (void)!::write(leave.write.get(), "", 1);  // it goes on when the master knows of it
  return {};
}

void Mold::report(unsigned age, int pid, int error) {
  if (pid == 0) return tell(wire::MoldMessage::NotForked, std::to_string(age) + " " + std::strerror(error));
  tell(wire::MoldMessage::Forked, std::to_string(age) + " " + std::to_string(pid));
  const PyRef done = PyRef::steal(PyObject_CallMethod(hooks_.get(), "forked", "Ii", age, pid));
  if (!done) log_error("A worker that was forked cannot be noted for hooks");
}

}  // namespace prefork::bridge

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

  bool open(int flags = 0) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | flags) != 0) return false;
    read.reset(ends[0]);
    write.reset(ends[1]);
    return true;
  }
};

// The worker's process id, or -errno; 0: this is the worker. The process in between dies at once, and then the worker is the master's
// child. That one is a fork too: vfork() would spare it a copy of the page tables, but what libraries have the system do in the parent of
// a fork (pthread_atfork) would come there, on our memory and with descriptors and threads that are not ours.
int fork_twice(Pipe& born) {
  const pid_t middle = ::fork();
  if (middle < 0) return -errno;
  if (middle == 0) {
    const pid_t worker = ::fork();
    if (worker == 0) return 0;
    const int outcome = worker < 0 ? -errno : worker;
    (void)!::write(born.write.get(), &outcome, sizeof outcome);
    ::_exit(0);
  }
  while (::waitpid(middle, nullptr, 0) < 0 && errno == EINTR) {
  }
  int outcome = 0;
  const bool told = ::read(born.read.get(), &outcome, sizeof outcome) == sizeof outcome;
  return told ? outcome : -ECHILD;  // somebody has killed it
}

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
  Pipe born, leave;
  if (!born.open(O_NONBLOCK) || !leave.open()) return report(attachment.worker_age, -errno), std::nullopt;
  PyOS_BeforeFork();
  const int worker = fork_twice(born);
  if (worker == 0) {
    PyOS_AfterFork_Child();
    channel_.reset();
    wait_for_leave(leave);
    for (auto& descriptor : packet.descriptors) (void)descriptor.release();  // the attachment's now
    return attachment;
  }
  PyOS_AfterFork_Parent();
  packet.descriptors.clear();
  report(attachment.worker_age, worker);
  if (worker > 0) (void)!::write(leave.write.get(), "", 1);  // it goes on when the master knows of it
  return {};
}

void Mold::report(unsigned age, int pid) {
  if (pid < 0) return tell(wire::MoldMessage::NotForked, std::to_string(age) + " " + std::strerror(-pid));
  tell(wire::MoldMessage::Forked, std::to_string(age) + " " + std::to_string(pid));
  const PyRef done = PyRef::steal(PyObject_CallMethod(hooks_.get(), "forked", "Ii", age, pid));
  if (!done) log_error("A worker that was forked cannot be noted for hooks");
}

}  // namespace prefork::bridge

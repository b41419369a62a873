#include "master/process/mold.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <system_error>

namespace prefork::process {
namespace {

constexpr std::uint64_t kImportPatienceMs = 2'000;  // of one that is told to end while it imports

// "AGE REST".
unsigned take_age(std::string_view& text) {
  unsigned age = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), age);
  text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(end - text.data()) + 1));
  return error == std::errc{} ? age : 0;
}

std::string message_of(wire::MoldMessage kind, std::string_view text) {
  return std::string(1, static_cast<char>(kind)).append(text);
}

}  // namespace

Mold::Mold(net::Loop& loop, serve::ErrorLog& log, const WorkerCommand& command, std::uint32_t generation, Events events)
    : loop_(loop),
      log_(log),
      events_(std::move(events)),
      hooks_(command.settings.get("hooks")),
      patience_(loop, [this] { kill(SIGKILL); }),
      generation_(generation),
      started_ms_(loop.now_ms()) {
  // Whose parent has ended is ours from here on: that is how its workers become our children.
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
    throw std::system_error(errno, std::system_category(), "adopting the workers of a mold");
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw std::system_error(errno, std::system_category(), "a socket for a mold");
  channel_.reset(ends[0]);
  const shm::UniqueFd theirs(ends[1]);
  const shm::UniqueFd settings = settings_file(command.settings);
  const std::array<int, 2> descriptors{theirs.get(), settings.get()};
  const std::array<int, 7> numbers{-1, -1, -1, kFirstFd, kFirstFd + 1, 0, 0};
  process_.reset(new uv_process_t{});
  process_->data = this;
  spawn(loop, process_, command, attachment_text(shm::Geometry{}, numbers), descriptors,
        [](uv_process_t* process, std::int64_t status, int signal) {
          auto* self = static_cast<Mold*>(process->data);
          if (self == nullptr) return;
          self->read();  // its last words
          self->running_ = false;
          self->close_channel();
          self->patience_.stop();
          self->events_.exited(*self, {static_cast<int>(status), signal});
        });
  pid_ = process_->pid;
  running_ = true;
  poll_.reset(new uv_poll_t{});
  uv_poll_init(loop.uv(), poll_.get(), channel_.get());
  poll_->data = this;
  watch(UV_READABLE);
}

void Mold::watch(int events) {
  uv_poll_start(poll_.get(), events, [](uv_poll_t* handle, int, int) {
    auto* self = static_cast<Mold*>(handle->data);
    if (self == nullptr) return;
    self->read();
    if (self->poll_) self->flush();
  });
}

void Mold::close_channel() {
  poll_.reset();
  channel_.reset();
}

// ---------------------------------------------------------------------------------------------------- asking

void Mold::fork(unsigned age, std::string_view attachment, std::span<const int> descriptors) {
  Message message{age, message_of(wire::MoldMessage::Fork, attachment), {}};
  for (const int one : descriptors) {
    message.descriptors.emplace_back(::fcntl(one, F_DUPFD_CLOEXEC, 0));
    if (!message.descriptors.back()) throw std::system_error(errno, std::system_category(), "descriptors for a worker");
  }
  send(std::move(message));
}

bool Mold::take_back(unsigned age) {
  const auto found =
      std::find_if(unsent_.begin(), unsent_.end(), [age](const Message& message) { return message.age == age; });
  if (found == unsent_.end()) return false;
  unsent_.erase(found);
  return true;
}

bool Mold::wants(std::string_view hook) const {
  const std::string all = "," + hooks_ + ",";
  return all.find("," + std::string(hook) + ",") != std::string::npos;
}

void Mold::call(std::string_view hook, const Facts& facts, const WorkerFacts* worker, std::string_view arguments) {
  if (!wants(hook) || !running_ || retired_) return;
  send({0, message_of(wire::MoldMessage::Call, call_line(++last_id_, hook, facts, worker, arguments)), {}});
}

std::optional<std::string> Mold::call_and_wait(std::string_view hook, const Facts& facts,
                                               std::chrono::milliseconds most) {
  using Clock = std::chrono::steady_clock;
  if (!wants(hook) || !running_ || retired_) return {};
  call(hook, facts, nullptr, {});
  const auto number = last_id_;
  const auto deadline = Clock::now() + most;
  while (last_.id < number) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return "it takes too long";
    pollfd wait{channel_.get(), static_cast<short>(loaded_ && !unsent_.empty() ? POLLIN | POLLOUT : POLLIN), 0};
    if (::poll(&wait, 1, static_cast<int>(left)) <= 0) continue;
    read();
    if (!channel_ || (wait.revents & POLLHUP) != 0) return {};  // how it ended says its exit
    flush();
  }
  return last_.error.empty() ? std::optional<std::string>{} : last_.error;
}

void Mold::send(Message message) {
  unsent_.push_back(std::move(message));
  flush();
}

// Nothing is sent before the application is loaded: what waits here can be taken back.
void Mold::flush() {
  if (!loaded_ || !poll_) return;
  while (!unsent_.empty()) {
    std::array<int, wire::kMoldDescriptors> descriptors{};
    const auto& message = unsent_.front();
    for (std::size_t i = 0; i < message.descriptors.size(); ++i) descriptors[i] = message.descriptors[i].get();
    if (!shm::send_packet(channel_.get(), message.text, std::span(descriptors).first(message.descriptors.size()),
                          MSG_DONTWAIT)) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return watch(UV_READABLE | UV_WRITABLE);
      if (errno == EPIPE || errno == ECONNRESET) return;  // its exit comes
      log_.error("The mold (pid:", pid_, ") cannot be told something: ", std::strerror(errno));
    } else if (message.age != 0) {
      ++forking_;
    }
    unsent_.pop_front();
  }
  watch(UV_READABLE);
  if (retired_) ::shutdown(channel_.get(), SHUT_WR);
}

// ---------------------------------------------------------------------------------------------------- answers

void Mold::read() {
  shm::Packet packet;
  while (channel_) {
    switch (shm::receive_packet(channel_.get(), packet, MSG_DONTWAIT)) {
      case shm::Received::Packet: on_packet(packet); break;
      case shm::Received::Nothing: return;
      case shm::Received::End: poll_.reset(); return;  // it goes: its exit follows
    }
  }
}

void Mold::on_packet(const shm::Packet& packet) {
  std::string_view text(packet.text);
  text.remove_prefix(1);
  switch (static_cast<wire::MoldMessage>(packet.text.front())) {
    case wire::MoldMessage::Loaded: loaded_ = true; return flush();
    case wire::MoldMessage::Forked: {
      const unsigned age = take_age(text);
      --forking_;
      return events_.forked(age, std::atoi(std::string(text).c_str()));
    }
    case wire::MoldMessage::NotForked: {
      const unsigned age = take_age(text);
      --forking_;
      return events_.not_forked(age, std::string(text));
    }
    case wire::MoldMessage::Answer: last_ = answer_of(text); return;
    default: log_.error("The mold (pid:", pid_, ") says what nobody understands"); kill(SIGKILL);
  }
}

// ---------------------------------------------------------------------------------------------------- the end

void Mold::retire(std::uint64_t patience_ms) {
  if (retired_) return;
  retired_ = true;
  if (!running_) return;
  if (loaded_) {
    flush();
  } else {
    kill(SIGTERM);  // it imports, and nobody wants to know what
  }
  patience_.start(loaded_ ? patience_ms : std::min(patience_ms, kImportPatienceMs));
}

void Mold::end(std::chrono::milliseconds most) {
  using Clock = std::chrono::steady_clock;
  if (!running_) return;
  const auto deadline = Clock::now() + most;
  retire(static_cast<std::uint64_t>(most.count()));
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd wait{channel_.get(), 0, 0};
    if (left <= 0) return kill(SIGKILL);
    if (::poll(&wait, 1, static_cast<int>(left)) > 0 && (wait.revents & (POLLHUP | POLLERR)) != 0) return;
  }
}

void Mold::kill(int signal) {
  if (running_) uv_process_kill(process_.get(), signal);
}

}  // namespace prefork::process

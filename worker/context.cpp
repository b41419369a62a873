#include "worker/context.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "shm/fault.hpp"
#include "shm/packet.hpp"
#include "worker/clock.hpp"

namespace prefork::worker {
namespace {

int parse_number(std::string_view text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw std::runtime_error("malformed attachment number: " + std::string(text));
  return value;
}

wire::Settings take_settings(const Attachment& attachment) {
  const shm::UniqueFd owned(attachment.settings_fd);
  return read_settings(attachment);
}

}  // namespace

int out_of_the_way(int fd) {
  if (fd < 0) return fd;
  rlimit limit{};
  const bool limited = ::getrlimit(RLIMIT_NOFILE, &limit) == 0;
  const int place = limited ? static_cast<int>(std::min<rlim_t>(limit.rlim_cur / 2, 500)) : 0;
  const int moved = fd < place ? ::fcntl(fd, F_DUPFD_CLOEXEC, place) : -1;
  if (moved < 0) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
  }
  ::close(fd);
  return moved;
}

std::string Attachment::to_text() const {
  std::string text = geometry.to_text();
  for (const int number : {region_fd, own_bell_fd, master_bell_fd, side_fd, settings_fd, static_cast<int>(worker_id),
                           static_cast<int>(worker_age)}) {
    text.append(1, ',').append(std::to_string(number));
  }
  return text;
}

Attachment Attachment::from_text(std::string_view text) {
  Attachment attachment;
  const auto geometry = shm::Geometry::from_text(text.substr(0, text.find(',')));
  if (!geometry)
    throw std::runtime_error("master and worker differ in the shared-memory layout: they are not of one installation");
  attachment.geometry = *geometry;
  std::array<int, 7> numbers{};
  for (int& number : numbers) {
    const auto comma = text.find(',');
    if (comma == std::string_view::npos) throw std::runtime_error("malformed attachment: numbers are missing");
    text.remove_prefix(comma + 1);
    number = parse_number(text.substr(0, text.find(',')));
  }
  attachment.region_fd = numbers[0];
  attachment.own_bell_fd = numbers[1];
  attachment.master_bell_fd = numbers[2];
  attachment.side_fd = numbers[3];
  attachment.settings_fd = numbers[4];
  attachment.worker_id = static_cast<unsigned>(numbers[5]);
  attachment.worker_age = static_cast<unsigned>(numbers[6]);
  return attachment;
}

wire::Settings read_settings(const Attachment& attachment) {
  if (attachment.settings_fd < 0) return {};
  std::string text;
  std::array<char, 4096> piece{};
  for (;;) {
    const ssize_t got = ::pread(attachment.settings_fd, piece.data(), piece.size(), static_cast<off_t>(text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw std::system_error(errno, std::system_category(), "reading the settings");
    if (got == 0) return wire::Settings::decode(text);
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

Context::Context(const Attachment& attachment) : Context(attachment, take_settings(attachment)) {}

Context::Context(const Attachment& attachment, wire::Settings settings)
    : own_bell_(out_of_the_way(attachment.own_bell_fd)),
      master_bell_(out_of_the_way(attachment.master_bell_fd)),
      side_(out_of_the_way(attachment.side_fd)),
      region_(shm::Region::attach(shm::UniqueFd(out_of_the_way(attachment.region_fd)),
                                  shm::Layout(attachment.geometry).total)),
      channel_(shm::Parts(region_.bytes(), attachment.geometry), own_bell_.get(), master_bell_.get()),
      settings_(std::move(settings)),
      worker_id_(attachment.worker_id),
      worker_age_(attachment.worker_age) {
  channel_.phase.set(shm::Phase::Starting, coarse_us());
  channel_.recorder.note(shm::Event::Attach, coarse_us(), 0, static_cast<std::uint32_t>(::getpid()));
  PREFORK_FAULT_POINT("worker.attach");
}

bool Context::bells_alive() const {
  return ::fcntl(own_bell_.get(), F_GETFD) >= 0 && ::fcntl(master_bell_.get(), F_GETFD) >= 0;
}

void Context::ready(wire::Interface interface, std::uint32_t concurrency) {
  const wire::ReadyRecord record{wire::kWireVersion, static_cast<std::uint32_t>(::getpid()), interface, concurrency};
  const auto space = channel_.replies.try_claim(sizeof record);
  PREFORK_CHECK(space.data() != nullptr, "the first record always has room");
  std::memcpy(space.data(), &record, sizeof record);
  channel_.phase.set(shm::Phase::Ready, coarse_us());
  channel_.recorder.note(shm::Event::Ready, coarse_us());
  PREFORK_FAULT_POINT("worker.ready");
  channel_.replies.commit({static_cast<std::uint16_t>(wire::Kind::Ready), 0, 0, 0}, sizeof record);
  channel_.replies.publish();
  channel_.master_bell.ring();
  was_ready_ = true;
}

void Context::leave() {
  channel_.phase.set(shm::Phase::Stopped, coarse_us());
  channel_.recorder.note(shm::Event::Exit, coarse_us());
}

bool Context::send_fd(int fd, std::uint32_t& serial) {
  const std::string_view number(reinterpret_cast<const char*>(&next_serial_), sizeof next_serial_);
  if (!shm::send_packet(side_.get(), number, {&fd, 1}, MSG_DONTWAIT)) return false;
  serial = next_serial_++;
  return true;
}

}  // namespace prefork::worker

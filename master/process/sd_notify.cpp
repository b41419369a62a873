#include "master/process/sd_notify.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <stdexcept>

#include "master/net/unix_address.hpp"
#include "shm/fd.hpp"

namespace prefork::process {
namespace {

constexpr int kFirstDescriptor = 3;
constexpr int kMostDescriptors = 4096;

// A variable is taken: read, then removed.
std::optional<std::string> take(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return {};
  std::string copy(value);
  unsetenv(name);
  return copy;
}

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

std::uint64_t monotonic_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace

Notifier Notifier::from_environment() {
  Notifier notifier(take("NOTIFY_SOCKET").value_or(""));
  const auto microseconds = number<std::int64_t>(take("WATCHDOG_USEC").value_or(""));
  const auto pid_text = take("WATCHDOG_PID");
  const bool for_us = !pid_text || number<pid_t>(*pid_text) == getpid();
  if (microseconds && *microseconds > 0 && for_us) notifier.watchdog_ = std::chrono::microseconds(*microseconds / 2);
  return notifier;
}

std::vector<std::string> Notifier::variables() const {
  std::vector<std::string> all;
  if (!socket_.empty()) all.push_back("NOTIFY_SOCKET=" + socket_);
  if (watchdog_) all.push_back("WATCHDOG_USEC=" + std::to_string(2 * watchdog_->count()));
  return all;
}

int Notifier::reloading() const { return send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_us())); }

// A status is one line: what follows a line end would be read as another assignment.
std::string Notifier::with_status(std::string_view word, std::string_view status) {
  std::string message(word);
  if (status.empty()) return message;
  if (!message.empty()) message += '\n';
  message += "STATUS=";
  for (const char c : status) message += c == '\n' || c == '\r' ? ' ' : c;
  return message;
}

int Notifier::send(std::string_view message) const {
  if (socket_.empty() || message.empty()) return 0;
  const bool abstract = socket_.front() == '@';
  if (!abstract && socket_.front() != '/') return EAFNOSUPPORT;
  const auto address = net::unix_address(std::string_view(socket_).substr(abstract ? 1 : 0), abstract);
  if (!address) return ENAMETOOLONG;
  const shm::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  const ssize_t sent =
      sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT, address->get(), address->length);
  return sent < 0 ? errno : 0;
}

std::vector<InheritedSocket> inherited_sockets() {
  const char* pid_text = std::getenv("LISTEN_PID");
  // Meant for another process: its variables are left alone, as sd_listen_fds does.
  if (pid_text == nullptr || number<pid_t>(pid_text) != getpid()) return {};
  unsetenv("LISTEN_PID");
  const std::string count_text = take("LISTEN_FDS").value_or("");
  const std::string names = take("LISTEN_FDNAMES").value_or("");
  const auto count = number<int>(count_text);
  if (!count || *count < 0 || *count > kMostDescriptors)
    throw std::invalid_argument("LISTEN_FDS='" + count_text + "' is no number of sockets");

  std::vector<InheritedSocket> sockets;
  std::string_view rest{names};
  for (int fd = kFirstDescriptor; fd < kFirstDescriptor + *count; ++fd) {
    const int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0) {
      throw std::invalid_argument("LISTEN_FDS=" + count_text + ", but descriptor " + std::to_string(fd) +
                                  " is not open");
    }
    const auto colon = std::min(rest.find(':'), rest.size());
    const std::string_view name = rest.substr(0, colon);
    sockets.push_back({fd, name.empty() ? "unknown" : std::string(name)});
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return sockets;
}

}  // namespace prefork::process

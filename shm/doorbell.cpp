#include "shm/doorbell.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace prefork::shm {

#ifdef PREFORK_PIPE_BELL
BellFds make_bell() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    throw std::system_error(errno, std::system_category(), "pipe for a doorbell");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}
#else
BellFds make_bell() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw std::system_error(errno, std::system_category(), "eventfd for a doorbell");
  return {UniqueFd(fd), UniqueFd()};
}
#endif

void signal_bell(int signal_fd) {
  const std::uint64_t one = 1;
  while (::write(signal_fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void drain_bell(int wait_fd) {
#ifdef PREFORK_PIPE_BELL
  std::array<std::uint64_t, 64> sink{};
  while (::read(wait_fd, sink.data(), sizeof sink) == static_cast<ssize_t>(sizeof sink)) {
  }
#else
  std::uint64_t count = 0;
  while (::read(wait_fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
#endif
}

bool wait_bell(int wait_fd, int timeout_ms) {
  pollfd one{wait_fd, POLLIN, 0};
  return ::poll(&one, 1, timeout_ms) > 0;
}

}  // namespace prefork::shm

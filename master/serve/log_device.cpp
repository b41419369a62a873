#include "master/serve/log_device.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <system_error>

#include "shm/fd.hpp"

namespace prefork::serve {
namespace {

using shm::UniqueFd;

enum class Medium : std::uint8_t { File, Pipe, BlockingPipe, Socket };

// The most whole lines in `limit` bytes; one long line alone may be cut.
std::string_view whole_lines(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  const auto end = text.rfind('\n', limit - 1);
  return text.substr(0, end == std::string_view::npos ? limit : end + 1);
}

bool writable_now(int fd) {
  pollfd waiting{fd, POLLOUT, 0};
  return poll(&waiting, 1, 0) == 1 && (waiting.revents & (POLLOUT | POLLERR | POLLHUP)) != 0;
}

// A pipe takes PIPE_BUF bytes whole or not at all, so lines of several writers do not mix.
int write_some(int fd, Medium medium, LogChunk& chunk) {
  while (!chunk.rest().empty()) {
    const bool pipe = medium == Medium::Pipe || medium == Medium::BlockingPipe;
    const std::string_view piece = pipe ? whole_lines(chunk.rest(), PIPE_BUF) : chunk.rest();
    if (medium == Medium::BlockingPipe && !writable_now(fd)) return EAGAIN;
    const ssize_t written = medium == Medium::Socket ? send(fd, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                                                     : ::write(fd, piece.data(), piece.size());
    if (written > 0) {
      chunk.written += static_cast<std::size_t>(written);
    } else if (written == 0) {
      return EIO;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

Medium medium_of(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return Medium::File;
  if (S_ISSOCK(status.st_mode)) return Medium::Socket;
  if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 ? Medium::Pipe : Medium::BlockingPipe;
  }
  return Medium::File;
}

class FileDevice final : public LogDevice {
 public:
  explicit FileDevice(const std::string& path) : path_(std::filesystem::absolute(path)) {
    const int error = reopen();
    if (error != 0) throw std::system_error(error, std::generic_category(), "cannot open the log file " + path_);
  }

  int write(LogChunk& chunk) override { return write_some(fd_.get(), medium_, chunk); }

  int reopen() override {
    constexpr int kFlags = O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    UniqueFd fd(::open(path_.c_str(), O_WRONLY | kFlags, 0644));
    // A named pipe without a reader cannot be opened for writing only; with one end of our own it can.
    if (!fd && errno == ENXIO) fd.reset(::open(path_.c_str(), O_RDWR | kFlags, 0644));
    if (!fd) return errno;
    fd_ = std::move(fd);
    medium_ = medium_of(fd_.get());
    return 0;
  }

  std::string_view name() const override { return path_; }

 private:
  std::string path_;
  UniqueFd fd_;
  Medium medium_ = Medium::File;
};

class StreamDevice final : public LogDevice {
 public:
  StreamDevice(int fd, std::string name) : name_(std::move(name)), fd_(fcntl(fd, F_DUPFD_CLOEXEC, 3)) {
    if (!fd_) throw std::system_error(errno, std::generic_category(), "cannot log to " + name_);
    medium_ = medium_of(fd_.get());
    if (medium_ != Medium::BlockingPipe) return;
    const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
    UniqueFd own(::open(self.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (!own) return;
    fd_ = std::move(own);
    medium_ = Medium::Pipe;
  }

  int write(LogChunk& chunk) override { return write_some(fd_.get(), medium_, chunk); }
  std::string_view name() const override { return name_; }

 private:
  std::string name_;
  UniqueFd fd_;
  Medium medium_ = Medium::File;
};

}  // namespace

std::unique_ptr<LogDevice> open_log_file(const std::string& path) {
  if (path == "/dev/stdout") return open_log_stream(STDOUT_FILENO, "stdout");
  if (path == "/dev/stderr") return open_log_stream(STDERR_FILENO, "stderr");
  return std::make_unique<FileDevice>(path);
}

std::unique_ptr<LogDevice> open_log_stream(int fd, std::string name) {
  return std::make_unique<StreamDevice>(fd, std::move(name));
}

}  // namespace prefork::serve

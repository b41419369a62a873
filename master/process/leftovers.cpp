#include "master/process/leftovers.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <vector>

#include "master/net/unix_address.hpp"
#include "master/process/pidfile.hpp"
#include "master/process/title.hpp"

namespace prefork::process {
namespace {

constexpr char kDismissed = '.';

struct File {
  std::string path;
  struct stat status {};
};

// A number may be used again for a new file, but not with the same time.
bool unchanged(const File& file) {
  struct stat now {};
  return ::lstat(file.path.c_str(), &now) == 0 && now.st_dev == file.status.st_dev &&
         now.st_ino == file.status.st_ino && now.st_ctim.tv_sec == file.status.st_ctim.tv_sec &&
         now.st_ctim.tv_nsec == file.status.st_ctim.tv_nsec;
}

// The successor of an upgrade may listen on the dead master's socket.
bool nobody_answers(const std::string& path) {
  const auto address = net::unix_address(path);
  const shm::UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return address && probe && ::connect(probe.get(), address->get(), address->length) != 0 && errno == ECONNREFUSED;
}

void remove_if_left(const File& file, int master) {
  const bool socket = S_ISSOCK(file.status.st_mode);
  if (socket ? unchanged(file) && nobody_answers(file.path) : read_pidfile(file.path) == master)
    ::unlink(file.path.c_str());
}

// The pipe may end before the dying master's sockets do. Somebody else's answer a few times more than they need to.
void remove_what_is_left(const std::vector<File>& files, int master) {
  for (const long pause_ms : {0L, 10L, 100L, 500L}) {
    const timespec pause{0, pause_ms * 1'000'000};
    ::nanosleep(&pause, nullptr);
    for (const auto& file : files) remove_if_left(file, master);
  }
}

// Everything of the master's but the pipe is let go: its clients and whoever reads its output must see it end.
void keep_only(int pipe) {
  ::dup2(pipe, 0);
  const int nowhere = ::open("/dev/null", O_RDWR);
  for (const int fd : {1, 2}) {
    if (nowhere >= 0) ::dup2(nowhere, fd);
    if (nowhere < 0) ::close(fd);
  }
#ifdef SYS_close_range
  if (::syscall(SYS_close_range, 3U, ~0U, 0U) == 0) return;
#endif
  const auto limit = static_cast<int>(std::min(::sysconf(_SC_OPEN_MAX), 65536L));
  for (int fd = 3; fd < limit; ++fd) ::close(fd);
}

[[noreturn]] void guard(int pipe, int master) {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  ::setsid();
  keep_only(pipe);
  set_title("prefork: removes the files of process " + std::to_string(master) + " when it is killed");
  if (::chdir("/") != 0) ::_exit(1);
  std::vector<File> files;
  std::string text;
  std::array<char, 4096> piece{};
  for (;;) {
    const ssize_t got = ::read(0, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
    for (auto end = text.find('\0'); end != std::string::npos; end = text.find('\0')) {
      File file{text.substr(0, end)};
      text.erase(0, end + 1);
      if (::lstat(file.path.c_str(), &file.status) != 0) continue;
      std::erase_if(files, [&](const File& other) { return other.path == file.path; });
      files.push_back(std::move(file));
    }
    if (!text.empty() && text.front() == kDismissed) ::_exit(0);
  }
  remove_what_is_left(files, master);
  ::_exit(0);
}

// By way of a child that ends at once, so that the guard is nobody's child.
bool start_guard(int pipe) {
  const int master = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    const pid_t grandchild = ::fork();
    if (grandchild == 0) guard(pipe, master);
    ::_exit(grandchild < 0 ? 1 : 0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0;
}

}  // namespace

void Leftovers::look_after(const std::string& path) {
  // When process 1 ends, nobody of its namespace outlives it.
  if (path.empty() || ::getpid() == 1) return;
  std::error_code error;
  const auto whole = std::filesystem::absolute(path, error);
  if (error) return;
  if (!pipe_) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    const shm::UniqueFd reader(ends[0]);
    shm::UniqueFd writer(ends[1]);
    ::fcntl(writer.get(), F_SETFL, O_NONBLOCK);
    if (!start_guard(reader.get())) return;
    pipe_ = std::move(writer);
  }
  const std::string line = whole.string();
  // A full pipe is a guard that was stopped: the file stays as it would without one.
  (void)!::write(pipe_.get(), line.c_str(), line.size() + 1);
}

void Leftovers::dismiss() {
  if (pipe_ && ::write(pipe_.get(), &kDismissed, 1) != 1) return;
  pipe_.reset();
}

}  // namespace prefork::process

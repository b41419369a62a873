#include "master/process/pidfile.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include "shm/fd.hpp"

namespace prefork::process {
namespace {

// Nobody ever reads half a number: the file appears whole.
void write_pid(const std::string& path) {
  const std::string temporary = path + ".new-" + std::to_string(::getpid());
  const std::string text = std::to_string(::getpid()) + "\n";
  const shm::UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd) ::fchmod(fd.get(), 0644);  // whoever watches the server reads it, whatever the mask
  const bool written = fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!written || ::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    throw std::system_error(error, std::system_category(), "writing the pid file " + path);
  }
}

bool alive(int pid) { return pid > 0 && (::kill(pid, 0) == 0 || errno == EPERM); }

}  // namespace

int read_pidfile(const std::string& path) {
  std::ifstream file(path);
  int pid = 0;
  file >> pid;
  return file ? pid : 0;
}

Pidfile::Pidfile(std::string path) {
  const int other = read_pidfile(path);
  if (other != ::getpid() && alive(other)) {
    throw std::runtime_error("already running as process " + std::to_string(other) + " (or the pid file " + path +
                             " is stale)");
  }
  write_pid(path);
  path_ = std::move(path);
}

void Pidfile::rename(const std::string& path) {
  if (path_.empty() || path_ == path) return;
  write_pid(path);
  remove();
  path_ = path;
}

void Pidfile::remove() {
  if (!path_.empty() && read_pidfile(path_) == ::getpid()) ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace prefork::process

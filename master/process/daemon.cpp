#include "master/process/daemon.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "shm/fd.hpp"

namespace prefork::process {
namespace {

void fork_and_leave() {
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::system_category(), "becoming a daemon");
  if (child > 0) ::_exit(0);
}

}  // namespace

void become_daemon(bool keep_output) {
  fork_and_leave();
  ::setsid();
  fork_and_leave();  // no leader of a session: a terminal that it opens does not become its own
  ::umask(022);      // as gunicorn's; what was meant for the files of a shell, or of init, is not for a server's
  const shm::UniqueFd nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nowhere) throw std::system_error(errno, std::system_category(), "opening /dev/null");
  ::dup2(nowhere.get(), 0);
  if (keep_output) return;
  ::dup2(nowhere.get(), 1);
  ::dup2(nowhere.get(), 2);
}

}  // namespace prefork::process

// Takes away the files of a master that was killed: unix sockets on which nobody answers any more, and the pid file that names it. A
// process of its own does that, in its own session and nobody's child: it sleeps on a pipe whose other end ends with the master.
// Owned by the Server; nothing is started before there is a file to look after.
#pragma once

#include <string>

#include "shm/fd.hpp"

namespace prefork::process {

class Leftovers {
 public:
  Leftovers() = default;
  ~Leftovers() { dismiss(); }
  Leftovers(const Leftovers&) = delete;
  Leftovers& operator=(const Leftovers&) = delete;

  // The file as it is now: one that another server makes in its place is not touched. Without processes or descriptors to spare it
  // stays as it would without this.
  void look_after(const std::string& path);
  // The files are in good hands: the master removes them itself.
  void dismiss();
  // Another master listens at the sockets too, and may be about to end as well: once we are gone, what nobody answers at is removed.
  void leave_to_guard() { pipe_.reset(); }

 private:
  shm::UniqueFd pipe_;
};

}  // namespace prefork::process

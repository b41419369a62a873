// The upgrade of a running server (USR2): its program is started anew beside it, with the listening sockets, and serves when it is
// ready. The variables are gunicorn's, so that its tools work: GUNICORN_FD=3,4 and GUNICORN_PID=ID OF THE OLD MASTER. One is ours:
// PREFORK_FOREIGN_FD=4, those of them whose files are somebody else's (systemd's).
// Owned by the Server of the old master; the new one reads inheritance() once.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "master/net/loop.hpp"

namespace prefork::process {

// A listening socket that one master leaves to the next.
struct LeftSocket {
  int fd = -1;
  bool foreign = false;  // its file, if it has one, is not ours to remove
};

struct SuccessorCommand {
  std::vector<std::string> arguments;  // without the program's name
  std::string directory;
  std::vector<std::string> environment;  // KEY=VALUE, beside ours
  std::vector<LeftSocket> sockets;
};

class Successor {
 public:
  // Throws std::system_error. `exited`: it ended while we live.
  Successor(net::Loop& loop, const SuccessorCommand& command, std::function<void()> exited);
  int pid() const { return pid_; }

 private:
  net::UvHandle<uv_process_t> process_;
  std::function<void()> exited_;
  int pid_ = 0;
};

// What a predecessor left us; taken out of the environment.
struct Inheritance {
  int predecessor = 0;  // 0: none
  std::vector<LeftSocket> sockets;
};
Inheritance inheritance();

}  // namespace prefork::process

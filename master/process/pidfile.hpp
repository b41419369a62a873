// The file that holds the master's process id. Made by the Server, removed when the server ends unless it is another's by then.
#pragma once

#include <string>

namespace prefork::process {

class Pidfile {
 public:
  Pidfile() = default;
  // Throws std::system_error when it cannot be written, std::runtime_error when a living process is named in it.
  explicit Pidfile(std::string path);
  ~Pidfile() { remove(); }
  Pidfile(const Pidfile&) = delete;
  Pidfile& operator=(const Pidfile&) = delete;

  const std::string& path() const { return path_; }
  // To another name: the successor of an upgrade comes from PATH.2, its predecessor makes room.
  void rename(const std::string& path);
  void remove();

 private:
  std::string path_;
};

// The process id in a file; 0 when there is none.
int read_pidfile(const std::string& path);

}  // namespace prefork::process

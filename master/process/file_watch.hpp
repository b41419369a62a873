// --reload: looks for source files that changed. Directories are walked beside the loop, on libuv's threads, a while after the last
// walk has ended; what a program writes to (caches, version control, environments) is not looked at.
// Owned by the Server, on its loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "master/net/loop.hpp"

namespace prefork::process {

struct WatchedFiles {
  std::vector<std::string> folders;   // every *.py and what `includes` name below them
  std::vector<std::string> includes;  // patterns as in a shell, of file names or whole paths
  std::vector<std::string> excludes;
  std::vector<std::string> extra;  // files or patterns; one that appears later counts
};

// Path -> when it last changed. Pure but for the file system.
using FileTimes = std::map<std::string, std::int64_t>;
FileTimes file_times(const WatchedFiles& files);

class FileWatch {
 public:
  FileWatch(net::Loop& loop, WatchedFiles files, std::function<void(const std::string& path)> changed);
  ~FileWatch();

 private:
  struct Walk;
  void walk();
  void compare(FileTimes now);

  net::Loop& loop_;
  WatchedFiles files_;
  std::function<void(const std::string& path)> changed_;
  net::Timer timer_;
  FileTimes times_;
  bool known_ = false;  // times_ is of a first walk
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace prefork::process

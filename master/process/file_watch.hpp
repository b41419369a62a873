// --reload: looks for source files that changed. Directories are walked beside the loop, on libuv's threads: when the kernel tells of a
// change in one of them (inotify), and a while after the last walk, for file systems of which the kernel tells nothing. What a program
// writes to (caches, version control, environments) is not looked at. The bytecode of a source file that changed is removed.
// Owned by the Server, on its loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
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

// Path -> when it last changed.
using FileTimes = std::map<std::string, std::int64_t>;

struct FileTree {
  FileTimes times;
  std::set<std::string> folders;  // where a change may happen
};
// Pure but for the file system.
FileTree file_tree(const WatchedFiles& files);

// --reload-engine. Auto: the kernel's word, and a walk now and then. Where the kernel does not watch, the others become Poll.
enum class WatchEngine : std::uint8_t { Auto, Poll, Inotify };

class FileWatch {
 public:
  struct Events {
    std::function<void(const std::string& path)> changed;
    std::function<void(std::size_t files, bool inotify)> watching;  // what changes from now on is seen
  };
  FileWatch(net::Loop& loop, WatchedFiles files, WatchEngine engine, Events events);
  ~FileWatch();

 private:
  struct Walk;
  void walk();
  void compare(FileTree now);
  void watch(const std::set<std::string>& folders);
  int watch_folder(const std::string& folder);
  void on_event(const uv_fs_event_t* event, const char* name, int events);
  void walk_later();

  net::Loop& loop_;
  WatchedFiles files_;
  WatchEngine engine_;
  Events events_;
  net::Timer timer_;
  FileTimes times_;
  std::map<std::string, net::UvHandle<uv_fs_event_t>> watches_;  // folder -> the kernel's word on it
  bool told_ = false;
  bool walking_ = false;
  bool settling_ = false;    // it walks in a moment
  bool walk_again_ = false;  // something happened while walking
  bool known_ = false;       // times_ is of a first walk
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace prefork::process

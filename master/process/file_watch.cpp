#include "master/process/file_watch.hpp"

#include <fnmatch.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

namespace prefork::process {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPollMs = 500;
constexpr std::uint64_t kLookMs = 3'000;  // Auto, where the kernel watches
constexpr std::uint64_t kSettleMs = 20;   // several files are often written together

bool matches(const std::vector<std::string>& patterns, const fs::path& path) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), path.filename().c_str(), 0) == 0 ||
           ::fnmatch(pattern.c_str(), path.c_str(), 0) == 0;
  });
}

bool uninteresting(const fs::path& folder) {
  static const std::set<std::string> kNames{"__pycache__", "node_modules", "site-packages", "build"};
  const std::string name = folder.filename().string();
  std::error_code error;
  return (name.size() > 1 && name.front() == '.') || kNames.contains(name) || fs::exists(folder / "pyvenv.cfg", error);
}

void note(const fs::path& path, FileTimes& times) {
  std::error_code error;
  const auto when = fs::last_write_time(path, error);
  if (!error) times[path.string()] = when.time_since_epoch().count();
}

void note_folder(const std::string& folder, const WatchedFiles& files, FileTree& tree) {
  std::error_code error;
  tree.folders.insert(folder);
  auto entry = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) {
      if (uninteresting(entry->path())) {
        entry.disable_recursion_pending();
      } else {
        tree.folders.insert(entry->path().string());
      }
      continue;
    }
    const bool wanted = entry->path().extension() == ".py" || matches(files.includes, entry->path());
    if (wanted && !matches(files.excludes, entry->path())) note(entry->path(), tree.times);
  }
}

// What is not there yet will come into being in the nearest folder that is.
std::string folder_of(fs::path path) {
  std::error_code error;
  do path = path.parent_path();
  while (!path.empty() && path != path.root_path() && !fs::is_directory(path, error));
  return path.empty() ? "." : path.string();
}

// Name by name; ** is any number of folders, none included, whose names do not begin with a dot.
bool matches_deep(fs::path::const_iterator pattern, fs::path::const_iterator pattern_end, fs::path::const_iterator path,
                  fs::path::const_iterator path_end) {
  for (; pattern != pattern_end && *pattern != "**"; ++pattern, ++path) {
    if (path == path_end || ::fnmatch(pattern->c_str(), path->c_str(), FNM_PERIOD) != 0) return false;
  }
  if (pattern == pattern_end) return path == path_end;
  const auto rest = std::next(pattern);
  if (rest == pattern_end) return true;
  for (;; ++path) {
    if (matches_deep(rest, pattern_end, path, path_end)) return true;
    if (path == path_end || path->string().starts_with(".")) return false;
  }
}

void note_deep_pattern(const fs::path& pattern, FileTree& tree) {
  const fs::path start = pattern.string().substr(0, pattern.string().find("**"));
  fs::path base;  // without wildcards
  for (const auto& name : start) {
    if (name.string().find_first_of("*?[") != std::string::npos || name.empty()) break;
    base /= name;
  }
  if (base.empty()) base = ".";
  const fs::path whole = start.is_absolute() || base != "." ? pattern : base / pattern;
  std::error_code error;
  if (!fs::is_directory(base, error)) {
    tree.folders.insert(folder_of(base / "x"));
    return;
  }
  tree.folders.insert(base.string());
  auto entry = fs::recursive_directory_iterator(base, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) {
      if (entry->path().filename().string().starts_with(".")) {
        entry.disable_recursion_pending();
      } else {
        tree.folders.insert(entry->path().string());
      }
    } else if (matches_deep(whole.begin(), whole.end(), entry->path().begin(), entry->path().end())) {
      note(entry->path(), tree.times);
    }
  }
}

void note_pattern(const std::string& pattern, FileTree& tree) {
  if (pattern.find("**") != std::string::npos) return note_deep_pattern(pattern, tree);
  tree.folders.insert(folder_of(pattern));
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      note(found.gl_pathv[i], tree.times);
      tree.folders.insert(folder_of(found.gl_pathv[i]));
    }
  }
  ::globfree(&found);
}

// Python takes its bytecode for that of a source file of the same size and second: two edits in one second would be one to it.
void forget_bytecode(const fs::path& source) {
  if (source.extension() != ".py") return;
  std::error_code error;
  const std::string start = source.stem().string() + ".";
  auto entry = fs::directory_iterator(source.parent_path() / "__pycache__", error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->path().extension() == ".pyc" && entry->path().filename().string().starts_with(start))
      fs::remove(entry->path(), ignored);
  }
}

}  // namespace

FileTree file_tree(const WatchedFiles& files) {
  FileTree tree;
  for (const auto& folder : files.folders) note_folder(folder, files, tree);
  for (const auto& pattern : files.extra) note_pattern(pattern, tree);
  return tree;
}

struct FileWatch::Walk {
  uv_work_t work{};
  WatchedFiles files;
  FileTree tree;
  std::function<void(FileTree)> done;
};

FileWatch::FileWatch(net::Loop& loop, WatchedFiles files, WatchEngine engine, Events events)
    : loop_(loop), files_(std::move(files)), engine_(engine), events_(std::move(events)), timer_(loop, [this] {
        walk();
      }) {
  walk();
}

FileWatch::~FileWatch() = default;

void FileWatch::walk() {
  walking_ = true;
  settling_ = false;
  auto* walk = new Walk;
  walk->work.data = walk;
  walk->files = files_;
  walk->done = [this, alive = std::weak_ptr<bool>(alive_)](FileTree tree) {
    if (!alive.expired()) compare(std::move(tree));
  };
  uv_queue_work(
      loop_.uv(), &walk->work,
      [](uv_work_t* work) {
        auto* one = static_cast<Walk*>(work->data);
        one->tree = file_tree(one->files);
      },
      [](uv_work_t* work, int) {
        const std::unique_ptr<Walk> one(static_cast<Walk*>(work->data));
        one->done(std::move(one->tree));
      });
}

void FileWatch::compare(FileTree now) {
  walking_ = false;
  std::string path;
  for (const auto& [name, when] : now.times) {
    const auto before = times_.find(name);
    if (before != times_.end() && before->second == when) continue;
    path = name;
    if (known_) forget_bytecode(path);
  }
  for (const auto& [name, when] : times_) {
    if (!now.times.contains(name)) path = name;
  }
  const bool changed = known_ && !path.empty();
  times_ = std::move(now.times);
  known_ = true;
  if (engine_ != WatchEngine::Poll) watch(now.folders);
  if (std::exchange(walk_again_, false)) {
    walk_later();
  } else if (engine_ != WatchEngine::Inotify) {
    timer_.start(engine_ == WatchEngine::Poll ? kPollMs : kLookMs);
  }
  if (!settling_ && !std::exchange(told_, true)) events_.watching(times_.size(), !watches_.empty());
  if (changed) events_.changed(path);
}

// ---------------------------------------------------------------------------------------------------- the kernel's word

// What changed in a new folder before the kernel watched it is found by another walk.
void FileWatch::watch(const std::set<std::string>& folders) {
  std::erase_if(watches_, [&](const auto& one) { return !folders.contains(one.first); });
  for (const auto& folder : folders) {
    if (watches_.contains(folder)) continue;
    const int error = watch_folder(folder);
    if (error == 0) {
      walk_again_ = true;
    } else if (error != UV_ENOENT && error != UV_ENOTDIR &&
               error != UV_EACCES) {  // no watches are left, or there are none
      watches_.clear();
      engine_ = WatchEngine::Poll;
      return;
    }
  }
}

int FileWatch::watch_folder(const std::string& folder) {
  net::UvHandle<uv_fs_event_t> handle(new uv_fs_event_t{});
  uv_fs_event_init(loop_.uv(), handle.get());
  handle->data = this;
  const int error = uv_fs_event_start(
      handle.get(),
      [](uv_fs_event_t* event, const char* name, int events, int) {
        if (event->data != nullptr) static_cast<FileWatch*>(event->data)->on_event(event, name, events);
      },
      folder.c_str(), 0);
  if (error == 0) watches_.emplace(folder, std::move(handle));
  return error;
}

// A file that a program writes to all the time, a log for example, is no reason to walk.
void FileWatch::on_event(const uv_fs_event_t* event, const char* name, int events) {
  const fs::path file = name != nullptr ? name : "";
  const bool extra = std::any_of(files_.extra.begin(), files_.extra.end(), [&](const fs::path& pattern) {
    return ::fnmatch(pattern.filename().c_str(), file.c_str(), 0) == 0;
  });
  // The folder itself went: one that takes its place is another to the kernel.
  if ((events & UV_RENAME) != 0) {
    std::erase_if(watches_,
                  [&](const auto& one) { return one.second.get() == event && fs::path(one.first).filename() == file; });
  }
  if (file.empty() || (events & UV_RENAME) != 0 || file.extension() == ".py" || !files_.includes.empty() || extra)
    walk_later();
}

void FileWatch::walk_later() {
  if (walking_) {
    walk_again_ = true;
  } else if (!settling_) {
    settling_ = true;
    timer_.start(kSettleMs);
  }
}

}  // namespace prefork::process

#include "master/process/file_watch.hpp"

#include <fnmatch.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <set>

namespace prefork::process {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPauseMs = 500;

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

void note_folder(const std::string& folder, const WatchedFiles& files, FileTimes& times) {
  std::error_code error;
  auto entry = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) {
      if (uninteresting(entry->path())) entry.disable_recursion_pending();
      continue;
    }
    const bool wanted = entry->path().extension() == ".py" || matches(files.includes, entry->path());
    if (wanted && !matches(files.excludes, entry->path())) note(entry->path(), times);
  }
}

void note_pattern(const std::string& pattern, FileTimes& times) {
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) note(found.gl_pathv[i], times);
  }
  ::globfree(&found);
}

}  // namespace

FileTimes file_times(const WatchedFiles& files) {
  FileTimes times;
  for (const auto& folder : files.folders) note_folder(folder, files, times);
  for (const auto& pattern : files.extra) note_pattern(pattern, times);
  return times;
}

struct FileWatch::Walk {
  uv_work_t work{};
  WatchedFiles files;
  FileTimes times;
  std::function<void(FileTimes)> done;
};

FileWatch::FileWatch(net::Loop& loop, WatchedFiles files, std::function<void(const std::string&)> changed)
    : loop_(loop), files_(std::move(files)), changed_(std::move(changed)), timer_(loop, [this] { walk(); }) {
  walk();
}

FileWatch::~FileWatch() = default;

void FileWatch::walk() {
  auto* walk = new Walk;
  walk->work.data = walk;
  walk->files = files_;
  walk->done = [this, alive = std::weak_ptr<bool>(alive_)](FileTimes times) {
    if (!alive.expired()) compare(std::move(times));
  };
  uv_queue_work(
      loop_.uv(), &walk->work,
      [](uv_work_t* work) {
        auto* one = static_cast<Walk*>(work->data);
        one->times = file_times(one->files);
      },
      [](uv_work_t* work, int) {
        const std::unique_ptr<Walk> one(static_cast<Walk*>(work->data));
        one->done(std::move(one->times));
      });
}

void FileWatch::compare(FileTimes now) {
  std::string path;
  for (const auto& [name, when] : now) {
    const auto before = times_.find(name);
    if (before == times_.end() || before->second != when) path = name;
  }
  for (const auto& [name, when] : times_) {
    if (!now.contains(name)) path = name;
  }
  const bool changed = known_ && !path.empty();
  times_ = std::move(now);
  known_ = true;
  timer_.start(kPauseMs);
  if (changed) changed_(path);
}

}  // namespace prefork::process

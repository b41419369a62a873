// prefork-ring: looks into the shared memory of a running master or worker, or into a saved copy, without touching it.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "shm/channel.hpp"
#include "tools/inspect/describe.hpp"

namespace prefork::inspect {
namespace {

constexpr const char* kUsage =
    "usage: prefork-ring [--records N] [--events N] PID | FILE ...\n"
    "  PID           every region that this master or worker has open (needs the right to look into its /proc)\n"
    "  FILE          one region: a saved copy, or /proc/PID/fd/N\n"
    "  --records N   at most N unread records of each ring (default 8)\n"
    "  --events N    the last N events of each recorder (default 16)\n";

struct Options {
  std::size_t records = 8;
  std::size_t events = 16;
  std::vector<std::string> targets;
};

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

bool all_digits(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "-h" || word == "--help") {
      std::fputs(kUsage, stdout);
      std::exit(0);
    }
    if (word == "--records" || word == "--events") {
      if (++i == argc || !all_digits(argv[i])) throw std::runtime_error(word + " needs a number");
      (word == "--records" ? options.records : options.events) = std::stoul(argv[i]);
    } else {
      options.targets.push_back(word);
    }
  }
  if (options.targets.empty()) throw std::runtime_error(std::string("nothing to look at\n") + kUsage);
  return options;
}

// The descriptors of a process that are regions: a memfd of that name, or an object of shm_open.
std::vector<std::string> regions_of(const std::string& pid) {
  const std::string folder = "/proc/" + pid + "/fd";
  DIR* open = ::opendir(folder.c_str());
  if (open == nullptr) throw std::system_error(errno, std::system_category(), folder);
  std::vector<std::string> found;
  while (const dirent* entry = ::readdir(open)) {
    const std::string path = folder + "/" + entry->d_name;
    std::array<char, 256> target{};
    if (::readlink(path.c_str(), target.data(), target.size() - 1) <= 0) continue;
    const std::string_view name = target.data();
    if (name == "/memfd:prefork (deleted)" || name.rfind("/dev/shm/prefork-", 0) == 0) found.push_back(path);
  }
  ::closedir(open);
  std::sort(found.begin(), found.end());
  return found;
}

// The geometry as the region tells it: only an inspector believes that, and only after checking it against the size.
shm::Geometry read_geometry(int fd) {
  shm::RegionHeader header{};
  if (::pread(fd, &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header) || header.magic != shm::kMagic) {
    throw std::runtime_error("not a prefork region (no magic number in its header)");
  }
  if (header.version != shm::kLayoutVersion) {
    throw std::runtime_error("its layout is version " + std::to_string(header.version) + ", this program knows " +
                             std::to_string(shm::kLayoutVersion));
  }
  const shm::Geometry geometry{header.request_bytes, header.reply_bytes, header.slots};
  if (!geometry.valid()) throw std::runtime_error("its header makes no sense");
  return geometry;
}

void print_state(const shm::Parts& parts, std::uint64_t now_us) {
  const auto& phase = parts.phase();
  std::printf("phase %s, heartbeat %.3f ms ago; worker %s, master %s\n", shm::to_string(phase.phase()),
              static_cast<double>(static_cast<std::int64_t>(now_us - phase.heartbeat_us())) / 1e3,
              parts.worker_bell().sleeping.load(std::memory_order_relaxed) != 0 ? "sleeps" : "does not sleep",
              parts.master_bell().sleeping.load(std::memory_order_relaxed) != 0 ? "sleeps" : "does not sleep");
  std::printf("counters:");
  for (std::size_t i = 0; i < shm::kCounterNames.size(); ++i) {
    std::printf(" %s %" PRIu64, shm::kCounterNames[i], parts.counters().get(static_cast<shm::Counter>(i)));
  }
  std::size_t offered = 0, claimed = 0;
  for (const auto& word : parts.claims()) {
    const auto value = word.load(std::memory_order_relaxed);
    offered += value != 0 && (value & 3) == 0;
    claimed += (value & 3) == 1;
  }
  std::printf("\nclaims: %zu slots last claimed, %zu offered or taken back\n", claimed, offered);
}

void print_region(const std::string& path, const Options& options) {
  shm::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw std::system_error(errno, std::system_category(), path);
  const shm::Geometry geometry = read_geometry(fd.get());
  const shm::Region region = shm::Region::attach_read_only(std::move(fd), shm::Layout(geometry).total);
  const shm::Parts parts(region.bytes(), geometry);
  const auto& header = parts.header();
  const std::uint64_t now = now_ns();
  std::printf("%s: worker %" PRIu32 " of generation %" PRIu32 ", layout %" PRIu32 ", made %.1f s ago\n", path.c_str(),
              header.worker_id, header.worker_generation, header.version,
              static_cast<double>(static_cast<std::int64_t>(now / 1000 - header.created_us)) / 1e6);
  print_state(parts, now / 1000);
  print_ring("request", take_snapshot(parts.request_positions(), parts.request_bytes(), options.records), true, now);
  print_ring("reply", take_snapshot(parts.reply_positions(), parts.reply_bytes(), options.records), false, now);
  print_recorder("master", parts.master_recorder(), options.events, now / 1000);
  print_recorder("worker", parts.worker_recorder(), options.events, now / 1000);
}

int print_all(const Options& options) {
  int failures = 0;
  for (const std::string& target : options.targets) {
    const auto paths = all_digits(target) ? regions_of(target) : std::vector<std::string>{target};
    if (paths.empty()) {
      std::fprintf(stderr, "prefork-ring: process %s has no region open\n", target.c_str());
      ++failures;
    }
    for (const std::string& path : paths) {
      try {
        print_region(path, options);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "prefork-ring: %s: %s\n", path.c_str(), error.what());
        ++failures;
      }
    }
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace prefork::inspect

int main(int argc, char** argv) {
  try {
    return prefork::inspect::print_all(prefork::inspect::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prefork-ring: %s\n", error.what());
    return 2;
  }
}

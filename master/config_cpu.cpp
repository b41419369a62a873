// How many CPUs there really are: a container's limit counts for more than the machine's number.
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "master/config_sources.hpp"

namespace prefork {
namespace {

int affinity_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

// CPUs of "QUOTA PERIOD" microseconds; a huge number for "max" and for files that are not there.
constexpr double kUnlimited = 1e9;

double quota_of_v2(const std::string& directory) {
  std::ifstream file(directory + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return kUnlimited;
  return std::strtod(quota.c_str(), nullptr) / period;
}

double quota_of_v1(const std::string& directory) {
  double quota = -1;
  double period = 0;
  std::ifstream(directory + "/cpu.cfs_quota_us") >> quota;
  std::ifstream(directory + "/cpu.cfs_period_us") >> period;
  return quota > 0 && period > 0 ? quota / period : kUnlimited;
}

// A limit of any group above holds too.
template <class Quota>
double least_upwards(const std::string& mount, std::string group, Quota quota) {
  double least = quota(mount);
  while (group.size() > 1) {
    least = std::min(least, quota(mount + group));
    group.resize(group.rfind('/'));
  }
  return least;
}

}  // namespace

int available_cpus(const std::string& root) {
  double quota = kUnlimited;
  std::ifstream groups(root + "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") quota = std::min(quota, least_upwards(root + "sys/fs/cgroup", group, quota_of_v2));
    if (controllers.find(",cpu,") == std::string::npos) continue;
    for (const char* mount : {"sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"})
      quota = std::min(quota, least_upwards(root + mount, group, quota_of_v1));
  }
  const int cpus = affinity_cpus();
  return quota >= cpus ? cpus : std::max(1, static_cast<int>(std::ceil(quota)));
}

}  // namespace prefork

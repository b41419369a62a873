// available_cpus against made-up /proc and /sys trees.
#include <gtest/gtest.h>

#include <sched.h>

#include <filesystem>
#include <fstream>

#include "master/config_sources.hpp"

namespace prefork {
namespace {

class AvailableCpus : public testing::Test {
 protected:
  AvailableCpus() : root_(std::filesystem::temp_directory_path() / ("prefork-cpu-" + std::to_string(getpid()))) {}
  ~AvailableCpus() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  [[nodiscard]] int count() const { return available_cpus(root_.string() + "/"); }

  static int affinity() {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    return CPU_COUNT(&set);
  }

  std::filesystem::path root_;
};

TEST_F(AvailableCpus, WithoutALimitAreThoseOfTheAffinityMask) {
  EXPECT_EQ(count(), affinity());
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(count(), affinity());
}

TEST_F(AvailableCpus, TheQuotaOfVersion2IsRoundedUp) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(count(), 1);
  write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  EXPECT_EQ(count(), std::min(affinity(), 2));
}

TEST_F(AvailableCpus, TheQuotaOfAnOuterGroupCounts) {
  write("proc/self/cgroup", "0::/outer/inner\n");
  write("sys/fs/cgroup/outer/cpu.max", "100000 100000\n");
  write("sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
  EXPECT_EQ(count(), 1);
}

TEST_F(AvailableCpus, TheQuotaOfVersion1Counts) {
  write("proc/self/cgroup", "5:cpuset:/\n4:cpu,cpuacct:/docker/x\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(count(), 1);
  write("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(count(), affinity());
}

}  // namespace
}  // namespace prefork

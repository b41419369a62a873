#include "master/process/sd_notify.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "shm/fd.hpp"

namespace prefork::process {
namespace {

using shm::UniqueFd;

// A service manager's end; an abstract name starts with '@'.
UniqueFd listen_at(const std::string& where) {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, where.data(), where.size());
  if (where.front() == '@') name.sun_path[0] = '\0';
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&name),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + where.size())),
            0);
  return fd;
}

std::string receive(const UniqueFd& fd) {
  pollfd waiting{fd.get(), POLLIN, 0};
  if (poll(&waiting, 1, 30'000) != 1) return "nothing came";
  char bytes[1024];
  const ssize_t got = recv(fd.get(), bytes, sizeof bytes, 0);
  return {bytes, static_cast<std::size_t>(got)};
}

std::string abstract_name() { return "@prefork-notify-test-" + std::to_string(getpid()); }

TEST(SdNotify, SaysWhatTheManagerKnows) {
  const UniqueFd manager = listen_at(abstract_name());
  const Notifier notifier(abstract_name());
  EXPECT_EQ(notifier.ready(), 0);
  EXPECT_EQ(receive(manager), "READY=1");
  notifier.ready("8 workers");
  EXPECT_EQ(receive(manager), "READY=1\nSTATUS=8 workers");
  notifier.stopping();
  EXPECT_EQ(receive(manager), "STOPPING=1");
  notifier.main_pid(42);
  EXPECT_EQ(receive(manager), "MAINPID=42");
  notifier.alive();
  EXPECT_EQ(receive(manager), "WATCHDOG=1");
  notifier.status("busy\nREADY=1");
  EXPECT_EQ(receive(manager), "STATUS=busy READY=1");
}

TEST(SdNotify, ReloadingHasItsTime) {
  const UniqueFd manager = listen_at(abstract_name());
  Notifier(abstract_name()).reloading();
  const std::string message = receive(manager);
  const std::string start = "RELOADING=1\nMONOTONIC_USEC=";
  ASSERT_EQ(message.substr(0, start.size()), start);
  EXPECT_GT(std::stoull(message.substr(start.size())), 0u);
}

TEST(SdNotify, PathsWorkToo) {
  std::string pattern = (std::filesystem::temp_directory_path() / "prefork-notify-XXXXXX").string();
  const std::string folder = mkdtemp(pattern.data());
  {
    const UniqueFd manager = listen_at(folder + "/n");
    EXPECT_EQ(Notifier(folder + "/n").ready(), 0);
    EXPECT_EQ(receive(manager), "READY=1");
  }
  EXPECT_EQ(Notifier(folder + "/n").ready(), ECONNREFUSED);
  std::filesystem::remove_all(folder);
  EXPECT_EQ(Notifier(folder + "/n").ready(), ENOENT);
}

TEST(SdNotify, WithoutASocketNothingHappens) {
  EXPECT_TRUE(Notifier().variables().empty());
  EXPECT_EQ(Notifier().ready(), 0);
  EXPECT_EQ(Notifier("relative").ready(), EAFNOSUPPORT);
  EXPECT_EQ(Notifier("/" + std::string(200, 'x')).ready(), ENAMETOOLONG);
}

TEST(SdNotify, EnvironmentIsReadAndTakenAway) {
  setenv("NOTIFY_SOCKET", "@x", 1);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  const Notifier notifier = Notifier::from_environment();
  EXPECT_EQ(notifier.variables(), (std::vector<std::string>{"NOTIFY_SOCKET=@x", "WATCHDOG_USEC=3000000"}));
  EXPECT_EQ(notifier.watchdog_interval(), std::chrono::microseconds(1'500'000));
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) EXPECT_EQ(getenv(name), nullptr);
  EXPECT_TRUE(Notifier::from_environment().variables().empty());
}

TEST(SdNotify, WatchdogOfAnotherProcessIsNotOurs) {
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(Notifier::from_environment().watchdog_interval());
  setenv("WATCHDOG_USEC", "soon", 1);
  EXPECT_FALSE(Notifier::from_environment().watchdog_interval());
}

// In a child, because descriptors 3 and up are what is tested. Its exit code says what went wrong.
template <class Body>
int in_child(Body body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

void open_two() {
  const int null = open("/dev/null", O_RDONLY);
  const int high = fcntl(null, F_DUPFD, 100);
  dup2(high, 3);
  dup2(high, 4);
}

TEST(SdListen, SocketsComeWithTheirNames) {
  EXPECT_EQ(
      in_child([] {
        open_two();
        setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
        setenv("LISTEN_FDS", "2", 1);
        setenv("LISTEN_FDNAMES", "web:", 1);
        const auto sockets = inherited_sockets();
        if (sockets.size() != 2) return 1;
        if (sockets[0].fd != 3 || sockets[0].name != "web") return 2;
        if (sockets[1].fd != 4 || sockets[1].name != "unknown") return 3;
        if ((fcntl(3, F_GETFD) & FD_CLOEXEC) == 0) return 4;
        if (getenv("LISTEN_PID") != nullptr || getenv("LISTEN_FDS") != nullptr || getenv("LISTEN_FDNAMES") != nullptr)
          return 5;
        return inherited_sockets().empty() ? 0 : 6;
      }),
      0);
}

TEST(SdListen, OtherProcessesSocketsAreLeftAlone) {
  setenv("LISTEN_PID", "1", 1);
  setenv("LISTEN_FDS", "2", 1);
  EXPECT_TRUE(inherited_sockets().empty());
  EXPECT_STREQ(getenv("LISTEN_FDS"), "2");
  unsetenv("LISTEN_PID");
  EXPECT_TRUE(inherited_sockets().empty());
  unsetenv("LISTEN_FDS");
}

TEST(SdListen, NumbersThatMakeNoSenseAreSaid) {
  for (const char* count : {"x", "-1", "", "2x", "9999999"}) {
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", count, 1);
    EXPECT_THROW(inherited_sockets(), std::invalid_argument) << count;
  }
}

}  // namespace
}  // namespace prefork::process

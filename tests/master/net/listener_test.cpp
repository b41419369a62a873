#include "master/net/listener.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <vector>

namespace prefork::net {
namespace {

// The sanitizer opens a pipe to see whether memory may be read.
#ifdef __SANITIZE_ADDRESS__
#define SKIP_WHERE_CHECKS_NEED_DESCRIPTORS() GTEST_SKIP() << "the sanitizer needs descriptors of its own"
#else
#define SKIP_WHERE_CHECKS_NEED_DESCRIPTORS() (void)0
#endif

class ListenerTest : public ::testing::Test {
 protected:
  ListenerTest() {
    std::string pattern = ::testing::TempDir() + "prefork-listener-XXXXXX";
    directory = ::mkdtemp(pattern.data());
    path = directory + "/socket";
  }
  ~ListenerTest() override {
    ::unlink(path.c_str());
    ::rmdir(directory.c_str());
  }

  BoundSocket bind_unix(int umask = 0) { return bind_socket(unix_address(), 64, false, umask); }
  BindAddress unix_address() const {
    BindAddress address;
    address.kind = BindAddress::Kind::Unix;
    address.path = path;
    return address;
  }
  static BoundSocket bind_tcp(std::uint16_t port = 0) {
    BindAddress address;
    address.host = "127.0.0.1";
    address.port = port;
    return bind_socket(address, 64, false, 0);
  }
  // The error that binding ends with, and its text.
  std::pair<int, std::string> failure(const BindAddress& address) {
    try {
      (void)bind_socket(address, 64, false, 0);
    } catch (const std::system_error& error) {
      return {error.code().value(), error.what()};
    }
    return {0, {}};
  }
  shm::UniqueFd connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    shm::UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0)
        << std::strerror(errno);
    return client;
  }
  Listener::Accepted keep() {
    return [this](int fd, Peer peer) {
      accepted.emplace_back(fd);
      peers.push_back(std::move(peer));
    };
  }
  template <class Done>
  bool until(Done&& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      uv_run(loop.uv(), UV_RUN_NOWAIT);
    }
    return true;
  }

  Loop loop;
  std::string directory;
  std::string path;
  std::vector<shm::UniqueFd> accepted;
  std::vector<Peer> peers;
};

TEST_F(ListenerTest, StaleUnixSocketIsReplaced) {
  struct stat before {};
  {
    const auto dead = bind_unix();  // closed without being removed, as after a crash
    ASSERT_EQ(::stat(path.c_str(), &before), 0);
  }
  const auto socket = bind_unix();
  EXPECT_EQ(socket.unix_path, path);
  EXPECT_TRUE(socket.unix_socket);
  EXPECT_EQ(socket.name, "unix:" + path);
  (void)connect();
}

TEST_F(ListenerTest, LiveUnixSocketIsRefusedAndLeftAlone) {
  const auto live = bind_unix();
  const auto [code, text] = failure(unix_address());
  EXPECT_EQ(code, EADDRINUSE);
  EXPECT_NE(text.find(path), std::string::npos) << text;
  (void)connect();
}

TEST_F(ListenerTest, AFileThatIsNoSocketIsRefusedAndLeftAlone) {
  const shm::UniqueFd file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(file);
  EXPECT_EQ(failure(unix_address()).first, EEXIST);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISREG(status.st_mode));
}

TEST_F(ListenerTest, UmaskGovernsTheModeAndIsPutBack) {
  const auto before = ::umask(022);
  const auto socket = bind_unix(0117);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660U);
  EXPECT_EQ(::umask(before), 022U);
}

TEST_F(ListenerTest, APathTooLongForASocketIsRefused) {
  BindAddress address = unix_address();
  address.path = directory + "/" + std::string(200, 'x');
  EXPECT_EQ(failure(address).first, ENAMETOOLONG);
}

TEST_F(ListenerTest, PortZeroTellsWhichPortItBecame) {
  const auto socket = bind_tcp();
  EXPECT_NE(socket.port, 0);
  EXPECT_EQ(socket.name, "http://127.0.0.1:" + std::to_string(socket.port));
  EXPECT_EQ(socket.server_name, "127.0.0.1");
  EXPECT_FALSE(socket.unix_socket);
}

TEST_F(ListenerTest, PortInUseIsRefused) {
  const auto first = bind_tcp();
  BindAddress address;
  address.host = "127.0.0.1";
  address.port = first.port;
  const auto [code, text] = failure(address);
  EXPECT_EQ(code, EADDRINUSE);
  EXPECT_NE(text.find(std::to_string(first.port)), std::string::npos) << text;
}

TEST_F(ListenerTest, OnlyAListeningDescriptorIsAdopted) {
  auto bound = bind_tcp();
  const auto port = bound.port;
  const auto adopted = adopt_socket(bound.fd.release());
  EXPECT_EQ(adopted.port, port);
  EXPECT_TRUE(adopted.unix_path.empty()) << "who made it removes it";
  const shm::UniqueFd plain(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_THROW((void)adopt_socket(plain.get()), std::system_error);
}

TEST_F(ListenerTest, HandsOverEverybodyWhoConnects) {
  const auto socket = bind_unix();
  Listener listener(loop, socket, keep());
  std::vector<shm::UniqueFd> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(connect());
  ASSERT_TRUE(until([&] { return accepted.size() == 50; }));
  EXPECT_TRUE(peers[0].unix_socket);
  EXPECT_NE(::fcntl(accepted[0].get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(accepted[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

// While it lives, no file can be opened: every number below the lowest free one is taken, and that is the limit.
class NoDescriptorsLeft {
 public:
  explicit NoDescriptorsLeft(int any_fd) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const int lowest = ::dup(any_fd);
    EXPECT_GE(lowest, 0);
    ::close(lowest);
    const rlimit none{static_cast<rlim_t>(lowest), before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptorsLeft() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptorsLeft(const NoDescriptorsLeft&) = delete;
  NoDescriptorsLeft& operator=(const NoDescriptorsLeft&) = delete;

 private:
  rlimit before_{};
};

TEST_F(ListenerTest, OutOfDescriptorsItPausesSaysSoAndGoesOnWhenOneIsFree) {
  SKIP_WHERE_CHECKS_NEED_DESCRIPTORS();
  const auto socket = bind_unix();
  std::vector<int> told;
  Listener listener(loop, socket, keep(), [&](int error) { told.push_back(error); });
  const auto client = connect();
  {
    const NoDescriptorsLeft none(client.get());
    ASSERT_TRUE(until([&] { return listener.paused(); }));
    EXPECT_EQ(accepted.size(), 0U);  // it tries again by and by, and is as far as before
  }
  EXPECT_EQ(told, std::vector<int>{EMFILE}) << "once for many tries";
  ASSERT_TRUE(until([&] { return accepted.size() == 1; }));
  EXPECT_FALSE(listener.paused());
}

TEST_F(ListenerTest, ResumeDoesNotWaitForTheNextTry) {
  SKIP_WHERE_CHECKS_NEED_DESCRIPTORS();
  const auto socket = bind_unix();
  Listener listener(loop, socket, keep());
  const auto client = connect();
  {
    const NoDescriptorsLeft none(client.get());
    ASSERT_TRUE(until([&] { return listener.paused(); }));
  }
  listener.resume();
  EXPECT_FALSE(listener.paused());
  listener.accept_pending();
  EXPECT_EQ(accepted.size(), 1U);
}

}  // namespace
}  // namespace prefork::net

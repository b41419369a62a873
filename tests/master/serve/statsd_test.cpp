#include "master/serve/statsd.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace prefork::serve {
namespace {

using shm::UniqueFd;
using Lines = std::vector<std::string>;

struct UdpServer {
  UniqueFd fd{socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  std::string host;

  UdpServer() {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof name;
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&name), length), 0);
    getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &length);
    host = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  }
};

UniqueFd listen_unix(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strcpy(name.sun_path, path.c_str());
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  return fd;
}

std::string datagram(int fd, int wait_ms = 30'000) {
  pollfd waiting{fd, POLLIN, 0};
  if (poll(&waiting, 1, wait_ms) != 1) return "";
  std::string bytes(65536, '\0');
  bytes.resize(static_cast<std::size_t>(recv(fd, bytes.data(), bytes.size(), 0)));
  return bytes;
}

Lines lines(const std::string& text) {
  Lines out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST(Statsd, NamesAreGunicorns) {
  UdpServer server;
  Statsd statsd(server.host, "", "");
  statsd.request(200, 1'234'500);
  statsd.request(200, 12'000);
  statsd.request(404, 7);
  statsd.gauge("gunicorn.workers", 4);
  statsd.histogram("gunicorn.backlog", 17);
  statsd.increment("gunicorn.log.error");
  statsd.increment("gunicorn.log.error", 2);
  statsd.flush();
  EXPECT_EQ(lines(datagram(server.fd.get())),
            (Lines{"gunicorn.request.duration:1234.5|ms", "gunicorn.request.duration:12.0|ms",
                   "gunicorn.request.duration:0.007|ms", "gunicorn.workers:4|g", "gunicorn.backlog:17|h",
                   "gunicorn.requests:3|c|@1.0", "gunicorn.request.status.200:2|c|@1.0",
                   "gunicorn.request.status.404:1|c|@1.0", "gunicorn.log.error:3|c|@1.0"}));
}

TEST(Statsd, CountersStartAgainAfterAFlush) {
  UdpServer server;
  Statsd statsd(server.host, "", "");
  statsd.increment("a", 5);
  statsd.flush();
  statsd.increment("b");
  statsd.flush();
  EXPECT_EQ(datagram(server.fd.get()), "a:5|c|@1.0");
  EXPECT_EQ(datagram(server.fd.get()), "b:1|c|@1.0");
}

TEST(Statsd, NothingToSayIsNotSent) {
  UdpServer server;
  Statsd statsd(server.host, "", "");
  statsd.flush();
  statsd.gauge("x", 1);
  statsd.flush();
  EXPECT_EQ(datagram(server.fd.get()), "x:1|g");
}

TEST(Statsd, PrefixGetsOneDotAndTagsComeLast) {
  UdpServer server;
  for (const char* prefix : {"shop", "shop.", "shop.."}) {
    Statsd statsd(server.host, prefix, "env:prod,team:a");
    statsd.gauge("gunicorn.workers", 1);
    statsd.increment("c");
    statsd.flush();
    EXPECT_EQ(lines(datagram(server.fd.get())),
              (Lines{"shop.gunicorn.workers:1|g|#env:prod,team:a", "shop.c:1|c|@1.0|#env:prod,team:a"}));
  }
}

TEST(Statsd, ManyLinesAreSplitIntoDatagramsOfWholeLines) {
  UdpServer server;
  Statsd statsd(server.host, "", "");
  for (int i = 0; i < 100; ++i) statsd.request(200, 1000);
  statsd.flush();
  std::size_t seen = 0;
  while (seen < 102) {
    const std::string bytes = datagram(server.fd.get());
    ASSERT_FALSE(bytes.empty());
    EXPECT_LE(bytes.size(), 1432u);
    for (const std::string& line : lines(bytes)) {
      EXPECT_TRUE(line == "gunicorn.request.duration:1.0|ms" || line == "gunicorn.requests:100|c|@1.0" ||
                  line == "gunicorn.request.status.200:100|c|@1.0")
          << line;
      ++seen;
    }
  }
  EXPECT_EQ(seen, 102u);
}

TEST(Statsd, UnixServerMayComeLateAndComeAgain) {
  std::string pattern = (std::filesystem::temp_directory_path() / "prefork-statsd-XXXXXX").string();
  const std::string folder = mkdtemp(pattern.data());
  Statsd statsd("unix://" + folder + "/s", "", "");
  statsd.gauge("x", 1);
  statsd.flush();
  EXPECT_EQ(statsd.dropped(), 1u);
  {
    const UniqueFd server = listen_unix(folder + "/s");
    statsd.gauge("x", 2);
    statsd.flush();
    EXPECT_EQ(datagram(server.get()), "x:2|g");
  }
  std::filesystem::remove(folder + "/s");
  const UniqueFd again = listen_unix(folder + "/s");
  statsd.gauge("x", 3);
  statsd.flush();
  EXPECT_EQ(statsd.dropped(), 2u);
  statsd.gauge("x", 4);
  statsd.flush();
  EXPECT_EQ(datagram(again.get()), "x:4|g");
  std::filesystem::remove_all(folder);
}

TEST(Statsd, FullSocketDropsAndCounts) {
  std::string pattern = (std::filesystem::temp_directory_path() / "prefork-statsd-XXXXXX").string();
  const std::string folder = mkdtemp(pattern.data());
  const UniqueFd server = listen_unix(folder + "/s");
  Statsd statsd("unix://" + folder + "/s", "", "");
  for (int i = 0; i < 100'000 && statsd.dropped() == 0; ++i) {
    statsd.gauge("x", i);
    statsd.flush();
  }
  EXPECT_GT(statsd.dropped(), 0u);
  EXPECT_EQ(datagram(server.get()), "x:0|g");
  std::filesystem::remove_all(folder);
}

TEST(Statsd, NobodyListeningIsNoError) {
  std::string host;
  {
    UdpServer server;
    host = server.host;
  }
  Statsd statsd(host, "", "");
  for (int i = 0; i < 3; ++i) {
    statsd.gauge("x", 1);
    statsd.flush();
  }
}

TEST(Statsd, AddressesThatCannotBeAreRefused) {
  EXPECT_THROW(Statsd("no host has this name:1", "", ""), std::exception);
  EXPECT_THROW(Statsd("fd://3", "", ""), std::invalid_argument);
  EXPECT_THROW(Statsd("localhost:99999", "", ""), std::invalid_argument);
}

}  // namespace
}  // namespace prefork::serve

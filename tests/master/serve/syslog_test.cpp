#include "master/serve/syslog.hpp"

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
#include <stdexcept>
#include <string>

#include "shm/fd.hpp"

namespace prefork::serve {
namespace {

using Kind = SyslogAddress::Kind;
using shm::UniqueFd;
using namespace std::string_literals;

// A server that listens on the loopback address or a path.
struct Server {
  UniqueFd fd;
  std::uint16_t port = 0;
};

Server listen_inet(int type, std::uint16_t port = 0) {
  Server server;
  server.fd.reset(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const int yes = 1;
  setsockopt(server.fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof name;
  EXPECT_EQ(bind(server.fd.get(), reinterpret_cast<sockaddr*>(&name), length), 0);
  getsockname(server.fd.get(), reinterpret_cast<sockaddr*>(&name), &length);
  server.port = ntohs(name.sin_port);
  EXPECT_TRUE(type != SOCK_STREAM || listen(server.fd.get(), 5) == 0);
  return server;
}

UniqueFd listen_unix(const std::string& path, int type) {
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strcpy(name.sun_path, path.c_str());
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  EXPECT_TRUE(type != SOCK_STREAM || listen(fd.get(), 5) == 0);
  return fd;
}

std::string receive(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  if (poll(&waiting, 1, 30'000) != 1) return "nothing came";
  std::string bytes(65536, '\0');
  const ssize_t got = recv(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

struct Folder {
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "prefork-syslog-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

LogChunk lines(const std::string& text) { return {Severity::Info, false, text, 0}; }

TEST(Syslog, AddressesAreReadAsGunicornDoes) {
  EXPECT_EQ(parse_syslog_address("udp://localhost:514"), (SyslogAddress{Kind::Udp, "localhost", 514, ""}));
  EXPECT_EQ(parse_syslog_address("udp://"), (SyslogAddress{Kind::Udp, "localhost", 514, ""}));
  EXPECT_EQ(parse_syslog_address("tcp://logs.example.org"), (SyslogAddress{Kind::Tcp, "logs.example.org", 514, ""}));
  EXPECT_EQ(parse_syslog_address("tcp://[::1]:6514"), (SyslogAddress{Kind::Tcp, "::1", 6514, ""}));
  EXPECT_EQ(parse_syslog_address("unix:///dev/log"), (SyslogAddress{Kind::Unix, "", 0, "/dev/log"}));
  EXPECT_EQ(parse_syslog_address("unix:///dev/log#dgram"), (SyslogAddress{Kind::UnixDatagram, "", 0, "/dev/log"}));
  EXPECT_EQ(parse_syslog_address("unix:///dev/log#stream"), (SyslogAddress{Kind::UnixStream, "", 0, "/dev/log"}));
  for (const char* bad : {"", "localhost", "localhost:514", "http://x", "udp://h:x", "udp://h:70000", "udp://[::1",
                          "udp://[::1]x", "unix://", "unix://p#x"}) {
    EXPECT_THROW(parse_syslog_address(bad), std::invalid_argument) << bad;
  }
}

TEST(Syslog, FacilitiesHaveTheirNumbers) {
  EXPECT_EQ(parse_syslog_facility("user"), 1);
  EXPECT_EQ(parse_syslog_facility("LOCAL7"), 23);
  EXPECT_EQ(parse_syslog_facility("kern"), 0);
  EXPECT_THROW(parse_syslog_facility("local8"), std::invalid_argument);
}

TEST(Syslog, TagIsGunicorns) {
  EXPECT_EQ(syslog_tag("shop", "prefork", "access"), "gunicorn.shop.access");
  EXPECT_EQ(syslog_tag("", "a:b", "error"), "gunicorn.a.b.error");
}

TEST(Syslog, EachLineIsADatagram) {
  const Server server = listen_inet(SOCK_DGRAM);
  const auto device = open_syslog({Kind::Udp, "127.0.0.1", server.port, ""}, 16, "gunicorn.x.access", 42);
  LogChunk chunk = lines("one\ntwo\n");
  EXPECT_EQ(device->write(chunk), 0);
  EXPECT_TRUE(chunk.rest().empty());
  EXPECT_EQ(receive(server.fd.get()), "<134>gunicorn.x.access: [42] one\0"s);
  EXPECT_EQ(receive(server.fd.get()), "<134>gunicorn.x.access: [42] two\0"s);
}

TEST(Syslog, AMessageOfSeveralLinesIsOneDatagram) {
  const Server server = listen_inet(SOCK_DGRAM);
  const auto device = open_syslog({Kind::Udp, "127.0.0.1", server.port, ""}, 1, "t", 1);
  LogChunk chunk{Severity::Error, true, "Traceback\n  line\n", 0};
  EXPECT_EQ(device->write(chunk), 0);
  EXPECT_EQ(receive(server.fd.get()), "<11>t: [1] Traceback\n  line\0"s);
}

TEST(Syslog, StreamsGetOneLineAMessage) {
  const Server server = listen_inet(SOCK_STREAM);
  const auto device = open_syslog({Kind::Tcp, "127.0.0.1", server.port, ""}, 1, "t", 1);
  LogChunk chunk{Severity::Critical, true, "a\nb\n", 0};
  EXPECT_EQ(device->write(chunk), 0);
  UniqueFd accepted(accept(server.fd.get(), nullptr, nullptr));
  EXPECT_EQ(receive(accepted.get()), "<10>t: [1] a#012b\n");
}

TEST(Syslog, UnixSocketIsTriedAsDatagramThenAsStream) {
  Folder folder;
  const UniqueFd datagram = listen_unix(folder.path / "d", SOCK_DGRAM),
                 stream = listen_unix(folder.path / "s", SOCK_STREAM);
  LogChunk one = lines("x\n"), two = lines("y\n");
  const auto to_datagram = open_syslog({Kind::Unix, "", 0, folder.path / "d"}, 1, "t", 1);
  EXPECT_EQ(to_datagram->write(one), 0);
  EXPECT_EQ(receive(datagram.get()), "<14>t: [1] x\0"s);
  const auto to_stream = open_syslog({Kind::Unix, "", 0, folder.path / "s"}, 1, "t", 1);
  EXPECT_EQ(to_stream->write(two), 0);
  UniqueFd accepted(accept(stream.get(), nullptr, nullptr));
  EXPECT_EQ(receive(accepted.get()), "<14>t: [1] y\n");
}

TEST(Syslog, AServerThatComesLateGetsWhatWasKept) {
  Folder folder;
  const auto device = open_syslog({Kind::UnixDatagram, "", 0, folder.path / "late"}, 1, "t", 1);
  LogChunk chunk = lines("x\ny\n");
  EXPECT_EQ(device->write(chunk), ENOENT);
  EXPECT_EQ(chunk.rest(), "x\ny\n");
  const UniqueFd server = listen_unix(folder.path / "late", SOCK_DGRAM);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (device->write(chunk) != 0 && std::chrono::steady_clock::now() < deadline) poll(nullptr, 0, 10);
  EXPECT_TRUE(chunk.rest().empty());
  EXPECT_EQ(receive(server.get()), "<14>t: [1] x\0"s);
}

TEST(Syslog, AFullStreamKeepsTheRestForLater) {
  const Server server = listen_inet(SOCK_STREAM);
  const auto device = open_syslog({Kind::Tcp, "127.0.0.1", server.port, ""}, 1, "t", 1);
  std::string sent;
  int error = 0;
  const std::string line = std::string(50'000, 'x') + "\n";
  LogChunk chunk = lines(line);
  while ((error = device->write(chunk)) == 0) {
    sent += "<14>t: [1] " + line;
    chunk = lines(line);
  }
  EXPECT_EQ(error, EAGAIN);
  UniqueFd accepted(accept(server.fd.get(), nullptr, nullptr));
  std::string got;
  while (device->write(chunk) != 0) got += receive(accepted.get());
  sent += "<14>t: [1] " + line;
  while (got.size() < sent.size()) got += receive(accepted.get());
  EXPECT_TRUE(got == sent);
}

TEST(Syslog, AMessageTooLongForADatagramIsSkipped) {
  const Server server = listen_inet(SOCK_DGRAM);
  const auto device = open_syslog({Kind::Udp, "127.0.0.1", server.port, ""}, 1, "t", 1);
  LogChunk chunk = lines(std::string(70'000, 'x') + "\nafter\n");
  EXPECT_EQ(device->write(chunk), 0);
  EXPECT_EQ(receive(server.fd.get()), "<14>t: [1] after\0"s);
}

TEST(Syslog, ReconnectsToAServerThatWasRestarted) {
  Server server = listen_inet(SOCK_STREAM);
  const auto device = open_syslog({Kind::Tcp, "127.0.0.1", server.port, ""}, 1, "t", 1);
  LogChunk chunk = lines("x\n");
  ASSERT_EQ(device->write(chunk), 0);
  UniqueFd first(accept(server.fd.get(), nullptr, nullptr));
  receive(first.get());
  const linger reset{1, 0};
  setsockopt(first.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  first.reset();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  UniqueFd second;
  while (!second && std::chrono::steady_clock::now() < deadline) {
    chunk = lines("y\n");
    static_cast<void>(device->write(chunk));
    pollfd waiting{server.fd.get(), POLLIN, 0};
    if (poll(&waiting, 1, 10) == 1) second.reset(accept(server.fd.get(), nullptr, nullptr));
  }
  EXPECT_EQ(receive(second.get()).substr(0, 13), "<14>t: [1] y\n");
}

TEST(Syslog, AnUnknownHostIsAStartUpError) {
  EXPECT_THROW(open_syslog({Kind::Udp, "no host has this name", 514, ""}, 1, "t", 1), std::system_error);
}

}  // namespace
}  // namespace prefork::serve

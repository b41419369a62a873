#include "master/serve/log_sink.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include "shm/fd.hpp"

namespace prefork::serve {
namespace {

using namespace std::chrono_literals;
using shm::UniqueFd;
constexpr auto kLong = 30s;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "prefork-log-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void append(LogSink& sink, std::string lines) { sink.append(Severity::Info, lines); }

std::string read_some(int fd, std::size_t most = 1 << 16) {
  std::string bytes(most, '\0');
  pollfd waiting{fd, POLLIN, 0};
  if (poll(&waiting, 1, 30'000) != 1) return "nothing came";
  const ssize_t got = read(fd, bytes.data(), bytes.size());
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kLong;
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return false;
}

// A device that a test can shut.
class GateDevice final : public LogDevice {
 public:
  explicit GateDevice(std::string& taken, std::mutex& mutex, int& error)
      : taken_(taken), mutex_(mutex), error_(error) {}
  int write(LogChunk& chunk) override {
    const std::lock_guard lock(mutex_);
    if (error_ != 0) return error_;
    taken_ += chunk.rest();
    chunk.written = chunk.bytes.size();
    return 0;
  }
  std::string_view name() const override { return "gate"; }

 private:
  std::string& taken_;
  std::mutex& mutex_;
  int& error_;
};

TEST(LogSink, LinesReachTheFileInOrder) {
  TemporaryFolder folder;
  LogWriter writer;
  LogSink sink(writer, open_log_file(folder / "a.log"), "access log");
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    append(sink, line);
    expected += line;
  }
  ASSERT_TRUE(writer.sync(kLong));
  EXPECT_EQ(content(folder / "a.log"), expected);
}

TEST(LogSink, AppendsToWhatTheFileHas) {
  TemporaryFolder folder;
  std::ofstream(folder / "a.log") << "old\n";
  {
    LogWriter writer;
    LogSink sink(writer, open_log_file(folder / "a.log"), "access log");
    append(sink, "new\n");
  }
  EXPECT_EQ(content(folder / "a.log"), "old\nnew\n");
}

TEST(LogSink, TakesTheStringAndGivesItsMemoryBack) {
  TemporaryFolder folder;
  LogWriter writer;
  LogSink sink(writer, open_log_file(folder / "a.log"), "access log");
  std::string lines(10'000, 'x');
  lines += '\n';
  sink.append(Severity::Info, lines);
  EXPECT_TRUE(lines.empty());
  ASSERT_TRUE(writer.sync(kLong));
  lines = "y\n";
  sink.append(Severity::Info, lines);
  EXPECT_TRUE(lines.empty());
  EXPECT_GE(lines.capacity(), 10'000u);
}

TEST(LogSink, ReopenWritesToTheNewFile) {
  TemporaryFolder folder;
  LogWriter writer;
  LogSink sink(writer, open_log_file(folder / "a.log"), "access log");
  append(sink, "one\n");
  ASSERT_TRUE(writer.sync(kLong));
  std::filesystem::rename(folder / "a.log", folder / "a.log.1");
  append(sink, "two\n");
  ASSERT_TRUE(writer.sync(kLong));
  sink.reopen();
  append(sink, "three\n");
  ASSERT_TRUE(writer.sync(kLong));
  EXPECT_EQ(content(folder / "a.log.1").substr(0, 8), "one\ntwo\n");
  EXPECT_EQ(content(folder / "a.log.1") + content(folder / "a.log"), "one\ntwo\nthree\n");
  append(sink, "four\n");
  ASSERT_TRUE(writer.sync(kLong));
  EXPECT_EQ(content(folder / "a.log").substr(content(folder / "a.log").size() - 5), "four\n");
}

TEST(LogSink, AFileThatCannotBeReopenedIsKeptAndSaid) {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder / "sub");
  LogWriter writer;
  LogSink sink(writer, open_log_file(folder / "sub/a.log"), "access log");
  std::filesystem::rename(folder / "sub", folder / "moved");
  sink.reopen();
  append(sink, "still\n");
  ASSERT_TRUE(writer.sync(kLong));
  EXPECT_EQ(content(folder / "moved/a.log"), "still\n");
  const std::string news = sink.news();
  EXPECT_NE(news.find("cannot be reopened"), std::string::npos) << news;
  EXPECT_NE(news.find("sub/a.log"), std::string::npos) << news;
  EXPECT_EQ(sink.news(), "");
}

TEST(LogSink, AFileThatCannotBeOpenedIsAnErrorWithItsPath) {
  try {
    open_log_file("/nonexistent/folder/a.log");
    ADD_FAILURE() << "opened";
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("/nonexistent/folder/a.log"), std::string::npos);
    EXPECT_EQ(error.code().value(), ENOENT);
  }
}

TEST(LogSink, EndOfSinkAndWriterLosesNothing) {
  TemporaryFolder folder;
  {
    LogWriter writer;
    LogSink sink(writer, open_log_file(folder / "a.log"), "access log");
    for (int i = 0; i < 100; ++i) append(sink, "x\n");
  }
  EXPECT_EQ(content(folder / "a.log").size(), 200u);
}

TEST(LogSink, FullPipeDropsCountsAndSaysItOnce) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reader(ends[0]), writing(ends[1]);
  // Full from the start: not a byte is written before somebody reads.
  const int flags = fcntl(writing.get(), F_GETFL);
  ASSERT_EQ(fcntl(writing.get(), F_SETFL, flags | O_NONBLOCK), 0);
  std::size_t filler = 0;
  while (write(writing.get(), "f", 1) == 1) ++filler;
  ASSERT_EQ(fcntl(writing.get(), F_SETFL, flags), 0);
  LogWriter writer;
  LogSink sink(writer, open_log_stream(writing.get(), "stdout"), "access log", 1 << 20);
  const std::string lines = std::string(99, 'x') + "\n";
  std::string block;
  for (int i = 0; i < 100; ++i) block += lines;
  ASSERT_TRUE(eventually([&] { return append(sink, block), sink.dropped() != 0; }));
  const std::string began = sink.news();
  EXPECT_NE(began.find("access log stdout: cannot be written now"), std::string::npos) << began;
  append(sink, block);
  EXPECT_EQ(sink.news(), "");
  EXPECT_EQ(sink.dropped() % 100, 0u);

  // Whole lines only came through, and all that were not dropped.
  std::string got;
  ASSERT_TRUE(eventually([&] {
    got += read_some(reader.get());
    return sink.news().find("lines were dropped") != std::string::npos;
  }));
  writing.reset();
  got.erase(0, filler);
  for (std::size_t at = 0; at + 100 <= got.size(); at += 100) ASSERT_EQ(got.substr(at, 100), lines);
}

TEST(LogSink, PipeWithoutReaderIsSaidAndDoesNotKill) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd writing(ends[1]);
  LogWriter writer;
  LogSink sink(writer, open_log_stream(writing.get(), "stdout"), "access log");
  close(ends[0]);
  append(sink, "x\n");
  ASSERT_TRUE(writer.sync(kLong));
  EXPECT_NE(sink.news().find("Broken pipe"), std::string::npos);
}

TEST(LogSink, StreamOverASocketIsWritten) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd reader(ends[0]), writing(ends[1]);
  LogWriter writer;
  LogSink sink(writer, open_log_stream(writing.get(), "stdout"), "access log");
  append(sink, "hello\n");
  EXPECT_EQ(read_some(reader.get()), "hello\n");
}

TEST(LogSink, NamedPipeWithoutReaderDoesNotHang) {
  TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  LogWriter writer;
  LogSink sink(writer, open_log_file(folder / "fifo"), "access log");
  append(sink, "early\n");
  UniqueFd reader(open((folder / "fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_EQ(read_some(reader.get()), "early\n");
}

TEST(LogSink, OtherHoldersOfAPipeStayBlocking) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reader(ends[0]), writing(ends[1]);
  LogWriter writer;
  LogSink sink(writer, open_log_stream(writing.get(), "stdout"), "access log");
  append(sink, "x\n");
  ASSERT_TRUE(writer.sync(kLong));
  EXPECT_EQ(fcntl(writing.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(LogSink, WhatADeviceRefusesIsKeptUpToTheLimitAndWrittenLater) {
  std::string taken;
  std::mutex mutex;
  int error = ENOSPC;
  LogWriter writer;
  LogSink sink(writer, std::make_unique<GateDevice>(taken, mutex, error), "access log", 10);
  append(sink, "1234\n");
  append(sink, "5678\n");
  append(sink, "a\nb\nc\n");
  ASSERT_TRUE(writer.sync(kLong));
  EXPECT_EQ(sink.dropped(), 3u);
  EXPECT_NE(sink.news().find("No space left on device"), std::string::npos);
  {
    const std::lock_guard lock(mutex);
    error = 0;
  }
  sink.reopen();  // wakes the writer
  ASSERT_TRUE(writer.sync(kLong));
  EXPECT_EQ(taken, "1234\n5678\n");
  EXPECT_EQ(sink.news(), "access log gate: writing again, 3 lines were dropped");
  append(sink, "9\n");
  ASSERT_TRUE(writer.sync(kLong));
  EXPECT_EQ(taken, "1234\n5678\n9\n");
  EXPECT_EQ(sink.news(), "");
}

TEST(LogSink, OneBadDeviceDoesNotHoldUpTheOthers) {
  TemporaryFolder folder;
  std::string taken;
  std::mutex mutex;
  int error = EAGAIN;
  LogWriter writer;
  LogSink bad(writer, std::make_unique<GateDevice>(taken, mutex, error), "access log");
  LogSink good(writer, open_log_file(folder / "a.log"), "error log");
  append(bad, "x\n");
  append(good, "y\n");
  ASSERT_TRUE(writer.sync(kLong));
  EXPECT_EQ(content(folder / "a.log"), "y\n");
  const std::lock_guard lock(mutex);
  error = 0;
}

}  // namespace
}  // namespace prefork::serve

#include "master/http/out_queue.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace prefork::http {
namespace {

// Takes as many bytes as a test leaves room for.
struct Reader : net::Stream {
  net::IoResult take(std::string_view bytes) {
    if (failed) return {net::Io::Failed, 0};
    if (room == 0) return {net::Io::WouldBlock, 0};
    const auto took = std::min(room, bytes.size());
    got += bytes.substr(0, took);
    room -= took;
    return {net::Io::Done, took};
  }
  net::IoResult read(std::span<char>) override { return {net::Io::WouldBlock, 0}; }
  net::IoResult write(std::span<const iovec> pieces) override {
    ++writes;
    std::string all;
    for (const auto& piece : pieces) all.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    return take(all);
  }
  net::IoResult send_file(int fd, std::uint64_t offset, std::size_t bytes) override {
    std::string piece(bytes, '\0');
    const auto read = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(offset));
    if (read <= 0) return {net::Io::Eof, 0};
    return take(std::string_view(piece).substr(0, static_cast<std::size_t>(read)));
  }
  void want(bool, bool) override {}
  void end_write(Ending) override {}

  std::string got;
  std::size_t room = ~std::size_t{0};
  int writes = 0;
  bool failed = false;
};

constexpr net::Spool::Limits kMemoryOnly{1 << 20, 0};
constexpr net::Spool::Limits kSpooled{4096, 1 << 30};

class OutQueueTest : public ::testing::Test {
 protected:
  bool write(std::string_view bytes, const net::Spool::Limits& limits = kMemoryOnly) {
    expected += bytes;
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    return out.write(reader, {&piece, 1}, limits);
  }
  bool write_file(std::string_view content, std::uint64_t offset, std::uint64_t length) {
    shm::UniqueFd fd(::memfd_create("content", MFD_CLOEXEC));
    EXPECT_EQ(::write(fd.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
    expected += content.substr(offset, length);
    return out.write_file(reader, std::move(fd), offset, length);
  }
  // As a connection does it: told that there is room, it flushes.
  bool drain(std::size_t step) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!out.empty() && std::chrono::steady_clock::now() < limit) {
      reader.room = step;
      if (!out.flush(reader)) return false;
      uv_run(loop.uv(), UV_RUN_NOWAIT);
    }
    return out.empty();
  }

  net::Loop loop;
  net::SpoolBudget budget;
  int refilled = 0;
  Reader reader;
  std::string expected;
  OutQueue out{loop, budget, [this] { ++refilled; }};
};

TEST_F(OutQueueTest, WritesStraightWhileTheReaderTakesEverything) {
  ASSERT_TRUE(write("one"));
  ASSERT_TRUE(write("two"));
  EXPECT_EQ(reader.got, "onetwo");
  EXPECT_TRUE(out.empty());
  EXPECT_FALSE(out.blocked());
  EXPECT_EQ(out.sent(), 6U);
}

TEST_F(OutQueueTest, CorkedPiecesGoOutInOneWrite) {
  out.cork();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(write("piece."));
  EXPECT_EQ(reader.writes, 0);
  ASSERT_TRUE(out.flush(reader));
  EXPECT_EQ(reader.writes, 1);
  EXPECT_EQ(reader.got, expected);
}

TEST_F(OutQueueTest, WhatAReaderDoesNotTakeIsKeptInOrder) {
  reader.room = 2;
  ASSERT_TRUE(write("first."));
  EXPECT_TRUE(out.blocked());
  EXPECT_EQ(out.size(), 4U);
  reader.room = 100;
  ASSERT_TRUE(write("second."));
  EXPECT_EQ(reader.got, "fi") << "nothing overtakes what waits";
  EXPECT_TRUE(drain(3));
  EXPECT_EQ(reader.got, expected);
  EXPECT_EQ(out.sent(), expected.size());
}

TEST_F(OutQueueTest, BytesFilesAndBytesKeepTheirOrderForASlowReader) {
  reader.room = 1;
  ASSERT_TRUE(write("head."));
  ASSERT_TRUE(write_file("0123456789", 2, 5));
  ASSERT_TRUE(write("between."));
  ASSERT_TRUE(write_file("abcdefghij", 0, 10));
  ASSERT_TRUE(write("end."));
  EXPECT_EQ(out.size(), expected.size() - 1);
  EXPECT_TRUE(drain(3));
  EXPECT_EQ(reader.got, "head.23456between.abcdefghijend.");
}

TEST_F(OutQueueTest, ACorkedHeadGoesBeforeItsFile) {
  out.cork();
  ASSERT_TRUE(write("head."));
  ASSERT_TRUE(write_file("content", 0, 7));
  EXPECT_EQ(reader.got, "head.content");
}

TEST_F(OutQueueTest, ALargeReplyPassesThroughAFileInOrder) {
  reader.room = 0;
  for (int i = 0; i < 3'000; ++i) {
    ASSERT_TRUE(write("line " + std::to_string(i) + "\n", kSpooled));
    if (i % 100 == 0) uv_run(loop.uv(), UV_RUN_NOWAIT);
  }
  EXPECT_TRUE(drain(1'000));
  EXPECT_EQ(reader.got, expected);
  EXPECT_GT(refilled, 0);
  EXPECT_EQ(budget.used, 0U);
}

TEST_F(OutQueueTest, FullTellsTheSourceToStop) {
  reader.room = 0;
  const net::Spool::Limits little{100, 0};
  ASSERT_TRUE(write(std::string(50, 'x'), little));
  EXPECT_FALSE(out.full());
  ASSERT_TRUE(write(std::string(100, 'x'), little));
  EXPECT_TRUE(out.full());
  EXPECT_TRUE(drain(60));
  EXPECT_FALSE(out.full());
}

TEST_F(OutQueueTest, AFailedStreamIsSaid) {
  reader.failed = true;
  EXPECT_FALSE(write("lost"));
}

TEST_F(OutQueueTest, AFileShorterThanSaidIsAFailure) {
  EXPECT_FALSE(write_file("short", 0, 50));
  EXPECT_EQ(reader.got, "short");
}

}  // namespace
}  // namespace prefork::http

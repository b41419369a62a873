#include "master/serve/error_log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <regex>
#include <thread>

#include "master/serve/line_splitter.hpp"
#include "tests/master/serve/memory_device.hpp"

namespace prefork::serve {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  explicit Fixture(ErrorLog::Options options)
      : sink(writer, std::make_unique<MemoryDevice>(kept), "error log"),
        syslog(writer, std::make_unique<MemoryDevice>(syslog_kept), "error log"),
        log(&sink, &syslog, options) {}

  std::string text() {
    EXPECT_TRUE(writer.sync(30s));
    return kept.text();
  }

  Kept kept, syslog_kept;
  LogWriter writer;
  LogSink sink, syslog;
  ErrorLog log;
};

ErrorLog::Options options(Level level = Level::Info) {
  ErrorLog::Options out;
  out.level = level;
  out.pid = 42;
  return out;
}

TEST(ErrorLog, LineIsGunicorns) {
  Fixture test(options());
  test.log.info("Listening at: ", "http://127.0.0.1:8000", " (", 42, ")");
  EXPECT_TRUE(std::regex_match(
      test.text(),
      std::regex(
          R"(\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[42\] \[INFO\] Listening at: http://127\.0\.0\.1:8000 \(42\)\n)")))
      << test.text();
}

TEST(ErrorLog, LevelsBelowAreLeftOutButCounted) {
  Fixture test(options(Level::Error));
  test.log.debug("d");
  test.log.info("i");
  test.log.warning("w");
  test.log.write(Level::Warning, "w");
  test.log.error("e");
  test.log.critical("c");
  const std::string text = test.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_NE(text.find("[ERROR] e\n"), std::string::npos);
  EXPECT_NE(text.find("[CRITICAL] c\n"), std::string::npos);
  EXPECT_EQ(test.log.count(Level::Warning), 2u);
  EXPECT_EQ(test.log.count(Level::Error), 1u);
  EXPECT_EQ(test.log.count(Level::Debug), 1u);
}

TEST(ErrorLog, NumbersOfEveryKindAreParts) {
  Fixture test(options());
  test.log.info(-1, " ", std::uint64_t{18446744073709551615u}, " ", std::string("s"), std::string_view("v"));
  EXPECT_NE(test.text().find("-1 18446744073709551615 sv\n"), std::string::npos);
}

TEST(ErrorLog, SyslogGetsTheMessageAloneWithItsSeverity) {
  Fixture test(options());
  test.log.warning("careful\nsecond line");
  test.text();
  EXPECT_EQ(test.syslog_kept.text(), "careful\nsecond line\n");
  EXPECT_EQ(test.syslog_kept.chunks.at(0).severity, Severity::Warning);
  EXPECT_TRUE(test.syslog_kept.chunks.at(0).whole);
}

TEST(ErrorLog, ColourMarksTheLevelOnly) {
  ErrorLog::Options colour = options();
  colour.colour = true;
  Fixture test(colour);
  test.log.error("x");
  EXPECT_NE(test.text().find("\x1b[31m[ERROR]\x1b[0m x\n"), std::string::npos);
}

TEST(ErrorLog, JsonIsOneObjectALine) {
  ErrorLog::Options json = options();
  json.json = true;
  Fixture test(json);
  test.log.error("a \"quoted\"\nline \xff");
  EXPECT_TRUE(std::regex_match(
      test.text(),
      std::regex(
          R"re(\{"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","severity_text":"ERROR","severity_number":17,"process\.pid":42,"body":"a \\"quoted\\"\\nline \\ufffd"\}\n)re")))
      << test.text();
}

TEST(ErrorLog, WorkerLinesGoAsTheyAre) {
  Fixture test(options(Level::Critical));
  test.log.worker_line(7, "Traceback (most recent call last):");
  EXPECT_EQ(test.text(), "Traceback (most recent call last):\n");
  EXPECT_EQ(test.syslog_kept.text(), "");
}

TEST(ErrorLog, WorkerLinesAreWrappedInJson) {
  ErrorLog::Options json = options();
  json.json = true;
  Fixture test(json);
  test.log.worker_line(7, "x");
  EXPECT_NE(test.text().find(R"("process.pid":7,"body":"x"})"), std::string::npos);
}

TEST(ErrorLog, NewsOfASinkIsAWarning) {
  Fixture test(options());
  Kept none;
  std::string text = "too long\n";
  LogSink small(test.writer, std::make_unique<MemoryDevice>(none), "access log", 1);
  small.append(Severity::Info, text);
  test.log.say_news(small);
  EXPECT_NE(test.text().find("[WARNING] access log memory: cannot be written now"), std::string::npos) << test.text();
}

TEST(ErrorLog, LinesOfSeveralThreadsDoNotMix) {
  Fixture test(options());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) test.log.info("abcdefghij");
    });
  for (auto& thread : threads) thread.join();
  const std::string text = test.text();
  std::size_t lines = 0;
  for (std::size_t at = 0; at < text.size(); ++lines) {
    const auto end = text.find('\n', at);
    ASSERT_TRUE(std::string_view(text).substr(at, end - at).ends_with("] [42] [INFO] abcdefghij"));
    at = end + 1;
  }
  EXPECT_EQ(lines, 800u);
  EXPECT_EQ(test.log.count(Level::Info), 800u);
}

TEST(ErrorLog, LevelsAreReadInAnyCase) {
  EXPECT_EQ(parse_level("INFO"), Level::Info);
  EXPECT_EQ(parse_level("critical"), Level::Critical);
  EXPECT_FALSE(parse_level("verbose"));
}

TEST(ErrorLog, NoColourWithoutATerminal) {
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  EXPECT_FALSE(wants_colour(null));
  close(null);
}

std::vector<std::string> split(std::initializer_list<std::string_view> pieces) {
  LineSplitter splitter;
  std::vector<std::string> lines;
  const auto take = [&](std::string_view line) { lines.emplace_back(line); };
  for (const std::string_view piece : pieces) splitter.feed(piece, take);
  splitter.finish(take);
  return lines;
}

TEST(LineSplitter, MakesLinesOfAnyPieces) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(split({"a\nb\n"}), (Lines{"a", "b"}));
  EXPECT_EQ(split({"a", "b", "\nc", "\n"}), (Lines{"ab", "c"}));
  EXPECT_EQ(split({"\n\n"}), (Lines{"", ""}));
  EXPECT_EQ(split({"a\r", "\nb\r\n"}), (Lines{"a", "b"}));
  EXPECT_EQ(split({"rest"}), (Lines{"rest"}));
  EXPECT_EQ(split({""}), Lines{});
}

TEST(LineSplitter, ALineWithoutEndIsHandedOutInParts) {
  const std::string half(LineSplitter::kLongest / 2 + 1, 'x');
  const auto lines = split({half, half, half, half, "\n"});
  std::size_t bytes = 0;
  for (const auto& line : lines) {
    EXPECT_LE(line.size(), LineSplitter::kLongest);
    bytes += line.size();
  }
  EXPECT_EQ(bytes, 4 * half.size());
}

}  // namespace
}  // namespace prefork::serve

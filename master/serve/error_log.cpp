#include "master/serve/error_log.hpp"

#include <cstdlib>
#include <ctime>

#include "master/http/characters.hpp"
#include "master/serve/json_text.hpp"

namespace prefork::serve {
namespace {

struct LevelFacts {
  std::string_view name;
  Severity severity;
  int open_telemetry;  // SeverityNumber of the log data model
  std::string_view colour;
};
constexpr std::array<LevelFacts, kLevels> kFacts{{{"DEBUG", Severity::Debug, 5, "\x1b[2m"},
                                                  {"INFO", Severity::Info, 9, "\x1b[32m"},
                                                  {"WARNING", Severity::Warning, 13, "\x1b[33m"},
                                                  {"ERROR", Severity::Error, 17, "\x1b[31m"},
                                                  {"CRITICAL", Severity::Critical, 21, "\x1b[1;31m"}}};

const LevelFacts& facts(Level level) { return kFacts[static_cast<std::size_t>(level)]; }

void append_local_time(std::string& out) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[40];
  out.append(text, std::strftime(text, sizeof text, "[%Y-%m-%d %H:%M:%S %z]", &parts));
}

void append_utc_time(std::string& out) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  char text[40];
  out.append(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts));
  const std::string micros = std::to_string(1'000'000 + now.tv_nsec / 1000);
  out += '.';
  out.append(micros, 1);
  out += 'Z';
}

}  // namespace

std::optional<Level> parse_level(std::string_view text) {
  for (std::size_t i = 0; i < kFacts.size(); ++i) {
    if (http::same_name(text, kFacts[i].name)) return static_cast<Level>(i);
  }
  return {};
}

bool wants_colour(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(fd) == 1 && (no_colour == nullptr || *no_colour == '\0') && terminal != nullptr &&
         std::string_view{terminal} != "dumb";
}

void ErrorLog::write(Level level, std::string_view message) {
  tally(level);
  if (!enabled(level)) return;
  const LevelFacts& about = facts(level);
  if (sink_ != nullptr) {
    std::string line =
        options_.json ? json_line(about.name, about.open_telemetry, options_.pid, message) : text_line(level, message);
    sink_->append_message(about.severity, line);
  }
  if (syslog_ != nullptr) {
    std::string line(message);
    line += '\n';
    syslog_->append_message(about.severity, line);
  }
}

std::string ErrorLog::text_line(Level level, std::string_view message) const {
  std::string line;
  line.reserve(message.size() + 64);
  append_local_time(line);
  line += " [";
  add(line, options_.pid);
  line += "] ";
  if (options_.colour) line += facts(level).colour;
  line += '[';
  line += facts(level).name;
  line += ']';
  if (options_.colour) line += "\x1b[0m";
  line += ' ';
  line += message;
  line += '\n';
  return line;
}

// Names of OpenTelemetry's log data model.
std::string ErrorLog::json_line(std::string_view severity, int number, int pid, std::string_view message) const {
  std::string line = R"({"timestamp":")";
  append_utc_time(line);
  line += "\"";
  if (!severity.empty()) {
    line += R"(,"severity_text":")";
    line += severity;
    line += R"(","severity_number":)";
    add(line, number);
  }
  line += R"(,"process.pid":)";
  add(line, pid);
  line += R"(,"body":)";
  append_json_string(line, message);
  line += "}\n";
  return line;
}

void ErrorLog::worker_line(int worker_pid, std::string_view line) {
  if (sink_ == nullptr) return;
  std::string text = options_.json ? json_line({}, 0, worker_pid, line) : std::string(line) + '\n';
  sink_->append_message(Severity::Info, text);
}

}  // namespace prefork::serve

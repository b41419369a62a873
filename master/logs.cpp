#include "master/logs.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

#include "master/serve/syslog.hpp"

namespace prefork {

using namespace serve;

namespace {

constexpr int kPipeBytes = 1 << 20;

std::unique_ptr<LogDevice> open_device(const std::string& path, int stream, const char* name) {
  return path == "-" ? open_log_stream(stream, name) : open_log_file(path);
}

std::unique_ptr<LogDevice> open_syslog_of(const Config& config, std::string_view name) {
  const std::string& proc_name = config.proc_name.empty() ? config.default_proc_name : config.proc_name;
  return open_syslog(parse_syslog_address(config.syslog_addr), parse_syslog_facility(config.syslog_facility),
                     syslog_tag(config.syslog_prefix, proc_name, name), ::getpid());
}

// The process that wrote "[time] [PID] [LEVEL] text"; 0 for any other line.
int writer_of(std::string_view line) {
  const auto open = line.find("] [");
  if (!line.starts_with('[') || open == std::string_view::npos) return 0;
  int pid = 0;
  const char* begin = line.data() + open + 3;
  const auto [end, error] = std::from_chars(begin, line.data() + line.size(), pid);
  return error == std::errc{} && end != line.data() + line.size() && *end == ']' ? pid : 0;
}

}  // namespace

Logs::Logs(const Config& config)
    : outputs_(open(config)), error_(outputs_.error_sink(), outputs_.syslog(), outputs_.options) {
  say_format();
  if (wants_pipe(config)) open_pipe();
}

Logs::~Logs() {
  if (outputs_.access_log) outputs_.access_log->flush();
}

// A terminal or a pipe that workers share with us needs no detour; a file, syslog and JSON are the master's to write.
bool Logs::wants_pipe(const Config& config) {
  return config.capture_output || config.errorlog != "-" || config.error_log_json || config.syslog;
}

Logs::Outputs Logs::open(const Config& config) {
  Outputs outputs;
  open_error_log(config, outputs);
  open_access_log(config, outputs);
  return outputs;
}

void Logs::open_error_log(const Config& config, Outputs& outputs) {
  outputs.error.push_back(
      std::make_unique<LogSink>(writer_, open_device(config.errorlog, STDERR_FILENO, "stderr"), "error log"));
  outputs.error_to_syslog = config.syslog;
  if (config.syslog)
    outputs.error.push_back(std::make_unique<LogSink>(writer_, open_syslog_of(config, "error"), "syslog"));
  outputs.options.level = parse_level(config.loglevel).value_or(Level::Info);
  outputs.options.json = config.error_log_json;
  outputs.options.colour = config.errorlog == "-" && wants_colour(STDERR_FILENO);
}

void Logs::open_access_log(const Config& config, Outputs& outputs) {
  const bool to_syslog = config.syslog && !config.disable_redirect_access_to_syslog;
  if (config.accesslog.empty() && !to_syslog) return;
  if (!config.accesslog.empty()) {
    outputs.access.push_back(
        std::make_unique<LogSink>(writer_, open_device(config.accesslog, STDOUT_FILENO, "stdout"), "access log"));
  }
  if (to_syslog)
    outputs.access.push_back(
        std::make_unique<LogSink>(writer_, open_syslog_of(config, "access"), "access log's syslog"));
  outputs.format = std::make_unique<AccessFormat>(config.access_log_format);
  std::vector<LogSink*> sinks;
  for (const auto& sink : outputs.access) sinks.push_back(sink.get());
  outputs.access_log = std::make_unique<AccessLog>(*outputs.format, config.access_log_json, std::move(sinks));
}

void Logs::say_format() {
  if (!outputs_.format) return;
  for (const std::string& warning : outputs_.format->warnings()) error_.warning(warning);
}

void Logs::prepare(const Config& fresh) {
  prepared_ = open(fresh);
  if (!wants_pipe(fresh) || pipe_write_) return;
  open_pipe();
  if (loop_ != nullptr) read_workers_on(*loop_);
}

void Logs::commit() {
  if (!prepared_) return;
  tick();
  access_dropped_before_ = access_dropped();
  error_dropped_before_ = error_dropped();
  error_.use(prepared_->error_sink(), prepared_->syslog(), prepared_->options);
  outputs_ = std::move(*prepared_);
  prepared_.reset();
  say_format();
}

void Logs::open_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw std::system_error(errno, std::system_category(), "a pipe for the workers' output");
  pipe_read_.reset(ends[0]);
  pipe_write_.reset(ends[1]);
  // Only our end: a worker that finds the pipe full waits, as it would before a terminal.
  ::fcntl(pipe_read_.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(pipe_read_.get(), F_SETPIPE_SZ, kPipeBytes);
}

void Logs::read_workers_on(net::Loop& loop) {
  loop_ = &loop;
  if (!pipe_read_) return;
  auto* poll = new uv_poll_t{};
  uv_poll_init(loop.uv(), poll, pipe_read_.get());
  poll->data = this;
  pipe_poll_.reset(poll);
  uv_poll_start(poll, UV_READABLE, [](uv_poll_t* handle, int, int) {
    if (handle->data != nullptr) static_cast<Logs*>(handle->data)->read_pipe();
  });
}

// What the last workers wrote is still in the pipe.
void Logs::stop_reading() {
  if (!pipe_poll_) return;
  pipe_poll_.reset();
  while (read_pipe()) {
  }
  splitter_.finish([this](std::string_view line) { worker_line(line); });
}

// False when nothing was there.
bool Logs::read_pipe() {
  std::array<char, 64 * 1024> buffer;
  const ssize_t count = ::read(pipe_read_.get(), buffer.data(), buffer.size());
  if (count <= 0) return false;
  splitter_.feed({buffer.data(), static_cast<std::size_t>(count)},
                 [this](std::string_view line) { worker_line(line); });
  return true;
}

void Logs::worker_line(std::string_view line) { error_.worker_line(writer_of(line), line); }

void Logs::reopen() {
  if (outputs_.access_log) outputs_.access_log->flush();
  for (const Sinks* sinks : {&outputs_.error, &outputs_.access}) {
    for (const auto& sink : *sinks) sink->reopen();
  }
}

void Logs::tick() {
  if (outputs_.access_log) outputs_.access_log->flush();
  for (const Sinks* sinks : {&outputs_.error, &outputs_.access}) {
    for (const auto& sink : *sinks) error_.say_news(*sink);
  }
}

std::uint64_t Logs::dropped(const Sinks& sinks) {
  std::uint64_t lines = 0;
  for (const auto& sink : sinks) lines += sink->dropped();
  return lines;
}

}  // namespace prefork

#include "master/process/hook_process.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "master/process/environment.hpp"
#include "master/serve/json_text.hpp"

namespace prefork::process {
namespace {

constexpr int kChannelFd = 3;

}  // namespace

HookProcess::HookProcess(net::Loop& loop, serve::ErrorLog& log, Command command)
    : loop_(loop), log_(log), command_(std::move(command)) {
  start();
}

bool HookProcess::wants(std::string_view hook) const {
  return std::find(command_.hooks.begin(), command_.hooks.end(), hook) != command_.hooks.end();
}

void HookProcess::retire() {
  poll_.reset();
  channel_.reset();
}

void HookProcess::start() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw std::system_error(errno, std::system_category(), "a socket for hooks");
  poll_.reset();
  channel_.reset(ends[0]);
  const shm::UniqueFd theirs(ends[1]);
  unsent_.clear();
  answers_.clear();

  const std::string fd = std::to_string(kChannelFd);
  std::array<const char*, 5> arguments{command_.python.c_str(), command_.script.c_str(), fd.c_str(),
                                       command_.directory.c_str(), nullptr};
  std::vector<char*> environment = environment_with(command_.environment);
  std::array<uv_stdio_container_t, kChannelFd + 1> stdio{};
  const std::array<int, kChannelFd + 1> inherited{0, command_.output_fd, command_.output_fd, theirs.get()};
  for (std::size_t i = 0; i < stdio.size(); ++i) {
    stdio[i].flags = UV_INHERIT_FD;
    stdio[i].data.fd = inherited[i];
  }
  uv_process_options_t options{};
  options.file = command_.python.c_str();
  options.args = const_cast<char**>(arguments.data());
  options.env = environment.data();
  options.stdio = stdio.data();
  options.stdio_count = static_cast<int>(stdio.size());
  options.exit_cb = [](uv_process_t* process, std::int64_t, int) {
    if (process->data != nullptr) static_cast<HookProcess*>(process->data)->on_exit();
  };
  auto* handle = new uv_process_t{};
  handle->data = this;
  const int error = uv_spawn(loop_.uv(), handle, &options);
  process_.reset(handle);
  if (error != 0) throw std::system_error(-error, std::system_category(), "starting " + command_.python + " for hooks");
  running_ = true;
  watch();

  std::string names;
  for (const std::string& hook : command_.hooks)
    names.append(names.empty() ? "" : ",").append(serve::json_string(hook));
  send("{\"settings\":" + serve::json_string(command_.settings) + ",\"kind\":" + serve::json_string(command_.kind) +
       ",\"path\":" + serve::json_string(command_.path) +
       ",\"directory\":" + serve::json_string(command_.launch_directory) + ",\"hooks\":[" + names +
       "],\"pid\":" + std::to_string(::getpid()) + "}\n");
}

void HookProcess::watch() {
  auto* handle = new uv_poll_t{};
  uv_poll_init(loop_.uv(), handle, channel_.get());
  handle->data = this;
  poll_.reset(handle);
  uv_poll_start(handle, UV_READABLE, [](uv_poll_t* polled, int, int) {
    if (polled->data != nullptr) static_cast<HookProcess*>(polled->data)->read_answers();
  });
}

void HookProcess::call(std::string_view hook, const Facts& facts, const WorkerFacts* worker,
                       std::string_view arguments) {
  if (!wants(hook)) return;
  try {
    if (!running_) start();
    send_call(hook, facts, worker, arguments);
  } catch (const std::exception& error) {
    log_.error("The hook ", hook, " does not run: ", std::string_view{error.what()});
  }
}

std::optional<std::string> HookProcess::call_and_wait(std::string_view hook, const Facts& facts,
                                                      std::chrono::milliseconds most) {
  if (!wants(hook)) return {};
  if (!running_) start();
  return wait_for(send_call(hook, facts, nullptr, {}), most);
}

std::uint64_t HookProcess::send_call(std::string_view hook, const Facts& facts, const WorkerFacts* worker,
                                     std::string_view arguments) {
  std::string line = call_line(++last_id_, hook, facts, worker, arguments);
  line.append(1, '\n');
  send(line);
  return last_id_;
}

void HookProcess::send(std::string_view line) {
  unsent_ += line;
  flush();
}

// What the process is too busy to take goes out with its next answer.
void HookProcess::flush() {
  while (!unsent_.empty()) {
    const ssize_t count = ::send(channel_.get(), unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    unsent_.erase(0, static_cast<std::size_t>(count));
  }
}

void HookProcess::read_answers() {
  std::array<char, 4096> buffer;
  const ssize_t count = ::recv(channel_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return on_exit();  // its end: the process is going
  answers_.append(buffer.data(), static_cast<std::size_t>(count));
  for (auto end = answers_.find('\n'); end != std::string::npos; end = answers_.find('\n')) {
    const std::string_view line = std::string_view(answers_).substr(0, end);
    last_ = answer_of(line);
    answers_.erase(0, end + 1);
  }
  flush();
}

std::optional<std::string> HookProcess::wait_for(std::uint64_t number, std::chrono::milliseconds most) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + most;
  while (last_.id < number) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (!running_) return "the process of the hooks has ended";
    if (left <= 0) return "it takes too long";
    pollfd wait{channel_.get(), static_cast<short>(unsent_.empty() ? POLLIN : POLLIN | POLLOUT), 0};
    if (::poll(&wait, 1, static_cast<int>(left)) <= 0) continue;
    flush();
    read_answers();
  }
  return last_.error.empty() ? std::optional<std::string>{} : last_.error;
}

void HookProcess::on_exit() {
  running_ = false;
  poll_.reset();
}

}  // namespace prefork::process

#include "master/serve/log_sink.hpp"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "master/net/signals_held.hpp"

namespace prefork::serve {

using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kRetry = std::chrono::milliseconds(50);  // while a device takes nothing
constexpr auto kLastChance = std::chrono::milliseconds(1000);
constexpr auto kQuiet = std::chrono::minutes(1);  // between two beginnings of trouble that are said
constexpr std::size_t kSpares = 4;

std::uint64_t count_lines(std::string_view text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}
std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

struct LogSink::State {
  // Constant after construction.
  std::string what;
  std::size_t limit = 0;

  // Used by the writer's thread only.
  std::unique_ptr<LogDevice> device;
  std::deque<LogChunk> backlog;
  std::vector<std::string> emptied;

  // Guarded by LogWriter::mutex_.
  std::vector<LogChunk> incoming;
  std::vector<std::string> spares;
  std::size_t waiting_bytes = 0;  // in incoming and backlog
  bool reopen = false;
  bool closed = false;
  std::uint64_t dropped = 0;
  std::uint64_t dropped_said = 0;
  bool troubled = false;  // the beginning was said
  bool stuck = false;     // the device took nothing when it was last tried
  int error = 0;
  int reopen_error = 0;
  Clock::time_point quiet_until{};

  // False when the device does not take all now.
  bool drain(int& why) {
    while (!backlog.empty()) {
      why = device->write(backlog.front());
      if (why != 0) return false;
      if (emptied.size() < kSpares) emptied.push_back(std::move(backlog.front().bytes));
      backlog.pop_front();
    }
    return true;
  }
};

LogSink::LogSink(LogWriter& writer, std::unique_ptr<LogDevice> device, std::string what, std::size_t limit)
    : writer_(writer), state_(std::make_shared<State>()) {
  state_->what = std::move(what);
  state_->limit = limit;
  state_->device = std::move(device);
  const std::lock_guard lock(writer_.mutex_);
  writer_.sinks_.push_back(state_);
}

LogSink::~LogSink() {
  const std::lock_guard lock(writer_.mutex_);
  state_->closed = true;
  ++writer_.appended_;
  writer_.work_.notify_one();
}

void LogSink::hand_over(Severity severity, bool whole, std::string& bytes) {
  if (bytes.empty()) return;
  const std::lock_guard lock(writer_.mutex_);
  State& state = *state_;
  if (state.waiting_bytes + bytes.size() > state.limit) {
    state.dropped += whole ? 1 : count_lines(bytes);
    bytes.clear();
    return;
  }
  std::string spare;
  if (!state.spares.empty()) {
    spare = std::move(state.spares.back());
    state.spares.pop_back();
  }
  state.waiting_bytes += bytes.size();
  state.incoming.push_back({severity, whole, std::exchange(bytes, std::move(spare)), 0});
  ++writer_.appended_;
  writer_.work_.notify_one();
}

void LogSink::reopen() {
  const std::lock_guard lock(writer_.mutex_);
  state_->reopen = true;
  ++writer_.appended_;
  writer_.work_.notify_one();
}

std::string LogSink::news() {
  const std::lock_guard lock(writer_.mutex_);
  State& state = *state_;
  const std::string where = state.what + " " + std::string(state.device->name());
  if (const int error = std::exchange(state.reopen_error, 0); error != 0)
    return where + ": cannot be reopened, the old file is kept: " + reason(error);
  if (!state.troubled) {
    const bool failing = state.stuck && state.error != EAGAIN;
    if ((!failing && state.dropped == state.dropped_said) || Clock::now() < state.quiet_until) return {};
    state.troubled = true;
    state.quiet_until = Clock::now() + kQuiet;
    return where + ": cannot be written now (" + reason(state.error) + "); " + std::to_string(state.limit) +
           " bytes are kept, further lines are dropped";
  }
  if (state.stuck) return {};
  state.troubled = false;
  return where + ": writing again, " +
         std::to_string(state.dropped - std::exchange(state.dropped_said, state.dropped)) + " lines were dropped";
}

std::uint64_t LogSink::dropped() const {
  const std::lock_guard lock(writer_.mutex_);
  return state_->dropped;
}

LogWriter::LogWriter() {
  const net::SignalsHeld held;  // also: a write to a pipe without a reader is an error there, not the end
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "prefork-log");
}

LogWriter::~LogWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    work_.notify_one();
  }
  thread_.join();
}

bool LogWriter::sync(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  const std::uint64_t goal = appended_;
  return progress_.wait_for(lock, most, [&] { return served_ >= goal; });
}

void LogWriter::run() {
  bool left = false;
  Clock::time_point deadline = Clock::time_point::max();
  std::unique_lock lock(mutex_);
  while (true) {
    const auto wanted = [&] { return appended_ != served_ || stop_; };
    if (left) {
      work_.wait_for(lock, kRetry, wanted);
    } else {
      work_.wait(lock, wanted);
    }
    if (stop_ && deadline == Clock::time_point::max()) deadline = Clock::now() + kLastChance;
    const std::uint64_t goal = appended_;
    States sinks = sinks_;
    lock.unlock();
    left = serve(sinks);
    sinks.clear();
    lock.lock();
    served_ = goal;
    progress_.notify_all();
    if (stop_ && appended_ == served_ && (!left || Clock::now() >= deadline)) return;
    if (stop_ && left) work_.wait_for(lock, kRetry, [] { return false; });
  }
}

bool LogWriter::serve(const States& sinks) {
  bool left = false;
  for (const auto& sink : sinks) {
    LogSink::State& state = *sink;
    bool reopen = false;
    {
      const std::lock_guard lock(mutex_);
      std::move(state.incoming.begin(), state.incoming.end(), std::back_inserter(state.backlog));
      state.incoming.clear();
      reopen = std::exchange(state.reopen, false);
    }
    int error = 0;
    bool drained = state.drain(error);
    int reopen_error = 0;
    if (reopen) {
      // Also when the old file took nothing: the rotation may be what makes room.
      reopen_error = state.device->reopen();
      drained = state.drain(error);
    }
    std::size_t waiting = 0;
    for (const LogChunk& chunk : state.backlog) waiting += chunk.bytes.size();

    const std::lock_guard lock(mutex_);
    for (const LogChunk& chunk : state.incoming) waiting += chunk.bytes.size();
    state.waiting_bytes = waiting;
    state.stuck = !drained;
    if (!drained) state.error = error;
    if (reopen_error != 0) state.reopen_error = reopen_error;
    for (std::string& empty : state.emptied) {
      empty.clear();
      if (state.spares.size() < kSpares) state.spares.push_back(std::move(empty));
    }
    state.emptied.clear();
    // A device that fails is tried again with the next lines; one that is only slow, soon.
    const bool slow = !drained && error == EAGAIN;
    if (state.closed && !slow) std::erase(sinks_, sink);
    left = left || slow;
  }
  return left;
}

}  // namespace prefork::serve

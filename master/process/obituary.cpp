#include "master/process/obituary.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace prefork::process {
namespace {

constexpr std::uint64_t kEventsSaid = 16;
constexpr std::size_t kMostPath = 200;

std::string seconds(std::uint64_t ms) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f s", static_cast<double>(ms) / 1000);
  return text.data();
}

// A log line stays one line whatever a client asks for.
std::string printable(std::string_view text) {
  std::string clean(text.substr(0, kMostPath));
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text.size() > kMostPath ? clean + "..." : clean;
}

std::string how(const WorkerProcess& worker, ExitStatus status) {
  std::string text = describe(status);
  if (status.signal == SIGKILL && worker.notes.cause.empty() && !worker.notes.ending) text += " (out of memory?)";
  return worker.notes.cause.empty() ? text : text + " (" + worker.notes.cause + ")";
}

}  // namespace

std::string describe(const http::Exchange& exchange, std::uint64_t now_ns) {
  const auto& head = exchange.request.head;
  const auto elapsed_ms = (now_ns - std::min(exchange.sent_ns, now_ns)) / 1'000'000;
  return std::string(exchange.request.text(head.method_name)) + " " + printable(exchange.request.text(head.raw_path)) +
         " for " + seconds(elapsed_ms);
}

std::string describe(ExitStatus status) {
  if (status.signal == 0) return " exited with code " + std::to_string(status.code);
  const char* name = ::sigabbrev_np(status.signal);
  return " was killed by SIG" + (name != nullptr ? std::string(name) : std::to_string(status.signal));
}

std::string obituary(const WorkerProcess& worker, ExitStatus status, std::uint64_t now_ms) {
  std::string text = "Worker (pid:" + std::to_string(worker.pid()) + ")" + how(worker, status) + " after " +
                     seconds(now_ms - worker.started_ms()) + ": ";
  if (worker.notes.resident_bytes != 0) text += std::to_string(worker.notes.resident_bytes >> 20) + " MiB, ";
  text += std::to_string(worker.link().finished()) + " requests served";
  const auto& running = worker.notes.was_running;
  for (std::size_t i = 0; i < running.size(); ++i) text += (i == 0 ? "; it was running " : ", ") + running[i];
  return text;
}

std::vector<std::string> last_events(const WorkerProcess& worker) {
  std::vector<std::string> lines;
  const shm::Recorder& recorder = worker.link().worker_recorder();
  // relaxed: the writer is dead, or its last event may be torn.
  const auto next = recorder.next.load(std::memory_order_relaxed);
  for (auto i = next - std::min(next, kEventsSaid); i < next; ++i) {
    const shm::RecorderEvent event = recorder.events[i % shm::Recorder::kEvents];
    std::array<char, 128> text{};
    std::snprintf(text.data(), text.size(), "recorded at %" PRIu64 " us: %s slot %" PRIu32 " %" PRIu32,
                  event.when_and_event >> 16, shm::to_string(static_cast<shm::Event>(event.when_and_event & 0xffff)),
                  event.slot, event.value);
    lines.emplace_back(text.data());
  }
  return lines;
}

std::uint64_t resident_bytes(int pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/statm";
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return 0;
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  const int found = std::fscanf(file, "%" SCNu64 " %" SCNu64, &size, &resident);
  std::fclose(file);
  return found == 2 ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace prefork::process

#include "master/process/hook_runner.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "master/serve/json_text.hpp"

namespace prefork::process {
namespace {

constexpr std::array<std::string_view, 8> kMasters{"on_starting", "on_reload",        "when_ready", "pre_fork",
                                                   "child_exit",  "nworkers_changed", "pre_exec",   "on_exit"};

// The id of {"id": 7, "error": …}, which is written by our own script.
std::uint64_t id_of(std::string_view line) {
  const auto at = line.find(':');
  return at == std::string_view::npos ? 0 : std::strtoull(std::string(line.substr(at + 1, 24)).c_str(), nullptr, 10);
}

std::string error_of(std::string_view line) {
  constexpr std::string_view kKey = "\"error\": ";
  const auto at = line.find(kKey);
  if (at == std::string_view::npos) return "no answer";
  const std::string_view value = line.substr(at + kKey.size(), line.size() - at - kKey.size() - 1);
  return value == "null" ? std::string() : std::string(value);
}

}  // namespace

std::vector<std::string> HookRunner::masters(const std::vector<std::string>& hooks) {
  std::vector<std::string> ours;
  for (const std::string& hook : hooks) {
    if (std::find(kMasters.begin(), kMasters.end(), hook) != kMasters.end()) ours.push_back(hook);
  }
  return ours;
}

std::string HookRunner::call_line(std::uint64_t id, std::string_view hook, const Facts& facts,
                                  const WorkerFacts* worker, std::string_view arguments) {
  std::string line = "{\"id\":" + std::to_string(id) + ",\"hook\":";
  serve::append_json_string(line, hook);
  line.append(",\"workers\":{");
  const char* separator = "";
  for (const WorkerFacts& one : facts.workers) {
    line.append(separator).append("\"").append(std::to_string(one.pid)).append("\":").append(std::to_string(one.age));
    separator = ",";
  }
  line.append("},\"wanted\":").append(std::to_string(facts.wanted));
  if (worker != nullptr) {
    line.append(",\"worker\":[").append(std::to_string(worker->pid)).append(1, ',');
    line.append(std::to_string(worker->age)).append(1, ']');
  }
  return line.append(",\"arguments\":[").append(arguments).append("]}");
}

HookRunner::Answer HookRunner::answer_of(std::string_view line) { return {id_of(line), error_of(line)}; }

}  // namespace prefork::process

// Answers for probes, given by the master alone so that they work while every worker is busy or dead: --health-path /livez,/readyz.
// Liveness says that the server runs: restart it when that fails. Readiness says whether to send it requests.
// Pure; used on a loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace prefork::serve {

struct HealthState {
  std::size_t ready_workers = 0;
  std::size_t queue_depth = 0;
  std::size_t queue_limit = 0;  // 0: none
  bool draining = false;        // stopping, or in its drain delay
};

struct HealthReply {
  std::uint16_t status = 200;
  std::string_view body;  // static text; text/plain
};
inline constexpr std::string_view kHealthType = "text/plain; charset=utf-8";

class Health {
 public:
  Health() = default;
  // The liveness path and, if there is a second, the readiness path; one path alone is readiness. Throws std::invalid_argument
  // when a path does not start with '/' or there are more than two.
  explicit Health(const std::vector<std::string>& paths);

  bool enabled() const { return !live_.empty() || !ready_.empty(); }
  // `path` is the request's path without its query. Empty: not one of ours.
  [[nodiscard]] std::optional<HealthReply> answer(std::string_view path, const HealthState& state) const;

 private:
  static HealthReply readiness(const HealthState& state);
  std::string live_;
  std::string ready_;
};

}  // namespace prefork::serve

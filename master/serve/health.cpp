#include "master/serve/health.hpp"

#include <stdexcept>

namespace prefork::serve {

Health::Health(const std::vector<std::string>& paths) {
  if (paths.size() > 2) throw std::invalid_argument("health_path has more than a liveness and a readiness path");
  for (const std::string& path : paths) {
    if (!path.starts_with('/') || path.find('?') != std::string::npos)
      throw std::invalid_argument("health_path '" + path + "' is no path like /readyz");
  }
  if (paths.size() == 2) live_ = paths.front();
  if (!paths.empty()) ready_ = paths.back();
}

std::optional<HealthReply> Health::answer(std::string_view path, const HealthState& state) const {
  if (path.empty()) return {};
  // Both at one path: readiness, the stricter one.
  if (path == ready_) return readiness(state);
  if (path == live_) return HealthReply{200, "alive\n"};
  return {};
}

HealthReply Health::readiness(const HealthState& state) {
  if (state.draining) return {503, "draining\n"};
  if (state.ready_workers == 0) return {503, "no worker is ready\n"};
  if (state.queue_limit != 0 && state.queue_depth >= state.queue_limit) return {503, "the queue is full\n"};
  return {200, "ready\n"};
}

}  // namespace prefork::serve

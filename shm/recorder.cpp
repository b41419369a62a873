#include "shm/recorder.hpp"

namespace prefork::shm {

const char* to_string(Event event) {
  static constexpr std::array<const char*, static_cast<std::size_t>(Event::kCount)> kNames{
      "none",   "attach", "ready", "take",  "skip", "wait-room", "wait-credit",
      "credit", "cancel", "abort", "drain", "exit", "revoke"};
  const auto index = static_cast<std::size_t>(event);
  return index < kNames.size() ? kNames[index] : "unknown";
}

}  // namespace prefork::shm

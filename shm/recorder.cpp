#include "shm/recorder.hpp"

namespace prefork::shm {

const char* to_string(Event event) {
  static constexpr std::array<const char*, static_cast<std::size_t>(Event::kCount)> kNames{
      "none",     "attach",       "ready",     "take",      "skip",        "start",  "finish", "fail",  "body-in",
      "body-out", "wait-request", "wait-body", "wait-room", "wait-credit", "wake",   "cancel", "drain", "exit",
      "dispatch", "revoke",       "requeue",   "reply",     "end",         "credit", "bad",    "death"};
  const auto index = static_cast<std::size_t>(event);
  return index < kNames.size() ? kNames[index] : "unknown";
}

}  // namespace prefork::shm

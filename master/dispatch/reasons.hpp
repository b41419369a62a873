// What is said, to the client and in the log, of a request that finds no worker. The metrics count by these texts.
#pragma once

namespace prefork::dispatch {

inline constexpr const char* kQueueFull = "the server is at its limit";
inline constexpr const char* kTooMany = "the server is at its limit (--limit-concurrency)";
inline constexpr const char* kQueueTimeout = "the request waited longer than --queue-timeout";
inline constexpr const char* kStopped = "the server has stopped";
inline constexpr const char* kNoWorker = "no worker became ready in time";

}  // namespace prefork::dispatch

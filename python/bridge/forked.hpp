// Children that the application made with os.fork(): they have neither the worker's memory nor its requests, so they must not come back
// into it. What leaves the application there ends the child, with the status that sys.exit() named.
#pragma once

namespace prefork::bridge {

// Once, before the application runs.
void watch_forks();

bool is_forked_child();
[[noreturn]] void end_forked_child();

// Wherever the application has returned or raised.
inline void stay_in_worker() {
  if (is_forked_child()) end_forked_child();
}

}  // namespace prefork::bridge

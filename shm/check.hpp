// A broken promise inside this process: said in one line, then abort. On in release builds too.
// Never for foreign data (client bytes, the other process's records): those are validated and refused.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace prefork {
[[noreturn]] inline void check_failed(const char* condition, const char* expected, const char* file, int line) {
  std::fprintf(stderr, "prefork: broken promise at %s:%d: %s (%s)\n", file, line, expected, condition);
  std::abort();
}
}  // namespace prefork

#define PREFORK_CHECK(condition, expected) \
  ((condition) ? static_cast<void>(0) : ::prefork::check_failed(#condition, expected, __FILE__, __LINE__))

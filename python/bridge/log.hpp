// The worker's lines in the error log: "[2026-01-31 12:00:00 +0000] [pid] [LEVEL] text", one write a line to standard error, which the
// master has pointed at the error log. Any thread, with or without the GIL.
#pragma once

#include <string_view>

namespace prefork::bridge {

enum class Level { Debug, Info, Warning, Error, Critical };

// Lines below this level are dropped: the `loglevel` setting. Unknown texts mean info.
void set_log_level(std::string_view level);
bool logs(Level level);

void log(Level level, std::string_view text);

// Bytes to standard error in as few writes as it takes (one, when it is a file or has room).
void write_stderr(std::string_view bytes);

// Of a worker whose application closed what it does not own.
inline constexpr std::string_view kClosedDescriptors =
    "The application has closed the worker's own descriptors: the worker exits";

}  // namespace prefork::bridge

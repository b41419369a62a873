// What is said of a worker that has died: how, after how long, what it had done, and what it was running.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "master/http/exchange.hpp"
#include "master/process/worker_process.hpp"

namespace prefork::process {

// "GET /reports/7 for 12.3 s".
std::string describe(const http::Exchange& exchange, std::uint64_t now_ns);

// " was killed by SIGSEGV", " exited with code 3".
std::string describe(ExitStatus status);

// One line: "Worker (pid:42) was killed by SIGSEGV after 61.2 s: 45 MiB, 1234 requests served; it was running GET / for 0.2 s".
std::string obituary(const WorkerProcess& worker, ExitStatus status, std::uint64_t now_ms);

// The end of its flight recorder, oldest first. The worker wrote it: a hint, not a proof.
std::vector<std::string> last_events(const WorkerProcess& worker);

// Bytes in memory, 0 when the kernel does not say.
std::uint64_t resident_bytes(int pid);

}  // namespace prefork::process

// How a worker process is started, from the configuration: its settings, environment and output.
#pragma once

#include <string>

#include "master/config.hpp"
#include "master/dispatch/dispatcher.hpp"
#include "master/logs.hpp"
#include "master/process/hook_process.hpp"
#include "master/process/supervisor.hpp"

namespace prefork {

// The logs must outlive every worker that is started with it.
// `shared_fd` is the memory of prefork.shared, or -1; it must outlive them too.
process::WorkerCommand worker_command_of(const Config& config, const Logs& logs, int shared_fd);
process::HookProcess::Command hook_command_of(const Config& config, std::vector<std::string> hooks, const Logs& logs);
process::SupervisorPolicy supervisor_policy_of(const Config& config);
dispatch::Policy dispatch_policy_of(const Config& config);

// "Name: value" of --header as a line of a reply.
std::string field_line(const std::string& field);

}  // namespace prefork

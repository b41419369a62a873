// How a worker process is started, from the configuration.
#pragma once

#include "master/config.hpp"
#include "master/dispatch/dispatcher.hpp"
#include "master/process/supervisor.hpp"

namespace prefork {

process::WorkerCommand worker_command_of(const Config& config);
process::SupervisorPolicy supervisor_policy_of(const Config& config);
dispatch::Policy dispatch_policy_of(const Config& config);

}  // namespace prefork

#include "master/check_config.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace prefork {

int check_config(const CommandLine& line) {
  const Config& config = line.config;
  if (!config.builtin_app.empty() || config.app.empty()) return 0;
  for (const std::string& pair : config.raw_env) {
    const auto equals = pair.find('=');
    if (equals != std::string::npos) ::setenv(pair.substr(0, equals).c_str(), pair.substr(equals + 1).c_str(), 1);
  }
  if (!config.chdir.empty() && ::chdir(config.chdir.c_str()) != 0)
    throw std::system_error(errno, std::system_category(), "changing to " + config.chdir);
  std::string path;
  for (const std::string& folder : config.pythonpath) path.append(path.empty() ? "" : ",").append(folder);
  const std::string script = python_package_directory(line.environment) + "/prefork/_check.py";
  const std::array<const char*, 8> arguments{config.python.c_str(),           script.c_str(), config.chdir.c_str(),
                                             config.launch_directory.c_str(), path.c_str(),   config.app.c_str(),
                                             config.factory ? "1" : "0",      nullptr};
  ::execv(config.python.c_str(), const_cast<char**>(arguments.data()));
  throw std::system_error(errno, std::system_category(), "starting " + config.python);
}

}  // namespace prefork

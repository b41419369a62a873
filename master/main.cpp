#include <unistd.h>
#include <cstdio>
#include <exception>
#include <string>

#include "master/check_config.hpp"
#include "master/config_load.hpp"
#include "master/process/control_client.hpp"
#include "master/process/title.hpp"
#include "master/server.hpp"
#include "version.hpp"

namespace {

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int run(const prefork::CommandLine& line) {
  using Action = prefork::CommandLine::Action;
  switch (line.action) {
    case Action::Help: print(prefork::help_text(isatty(STDOUT_FILENO) != 0)); return 0;
    case Action::Version: print("prefork " PREFORK_VERSION "\n"); return 0;
    case Action::SettingsReference: print(prefork::settings_reference()); return 0;
    case Action::PrintConfig:
      print(line.config.print_config == "json" ? prefork::print_config_json(line) : prefork::print_config_text(line));
      return 0;
    case Action::CheckConfig: return prefork::check_config(line);
    case Action::Control: return prefork::process::control(line.control);
    case Action::Serve: return prefork::run_server(line);
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  prefork::process::prepare_title(argc, argv);
  try {
    return run(prefork::load_config(argc, argv, prefork::current_environment()));
  } catch (const prefork::ConfigError& error) {
    if (error.exit_code() == 0) {  // the help of a subcommand
      print(error.what());
      return 0;
    }
    std::fprintf(stderr, "%sprefork: %s\n", error.details().c_str(), error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prefork: %s\n", error.what());
    return 1;
  }
}

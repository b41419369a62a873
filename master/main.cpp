#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <system_error>

#include "master/check_config.hpp"
#include "master/config_load.hpp"
#include "master/process/control_client.hpp"
#include "master/process/title.hpp"
#include "master/server.hpp"
#include "version.hpp"

namespace {

// What a script reads must not be cut short in silence.
void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot write to the standard output");
}

// A server that was started with closed ones (>&-) must not get a socket or a ring for its standard output.
void open_standard_descriptors() {
  while (true) {
    const int fd = open("/dev/null", O_RDWR);
    if (fd > STDERR_FILENO || fd < 0) {
      if (fd > STDERR_FILENO) close(fd);
      return;
    }
  }
}

// Whoever starts us may have blocked signals, or ignore the end of children: then we would hear of neither.
void hear_signals() {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGCHLD, SIG_DFL);
}

// Bytes of the operator's that would command the terminal are shown by their number.
std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
    const bool harmless = (byte >= 0x20 && byte != 0x7f) || c == '\n' || c == '\t';
    result += harmless ? std::string(1, c) : std::string(escaped);
  }
  return result;
}

bool coloured() { return isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr; }

int run(const prefork::CommandLine& line) {
  using Action = prefork::CommandLine::Action;
  switch (line.action) {
    case Action::Help: print(prefork::help_text(coloured())); return 0;
    case Action::Version: print("prefork " PREFORK_VERSION "\n"); return 0;
    case Action::SettingsReference: print(prefork::settings_reference()); return 0;
    case Action::PrintConfig:
      if (line.config.print_config == "json") return print(prefork::print_config_json(line)), 0;
      print(prefork::print_config_text(line));
      return prefork::check_config(line);  // as gunicorn
    case Action::CheckConfig: return prefork::check_config(line);
    case Action::Control: return prefork::process::control(line.control);
    case Action::Serve: return prefork::run_server(line);
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_descriptors();
  hear_signals();
  prefork::process::prepare_title(argc, argv);
  try {
    return run(prefork::load_config(argc, argv, prefork::current_environment()));
  } catch (const prefork::ConfigError& error) {
    if (error.exit_code() == 0) {  // the help of a subcommand
      print(error.what());
      return 0;
    }
    std::fprintf(stderr, "%sprefork: %s\n", error.details().c_str(), printable(error.what()).c_str());
    return error.exit_code();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prefork: %s\n", printable(error.what()).c_str());
    return 1;
  }
}

// prefork-worker: a worker process. The master starts it with the attachment (worker/context.hpp) as its only argument.
// For an environment of another Python than the embedded one it becomes that Python, which loads the same bridge as an extension module.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <stdexcept>

#include "python/bridge/boot.hpp"
#include "python/bridge/interpreter.hpp"
#include "python/bridge/worker_main.hpp"

namespace {

using namespace prefork;

// Does not return when it succeeds. The descriptors of the attachment go along.
[[noreturn]] void become_host(const std::string& python, const char* attachment) {
  const std::string script = bridge::package_parent() + "/prefork/_host.py";
  const std::string modules = bridge::executable_folder() + "/hosts";
  ::execl(python.c_str(), python.c_str(), script.c_str(), modules.c_str(), attachment, nullptr);
  throw std::runtime_error("the application's environment has no " + python + ": " + std::strerror(errno));
}

int run(int argc, char** argv) {
  const auto attachment = worker::Attachment::from_text(argv[1]);
  // Never taken down: threads of the application's may look at both until the process ends.
  static const auto& settings = *new wire::Settings(worker::read_settings(attachment));
  static auto& context = *new std::optional<worker::Context>;
  bridge::adopt_process(settings);
  const std::string python = bridge::environment_python(settings);
  if (!bridge::embeds(python)) become_host(python, argv[1]);
  if (!attachment.is_mold()) context.emplace(attachment);
  bridge::set_title(settings, attachment, argc, argv);
  const bridge::Interpreter interpreter(settings);
  return bridge::run_worker(attachment, settings, context, bridge::package_parent());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("prefork-worker is started by prefork\n", stderr);
    return 2;
  }
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prefork-worker: %s\n", error.what());
    return bridge::kExitBoot;
  }
}

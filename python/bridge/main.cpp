// prefork-worker: a worker process. The master starts it with the attachment (worker/context.hpp) as its only argument.
#include <cstdio>
#include <exception>
#include <memory>

#include "python/bridge/interpreter.hpp"
#include "python/bridge/worker_main.hpp"

int main(int argc, char** argv) {
  using namespace prefork;
  if (argc != 2) {
    std::fputs("prefork-worker is started by prefork\n", stderr);
    return 2;
  }
  try {
    worker::Context context(worker::Attachment::from_text(argv[1]));
    bridge::adopt_process(context, argc, argv);
    const bridge::Interpreter interpreter(context.settings());
    return bridge::run_worker(context);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prefork-worker: %s\n", error.what());
    return bridge::kExitBoot;
  }
}

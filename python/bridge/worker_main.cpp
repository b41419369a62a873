#include "python/bridge/worker_main.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include "python/bridge/boot.hpp"
#include "python/bridge/bytes.hpp"
#include "python/bridge/error.hpp"
#include "python/bridge/forked.hpp"
#include "python/bridge/hooks.hpp"
#include "python/bridge/interface.hpp"
#include "python/bridge/interpreter.hpp"
#include "python/bridge/log.hpp"
#include "python/bridge/signals.hpp"
#include "worker/privileges.hpp"

namespace prefork::bridge {
namespace {

// The error that is set ended the start: the exit status that says how.
int boot_failure() {
  if (PyErr_ExceptionMatches(PyExc_SystemExit) != 0 && stopping()) {  // told to stop while starting
    PyErr_Clear();
    return kExitOk;
  }
  if (!error_is_hint()) {
    log_error("Exception in worker process");
    return kExitBoot;
  }
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  const PyRef owned_type = PyRef::steal(type), owned_value = PyRef::steal(value), owned_trace = PyRef::steal(trace);
  const PyRef text = PyRef::steal(PyObject_Str(value));
  if (!text) PyErr_Clear();
  log(Level::Error, text ? printable(text.get()) : "Failed to find the application.");
  return kExitApp;
}

int boot_and_serve(worker::Context& context, Hooks& hooks) {
  const auto& settings = context.settings();
  const PyRef all = settings_dict(settings);
  if (!all || !call_boot("prepare_logging", "(O)", all.get()) || !hooks.load()) return boot_failure();
  hooks.run(Hook::PostFork);
  const std::string spec(settings.get("app"));
  PyRef application = call_boot("load_application", "sO", spec.c_str(), settings.flag("factory") ? Py_True : Py_False);
  if (!application) return boot_failure();
  if (spec.empty() && context.worker_id() <= 1)
    log(Level::Info, "No application was named: serving the demonstration page");
  auto interface = wire::Interface::Wsgi;
  if (!find_interface(application.get(), settings, interface)) return boot_failure();
  application = hooks.wrap(std::move(application), name_of(interface));
  if (!application) return boot_failure();
  Startup startup{context, hooks, std::move(application)};
  return serve(interface, startup);
}

}  // namespace

void adopt_process(const wire::Settings& settings) {
  worker::drop_privileges(settings);  // first: a change of user forgets who our parent's death is to tell
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "prefork-worker");
  // The master's to act on: until Python has handlers for them they must not end us.
  for (const int number : {SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH}) ::signal(number, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // The master may have died before the first line: its process id says so.
  const long master = settings.number("master_pid");
  if (master != 0 && ::getppid() != static_cast<pid_t>(master)) ::_exit(kExitOk);
}

void set_title(const wire::Settings& settings, int argc, char** argv) {
  const std::string title = "prefork: worker [" + std::string(settings.get("proc_name", "prefork")) + "]";
  char* const start = argv[0];
  const auto room = static_cast<std::size_t>(argv[argc - 1] + std::strlen(argv[argc - 1]) - start);
  std::memset(start, 0, room);
  std::memcpy(start, title.data(), std::min(title.size(), room));
}

int run_worker(worker::Context& context, const std::string& package_parent) {
  const auto& settings = context.settings();
  set_log_level(settings.get("loglevel", "info"));
  int status = kExitBoot;
  try {
    prepare_interpreter(settings);
    load_boot(package_parent);
    Hooks hooks(context);
    install_signals(hooks);
    watch_forks();
    status = boot_and_serve(context, hooks);
    on_stop(nullptr);
    hooks.run(Hook::WorkerExit);
  } catch (const std::exception& error) {
    log(Level::Error, std::string("Worker failed to boot: ") + error.what());
  }
  return status;
}

}  // namespace prefork::bridge

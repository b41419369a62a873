#include "python/bridge/worker_main.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
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
#include "python/bridge/mold.hpp"
#include "python/bridge/shared.hpp"
#include "python/bridge/signals.hpp"
#include "python/bridge/sync_serve.hpp"
#include "shm/heap.hpp"
#include "worker/privileges.hpp"

namespace prefork::bridge {
namespace {

// The error that is set ended the start: the exit status that says how.
int boot_failure() {
  if (!error_is_hint()) {
    log_error("Exception in worker process");
    return kExitBoot;
  }
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  const PyRef owned_type = PyRef::steal(type), owned_value = PyRef::steal(value), owned_trace = PyRef::steal(trace);
  const PyRef text = PyRef::steal(PyObject_Str(value));
  if (!text) PyErr_Clear();
  const std::string said = text ? printable(text.get()) : "Failed to find the application.";
  leave_failure(said);
  log(Level::Error, said);
  return kExitApp;
}

struct Loaded {
  PyRef application;
  wire::Interface interface = wire::Interface::Wsgi;
};

// False with the Python error set.
bool load_application(const wire::Settings& settings, Loaded& loaded) {
  if (!prepare_shared(settings)) return false;
  const std::string spec(settings.get("app"));
  loaded.application = call_boot("load_application", "sO", spec.c_str(), settings.flag("factory") ? Py_True : Py_False);
  return loaded.application && find_interface(loaded.application.get(), settings, loaded.interface);
}

int serve_loaded(worker::Context& context, Hooks& hooks, Loaded& loaded) {
  if (context.settings().get("app").empty() && context.worker_id() <= 1)
    log(Level::Info, "No application was named: serving the demonstration page");
  PyRef application = hooks.initialised(std::move(loaded.application));
  if (application && stopping()) return kExitOk;
  if (application) application = hooks.wrap(std::move(application), name_of(loaded.interface));
  const std::string noted(context.settings().get("environ_notes"));
  if (application && !noted.empty())
    application = call_boot("note_environ", "Oss", application.get(), name_of(loaded.interface), noted.c_str());
  if (!application) return boot_failure();
  Startup startup{context, hooks, std::move(application)};
  const int status = serve(loaded.interface, startup);
  on_stop([] {});  // it goes
  if (stopping() && !context.was_ready()) {
    hooks.run(Hook::WorkerExit);
    end_unserved();
  }
  return status;
}

// Signal handlers look at it until the process ends.
Hooks& make_hooks(const wire::Settings& settings, unsigned age) { return *new Hooks(settings, age); }

int boot_and_serve(worker::Context& context) {
  const auto& settings = context.settings();
  Hooks& hooks = make_hooks(settings, context.worker_age());
  install_signals(hooks);
  watch_forks();
  reset_stops_in_children();
  const PyRef all = settings_dict(settings);
  int status = kExitBoot;
  Loaded loaded;
  if (!all || !call_boot("prepare_logging", "(O)", all.get()) || !hooks.load()) {
    status = boot_failure();
  } else {
    hooks.run(Hook::PostFork);
    status = load_application(settings, loaded) ? serve_loaded(context, hooks, loaded) : boot_failure();
  }
  hooks.run(Hook::WorkerExit);
  return status;
}

// Ties this process to the master, whose child it is by now.
void die_with_master(const wire::Settings& settings) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The master may have died before that line: its process id says so.
  const long master = settings.number("master_pid");
  if (master != 0 && ::getppid() != static_cast<pid_t>(master)) ::_exit(kExitOk);
}

// The master has raised its own, for its connections.
void restore_descriptor_limit(const wire::Settings& settings) {
  const long before = settings.number("descriptors");
  rlimit limit{};
  if (before <= 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min(static_cast<rlim_t>(before), limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// The bytes that the kernel shows as the command line.
char* title_start = nullptr;
std::size_t title_room = 0;

void show_title(const wire::Settings& settings, bool mold) {
  ::prctl(PR_SET_NAME, mold ? "prefork-mold" : "prefork-worker");
  if (title_start == nullptr) return;
  const std::string title = std::string(mold ? "prefork: mold [" : "prefork: worker [") +
                            std::string(settings.get("proc_name", "prefork")) + "]";
  std::memset(title_start, 0, title_room);
  std::copy_n(title.data(), std::min(title.size(), title_room), title_start);
}

int fork_and_serve(const worker::Attachment& own, const wire::Settings& settings,
                   std::optional<worker::Context>& context) {
  show_title(settings, true);
  shm::UniqueFd channel(worker::out_of_the_way(own.side_fd));
  ::close(own.settings_fd);
  install_signals(make_hooks(settings, 0));  // none: those of workers run in workers
  const PyRef all = settings_dict(settings);
  if (!all || !call_boot("prepare_logging", "(O)", all.get())) return boot_failure();
  const PyRef mold_hooks = call_boot("make_mold", "(O)", all.get());
  Loaded loaded;
  if (!mold_hooks || !load_application(settings, loaded)) return boot_failure();
  const std::string loop(settings.get("asgi_loop", "auto"));
  if (!call_boot("settle", "ss", name_of(loaded.interface), loop.c_str())) return boot_failure();
  auto& mold = *new Mold(std::move(channel), mold_hooks.share(), settings);  // its end tells the master of ours
  leave_stops_to_master();
  const auto forked = mold.serve();
  if (!forked) return kExitOk;
  watch_forks();
  reset_stops_in_children();
  die_with_master(settings);
  show_title(settings, false);
  context.emplace(*forked, settings);
  Hooks& hooks = make_hooks(settings, forked->worker_age);
  use_hooks(hooks);
  const PyRef mine = PyRef::steal(PyObject_CallMethod(mold_hooks.get(), "worker_hooks", "I", forked->worker_age));
  int status = kExitBoot;
  if (!hooks.adopt(mine)) {
    status = boot_failure();
  } else {
    hooks.run(Hook::PostFork);
    status = serve_loaded(*context, hooks, loaded);
  }
  hooks.run(Hook::WorkerExit);
  return status;
}

void become_user(const wire::Settings& settings) {
  if (worker::changes_user(settings)) {
    const PyRef all = call_boot("prepare_user", "ll", settings.number("uid", -1), settings.number("gid", -1));
    if (!all) PyErr_Clear();
    if (all.get() == Py_False)
      log(Level::Warning,
          "The user " + std::string(settings.get("user")) +
              " cannot read this Python's standard library: what the application imports of it may be missing");
  }
  worker::drop_privileges(settings);
}

// It is over: from here on the interpreter takes its handlers down, and a signal that comes again would end the process by itself.
void hold_signals() {
  sigset_t held;
  sigemptyset(&held);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH}) sigaddset(&held, number);
  ::pthread_sigmask(SIG_BLOCK, &held, nullptr);
}

}  // namespace

void adopt_process(const wire::Settings& settings) {
  restore_descriptor_limit(settings);
  // The master's to act on: until Python has handlers for them they must not end us.
  for (const int number : {SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH}) ::signal(number, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_NAME, "prefork-worker");
  die_with_master(settings);
}

void set_title(const wire::Settings& settings, const worker::Attachment& attachment, int argc, char** argv) {
  title_start = argv[0];
  title_room = static_cast<std::size_t>(argv[argc - 1] + std::strlen(argv[argc - 1]) - title_start);
  show_title(settings, attachment.is_mold());
}

int run_worker(const worker::Attachment& attachment, const wire::Settings& settings,
               std::optional<worker::Context>& context, const std::string& package_parent) {
  set_log_level(settings.get("loglevel", "info"));
  if (const long number = settings.number("failure_fd", -1); number >= 0)
    leave_failures_in(worker::out_of_the_way(static_cast<int>(number)));
  shm::raise_trim_threshold();
  try {
    prepare_interpreter(settings);
    load_boot(package_parent);
    // As with gunicorn the interpreter starts as who started the server, which may be the only one who can read it, and the
    // application is imported by the user that it runs as. A change of user forgets whose death is to end us.
    become_user(settings);
    die_with_master(settings);
    const int status = attachment.is_mold() ? fork_and_serve(attachment, settings, context) : boot_and_serve(*context);
    hold_signals();
    if (context) context->leave();
    if (threads_left()) end_beside_threads(status);
    return status;
  } catch (const std::exception& error) {
    leave_failure(error.what());
    log(Level::Error, std::string("Worker failed to boot: ") + error.what());
  }
  return kExitBoot;
}

}  // namespace prefork::bridge

#include "master/config_check.hpp"
#include "master/config_table.hpp"

namespace prefork {
namespace {

const Setting kProcessSettings[] = {
    {.name = "daemon", .flags = "-D, --daemon", .field = &Config::daemon, .on_reload = OnReload::Keeps, .compat = Compat::Should,
     .help = "Go to the background. Not under systemd or in a container."},
    {.name = "pidfile", .flags = "-p, --pid", .also = "--pid-file", .field = &Config::pidfile, .meta = "FILE", .on_reload = OnReload::Keeps,
     .compat = Compat::Must, .help = "File for the process id of the master."},
    {.name = "user", .flags = "-u, --user", .field = &Config::user, .meta = "USER", .check = check::known_user, .allowed = "a user's name or number",
     .default_note = "unchanged", .on_reload = OnReload::Keeps, .compat = Compat::Must, .help = "User of the workers."},
    {.name = "group", .flags = "-g, --group", .field = &Config::group, .meta = "GROUP", .check = check::known_group, .allowed = "a group's name or number",
     .default_note = "unchanged", .on_reload = OnReload::Keeps, .compat = Compat::Must, .help = "Group of the workers."},
    {.name = "umask", .flags = "-m, --umask", .field = &Config::umask, .shape = Shape::Mode, .meta = "MODE", .max = 0777, .on_reload = OnReload::Keeps,
     .compat = Compat::Must, .help = "File mode creation mask; governs the mode of unix sockets."},
    {.name = "initgroups", .flags = "--initgroups", .field = &Config::initgroups, .on_reload = OnReload::Keeps, .compat = Compat::Must,
     .help = "Give the workers the other groups of their user too."},
    {.name = "proc_name", .flags = "-n, --name", .also = "--process-name", .field = &Config::proc_name, .meta = "NAME",
     .default_note = "default_proc_name", .on_reload = OnReload::Keeps, .compat = Compat::Must, .help = "Name of the processes in ps."},
    {.name = "default_proc_name", .field = &Config::default_proc_name, .default_note = "the application, else prefork", .on_reload = OnReload::Keeps,
     .compat = Compat::Must, .help = "The same where proc_name is not set."},
    {.name = "control_socket", .flags = "--control-socket", .field = &Config::control_socket, .meta = "PATH",
     .default_note = "$XDG_RUNTIME_DIR/prefork.ctl, else ~/.prefork/prefork.ctl", .on_reload = OnReload::Keeps, .compat = Compat::Should,
     .help = "Unix socket for `prefork reload`, `prefork stop` and `prefork status`."},
    {.name = "control_socket_mode", .flags = "--control-socket-mode", .field = &Config::control_socket_mode, .shape = Shape::Mode, .meta = "MODE",
     .max = 0777, .on_reload = OnReload::Keeps, .compat = Compat::Should, .help = "Mode of the control socket."},
    {.name = "control_socket_disable", .flags = "--no-control-socket", .field = &Config::control_socket_disable, .on_reload = OnReload::Keeps,
     .compat = Compat::Should, .help = "Make no control socket."},
    {.name = "check_config", .flags = "--check-config", .field = &Config::check_config, .on_reload = OnReload::Keeps, .compat = Compat::Must,
     .help = "Check the configuration, load the application, and exit with 0 or 1."},
    {.name = "print_config", .flags = "--print-config", .field = &Config::print_config, .meta = "FORMAT", .bare = "text", .choices = "|text|json",
     .synonyms = "true=text|false=", .on_reload = OnReload::Keeps, .compat = Compat::Must,
     .help = "Print every setting with its value and where that comes from, as Python or, with =json, as JSON."},
};

const Setting kDevelopmentSettings[] = {
    {.name = "reload", .flags = "--reload", .field = &Config::reload, .on_reload = OnReload::Keeps, .compat = Compat::Must,
     .help = "Replace the workers when a source file changes; requests wait meanwhile. For development."},
    {.name = "reload_engine", .flags = "--reload-engine", .field = &Config::reload_engine, .meta = "ENGINE", .choices = "auto|poll|inotify",
     .on_reload = OnReload::Keeps, .compat = Compat::Must, .help = "How changes are seen."},
    {.name = "reload_extra_files", .flags = "--reload-extra-file", .field = &Config::reload_extra_files, .meta = "GLOB", .on_reload = OnReload::Keeps,
     .compat = Compat::Must, .help = "File or pattern (** for any depth) to watch too; may be given several times."},
    {.name = "reload_dirs", .flags = "--reload-dir", .also = "--reload-paths", .field = &Config::reload_dirs, .meta = "DIR", .on_reload = OnReload::Keeps,
     .help = "Directory to watch instead of the current one; may be given several times."},
    {.name = "reload_includes", .flags = "--reload-include", .field = &Config::reload_includes, .meta = "GLOB", .on_reload = OnReload::Keeps,
     .help = "Names to watch beside *.py; may be given several times."},
    {.name = "reload_excludes", .flags = "--reload-exclude", .also = "--reload-ignore-patterns", .field = &Config::reload_excludes, .meta = "GLOB",
     .on_reload = OnReload::Keeps, .help = "Names not to watch; may be given several times."},
};

constexpr Setting hook(const char* name, Compat compat, const char* help) {
  return {.name = name, .shape = Shape::Callable, .compat = compat, .help = help};
}

const Setting kHookSettings[] = {
    hook("on_starting", Compat::Must, "on_starting(server): before the server listens."),
    hook("on_reload", Compat::Must, "on_reload(server): at SIGHUP."),
    hook("when_ready", Compat::Must, "when_ready(server): the server listens."),
    hook("pre_fork", Compat::Must, "pre_fork(server, worker): before a worker is made."),
    hook("post_fork", Compat::Must, "post_fork(server, worker): in the new worker."),
    hook("post_worker_init", Compat::Must, "post_worker_init(worker): in the worker, the application is loaded."),
    hook("worker_int", Compat::Must, "worker_int(worker): in the worker, at SIGINT or SIGQUIT."),
    hook("worker_abort", Compat::Must, "worker_abort(worker): in the worker, at its timeout."),
    hook("pre_exec", Compat::Should, "pre_exec(server): before a new binary takes over."),
    hook("pre_request", Compat::Should, "pre_request(worker, req): in the worker, before a request."),
    hook("post_request", Compat::Should, "post_request(worker, req, environ, resp): in the worker, after a request."),
    hook("child_exit", Compat::Must, "child_exit(server, worker): a worker has ended."),
    hook("worker_exit", Compat::Must, "worker_exit(server, worker): in the worker, as it ends."),
    hook("nworkers_changed", Compat::Should, "nworkers_changed(server, new, old): the number of workers was changed."),
    hook("on_exit", Compat::Must, "on_exit(server): the server ends."),
};

}  // namespace

std::span<const Setting> process_settings() { return kProcessSettings; }

std::span<const Setting> development_settings() { return kDevelopmentSettings; }

std::span<const Setting> hook_settings() { return kHookSettings; }

}  // namespace prefork

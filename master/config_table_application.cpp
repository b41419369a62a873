#include "master/config_check.hpp"
#include "master/config_table.hpp"

namespace prefork {
namespace {

const Setting kSettings[] = {
    {.name = "wsgi_app", .also = "", .other_names = "app, asgi_app", .field = &Config::app, .meta = "APP", .compat = Compat::Must,
     .help = "The application: MODULE, MODULE:NAME or MODULE:FACTORY(\"literal\", key=1). The first argument of the command line."},
    {.name = "builtin_app", .field = &Config::builtin_app, .meta = "NAME", .choices = "|echo", .on_reload = OnReload::Keeps,
     .help = "Serve an application written in C++ instead of Python, for measuring: `--app echo`."},
    {.name = "config", .flags = "-c, --config", .field = &Config::config, .meta = "FILE", .default_note = "./prefork.conf.py, else ./gunicorn.conf.py",
     .on_reload = OnReload::Keeps, .compat = Compat::Must,
     .help = "Configuration file: PATH, file:PATH or python:MODULE. Python code whose variables are settings."},
    {.name = "interface", .flags = "--interface", .field = &Config::interface, .meta = "KIND", .choices = "auto|wsgi|asgi|native",
     .synonyms = "asgi2=asgi|asgi3=asgi|asginl=asgi|rsgi=native", .help = "How the application is called; auto looks at it."},
    {.name = "factory", .flags = "--factory", .field = &Config::factory, .help = "The application is a function without arguments that returns the application."},
    {.name = "python", .flags = "--python", .field = &Config::python, .meta = "PATH", .default_note = "$VIRTUAL_ENV/bin/python, else python3",
     .help = "Python interpreter of the application's environment."},
    {.name = "chdir", .flags = "--chdir", .also = "--working-dir", .field = &Config::chdir, .meta = "DIR", .default_note = "the current directory",
     .on_reload = OnReload::Keeps, .compat = Compat::Must,
     .help = "Directory that the server changes to; it comes first in sys.path, and relative paths of other settings start there."},
    {.name = "pythonpath", .flags = "--pythonpath", .field = &Config::pythonpath, .shape = Shape::CommaList, .meta = "DIRS", .compat = Compat::Must,
     .help = "Directories in front of sys.path, separated by commas."},
    {.name = "raw_env", .flags = "-e, --env", .other_names = "env", .field = &Config::raw_env, .meta = "KEY=VALUE", .check = check::variable,
     .allowed = "KEY=VALUE", .compat = Compat::Must, .help = "Environment variable of the workers; may be given several times."},
    {.name = "env_file", .flags = "--env-file", .also = "--env-files", .field = &Config::env_file, .meta = "FILE",
     .allowed = "a file that can be read", .help = "Lines KEY=VALUE, put in the workers' environment before those of raw_env."},
    {.name = "root_path", .flags = "--root-path", .also = "--url-path-prefix", .field = &Config::root_path, .meta = "PATH", .check = check::url_path,
     .allowed = "a path that starts with /", .default_note = "$SCRIPT_NAME", .compat = Compat::Must,
     .help = "Where the application is mounted: root_path of ASGI, SCRIPT_NAME of WSGI."},
    {.name = "preload_app", .flags = "--preload", .field = &Config::preload_app, .compat = Compat::Must,
     .help = "Load the application once in a process that then forks the workers, so that they share its memory. A reload loads it again."},
    {.name = "bind", .flags = "-b, --bind", .field = &Config::bind, .meta = "ADDRESS", .check = check::bind_address,
     .allowed = kBindAddressForms.data(), .default_note = "127.0.0.1:8000, or 0.0.0.0:$PORT", .compat = Compat::Must,
     .help = "Where to listen: HOST, HOST:PORT, :PORT, [IPV6]:PORT, unix:PATH, unix:@NAME or fd://NUMBER; may be given several times."},
    {.name = "backlog", .flags = "--backlog", .field = &Config::backlog, .meta = "N", .min = 1, .compat = Compat::Must,
     .help = "Connections that the kernel keeps before they are accepted. Requests wait in a queue of their own, see queue_size."},
    {.name = "reuse_port", .flags = "--reuse-port", .field = &Config::reuse_port, .on_reload = OnReload::Keeps, .compat = Compat::Should,
     .help = "Let several servers listen on the same port (SO_REUSEPORT)."},
    {.name = "acceptors", .flags = "--acceptors", .field = &Config::acceptors, .meta = "N", .min = 1, .max = 64, .on_reload = OnReload::Keeps,
     .help = "Event-loop threads of the master; more than one where the master alone uses a whole CPU."},
};

}  // namespace

std::span<const Setting> application_settings() { return kSettings; }

}  // namespace prefork

// What signals do in a worker. They are ordinary Python handlers, so that an application can look at them and set its own:
//   TERM  finishes what is started, then exits with 0            QUIT  worker_int, then exits at once with 0
//   ABRT  stack dump by faulthandler, worker_abort, exits with 1    INT, HUP, USR1, USR2, WINCH  are the master's: nothing happens
// While the application is imported TERM and QUIT end the process at once, as TERM does without handlers.
// One a process; GIL held; main thread.
#pragma once

#include <functional>

#include "python/bridge/hooks.hpp"

namespace prefork::bridge {

// Installs the handlers and turns faulthandler on. Throws std::runtime_error. `hooks` stay in use until the process ends.
void install_signals(Hooks& hooks);
// What the application forks from now on dies of TERM and QUIT. In a worker, not in a mold, whose children are workers.
void reset_stops_in_children();
// In a mold that has loaded: TERM and QUIT, which systemd sends to every process of a service, do nothing, as long as workers may still
// be asked for; the master ends it. use_hooks() ends that.
void leave_stops_to_master();
// In a worker that was forked: the handlers are there, and run its hooks from now on.
void use_hooks(Hooks& hooks);

// What TERM calls, and QUIT too before it unwinds the main thread; at most one at a time. Until then the worker starts.
void on_stop(std::function<void()> function);

// Told to stop before it was ready: runs what is registered with atexit and ends the process by SIGTERM, so that the master sees that
// nobody is to blame.
[[noreturn]] void end_unserved();

// The worker is over, but threads of its own still run Python and nobody waits for them any more: waits for those that Python would wait
// for, runs what is registered with atexit and ends the process, with the interpreter up. Taken down under them it would take them down
// too: before 3.14 CPython unwinds the stack of a thread that comes for the GIL then, and what lies on it is let go without the GIL.
[[noreturn]] void end_beside_threads(int status);

// The main thread must unwind: QUIT has come.
bool quitting();

// Of an error that is set: whether it is a signal's SystemExit, which is cleared then. `told`: quitting() or stopping().
[[nodiscard]] bool drop_exit(bool told);

// TERM or QUIT has come.
bool stopping();

// In a worker that has served its last request: calls what the application has put in the place of our handler of TERM, because the
// master ends workers without that signal. What it raises is logged; its SystemExit asks for what happens anyway.
void call_own_term();

}  // namespace prefork::bridge

// USR2 and what belongs to it: the successor, WINCH to let it serve alone, HUP to take its place again, and from the successor's side
// the moment at which its predecessor has gone.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "master/process/descriptors.hpp"
#include "master/process/title.hpp"
#include "master/serve/error_page.hpp"
#include "master/server_core.hpp"

namespace prefork {

void Server::upgrade() {
  if (successor_) return log_.info("A successor runs already: process ", successor_->pid());
  if (inherited_.predecessor != 0) return log_.info("The predecessor still runs: process ", inherited_.predecessor);
  process::SuccessorCommand command;
  command.arguments = line_.arguments;
  command.directory = line_.launch_directory;
  command.sockets = doors_.descriptors();
  if (notifier_.connected()) command.environment.push_back("NOTIFY_SOCKET=" + notifier_.socket());
  command.environment.push_back(process::descriptor_limit_variable());
  run_hook("pre_exec");
  try {
    successor_ = std::make_unique<process::Successor>(loop_, command, [this] { successor_ended(); });
  } catch (const std::exception& error) {
    return log_.error("Upgrade failed: ", std::string_view(error.what()));
  }
  doors_.share(true);
  log_.info("Upgrading: process ", successor_->pid(), " is the new master");
}

// It did not work out: everything is ours again.
void Server::successor_ended() {
  log_.error("The new master ended: process ", successor_->pid());
  gone_successor_ = std::move(successor_);  // this runs in its callback
  doors_.share(false);
  if (resting_) wake();
}

// The workers go when their work is done; whoever connects now meets the successor.
void Server::rest() {
  if (resting_ || stage_ != Stage::Serving || terminal_) return;
  resting_ = true;
  doors_.pause();
  site_.draining = true;
  site_.for_each([](http::Connection& connection) { connection.drain(); });
}

void Server::rest_when_done() {
  if (!resting_ || supervisor_.suspended() || !dispatcher_.idle() || site_.connections() != 0) return;
  supervisor_.suspend();
}

void Server::wake() {
  resting_ = false;
  site_.draining = false;
  supervisor_.resume();
  doors_.listen();
}

// Our parent was the old master: its end makes us the one.
void Server::look_for_predecessor() {
  if (inherited_.predecessor == 0 || ::getppid() == inherited_.predecessor) return;
  log_.info("The old master has gone: process ", inherited_.predecessor);
  inherited_.predecessor = 0;
  process::set_title(title_of(config_));
  if (pidfile_) pidfile_->rename(config_.pidfile);
  control_.reset();
  open_control();
  look_after_files();
  notifier_.main_pid(::getpid());
}

// As process 1 we are given the orphans of the whole container, and as the parent of a mold's workers those of all our processes. Our
// own children are libuv's to reap or the supervisor's, and the threads' that read a configuration.
void Server::reap_orphans() {
  if ((::getpid() != 1 && !supervisor_.adopts()) || reloading_ || supervisor_.forking()) return;
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    const int pid = info.si_pid;
    const bool ours = (successor_ && successor_->pid() == pid) || (hooks_ && hooks_->pid() == pid) ||
                      std::any_of(retired_hooks_.begin(), retired_hooks_.end(),
                                  [pid](const auto& one) { return one->pid() == pid; }) ||
                      supervisor_.owns(pid);
    if (ours) return;
    ::waitpid(pid, nullptr, WNOHANG);
  }
}

// --reload: a change of the application's files is a reload. Requests wait for the new workers.
void Server::watch_files() {
  if (!config_.reload) return;
  process::WatchedFiles files{config_.reload_dirs, config_.reload_includes, config_.reload_excludes,
                              config_.reload_extra_files};
  if (files.folders.empty()) files.folders = config_.pythonpath;
  if (config_.reload_dirs.empty()) files.folders.push_back(config_.chdir.empty() ? "." : config_.chdir);
  const auto engine = config_.reload_engine == "poll"      ? process::WatchEngine::Poll
                      : config_.reload_engine == "inotify" ? process::WatchEngine::Inotify
                                                           : process::WatchEngine::Auto;
  files_ = std::make_unique<process::FileWatch>(
      loop_, std::move(files), engine,
      process::FileWatch::Events{[this](const std::string& path) {
                                   log_.info("Reloading: ", path, " has changed");
                                   reload();
                                 },
                                 [this](std::size_t count, bool inotify) {
                                   log_.info("Watching ", count, count == 1 ? " file" : " files", " for changes (",
                                             inotify ? "inotify" : "poll", ")");
                                 }});
}

// --reload, and the first import has failed.
void Server::await_mending() {
  log_.error("Requests get an error page until a change of the files mends that");
  refuse(supervisor_.failure());
}

void Server::refuse(std::string traceback) {
  site_.failure_page = [traceback = std::move(traceback)](const http::Exchange& exchange) {
    serve::Failure failure;
    failure.traceback = traceback;
    failure.method = exchange.request.text(exchange.request.head.method_name);
    failure.uri = exchange.request.text(exchange.request.head.target);
    failure.request_id = exchange.request.text(exchange.request.head.request_id);
    return serve::development_page(failure);
  };
  dispatcher_.set_gate(dispatch::Dispatcher::Gate::Refusing);
}

void Server::serve_again() {
  dispatcher_.set_gate(dispatch::Dispatcher::Gate::Open);
  site_.failure_page = nullptr;
}

void Server::open_pidfile() {
  if (config_.pidfile.empty()) return;
  pidfile_ = std::make_unique<process::Pidfile>(config_.pidfile + (inherited_.predecessor != 0 ? ".2" : ""));
}

void Server::look_after_files() {
  for (const auto& path : doors_.files()) leftovers_.look_after(path);
  if (control_) {
    for (const auto& path : control_->files()) leftovers_.look_after(path);
  }
  if (pidfile_) leftovers_.look_after(pidfile_->path());
}

std::string title_of(const Config& config) {
  return "prefork: master [" + (config.proc_name.empty() ? config.default_proc_name : config.proc_name) + "]";
}

}  // namespace prefork

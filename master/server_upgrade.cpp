// USR2 and what belongs to it: the successor, WINCH to let it serve alone, HUP to take its place again, and from the successor's side
// the moment at which its predecessor has gone.
#include <unistd.h>

#include "master/process/descriptors.hpp"
#include "master/process/title.hpp"
#include "master/server_core.hpp"

namespace prefork {

void Server::upgrade() {
  if (successor_) return log_.info("A successor runs already: process ", successor_->pid());
  if (inherited_.predecessor != 0) return log_.info("The predecessor still runs: process ", inherited_.predecessor);
  process::SuccessorCommand command;
  command.arguments = line_.arguments;
  command.directory = line_.launch_directory;
  command.sockets = doors_.sockets();
  command.environment = notifier_.variables();
  command.environment.push_back(process::descriptor_limit_variable());
  run_hook("pre_exec");
  try {
    successor_ = std::make_unique<process::Successor>(loop_, command, [this] { successor_ended(); });
  } catch (const std::exception& error) {
    return log_.error("Upgrade failed: ", std::string_view(error.what()));
  }
  log_.info("Upgrading: process ", successor_->pid(), " is the new master");
}

// It did not work out: everything is ours again.
void Server::successor_ended() {
  log_.error("The new master ended: process ", successor_->pid());
  gone_successor_ = std::move(successor_);  // this runs in its callback
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

// Our parent was the old master.
bool Server::predecessor_lives() const { return inherited_.predecessor != 0 && ::getppid() == inherited_.predecessor; }

// Its end makes us the one.
void Server::look_for_predecessor() {
  if (inherited_.predecessor == 0 || predecessor_lives()) return;
  log_.info("The old master has gone: process ", inherited_.predecessor);
  inherited_.predecessor = 0;
  if (!resting_) doors_.listen();
  process::set_title(title_of(config_));
  if (pidfile_) pidfile_->rename(config_.pidfile);
  control_.reset();
  open_control();
  try {
    admin_.open(config_, AdminPort::Which::Names);
  } catch (const std::exception& error) {
    log_.error("Metrics or health checks are not served: ", std::string_view(error.what()));
  }
  look_after_files();
  notifier_.main_pid(::getpid());
  feed_watchdog();
}

}  // namespace prefork

// What the server does when it is told something by a signal: stop, reload, more or fewer workers, new log files.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <iterator>
#include <memory>
#include <optional>

#include "master/server_core.hpp"
#include "master/worker_command.hpp"

namespace prefork {
namespace {

constexpr std::uint64_t kQuickMs = 2'000;  // what a worker gets that is told to go at once

const char* name_of(int signal) {
  switch (signal) {
    case SIGTERM: return "term";
    case SIGINT: return "int";
    case SIGQUIT: return "quit";
    case SIGHUP: return "hup";
    case SIGTTIN: return "ttin";
    case SIGTTOU: return "ttou";
    case SIGUSR1: return "usr1";
    case SIGUSR2: return "usr2";
    case SIGWINCH: return "winch";
    default: return "unknown";
  }
}

constexpr std::array kEnding{SIGTERM, SIGINT, SIGQUIT};
constexpr std::array kOthers{SIGHUP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH};

void mask_others(int how) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kOthers) sigaddset(&set, number);
  ::pthread_sigmask(how, &set, nullptr);
}

}  // namespace

// While the hook on_starting runs or an address is waited for, nobody is served: who is told to end has nothing to finish, and the
// files are removed as those of a master that was killed. What else it is told waits for the loop; by itself it would be the end too.
void Server::await_loop() {
  for (const int number : kEnding) ::signal(number, [](int) { ::_exit(0); });
  mask_others(SIG_BLOCK);
}

void Server::watch_signals() {
  for (const int number : kEnding) watch_signal(number);
  for (const int number : kOthers) watch_signal(number);
  mask_others(SIG_UNBLOCK);
}

void Server::watch_signal(int number) {
  auto* handle = new uv_signal_t;
  uv_signal_init(loop_.uv(), handle);
  handle->data = this;
  signals_.emplace_back(handle);
  uv_signal_start(
      handle,
      [](uv_signal_t* signal, int which) {
        if (signal->data != nullptr) static_cast<Server*>(signal->data)->on_signal(which);
      },
      number);
}

void Server::on_signal(int number) {
  if (number == SIGWINCH && terminal_) return;  // its window has changed
  log_.info("Handling signal: ", name_of(number));
  switch (number) {
    case SIGTERM: return stop_gracefully();
    case SIGINT:
      if (terminal_ && stage_ == Stage::Serving) {
        log_.info("Finishing what is started; press Ctrl-C again to stop at once");
        return stop_gracefully();
      }
      return stop_quickly("told to stop at once");
    case SIGQUIT: return stop_quickly("told to stop at once");
    case SIGHUP: return reload();
    case SIGTTIN: return supervisor_.set_workers(supervisor_.workers() + 1);
    case SIGTTOU: return supervisor_.set_workers(std::max(2u, supervisor_.workers()) - 1);
    case SIGUSR1: return logs_.reopen();
    case SIGUSR2: return upgrade();
    case SIGWINCH: return rest();
    default: return;
  }
}

// ---------------------------------------------------------------------------------------------------- stopping

void Server::stop_gracefully() {
  if (stage_ != Stage::Serving) return;
  stage_ = Stage::Delaying;
  if (dispatcher_.gate() == dispatch::Dispatcher::Gate::Held) serve_again();
  site_.draining = true;  // readiness fails from now on, and answers end their connections
  tell_end("Finishing what is started");
  const auto delay = static_cast<std::uint64_t>(config_.drain_delay.count());
  kill_timer_.start(delay + static_cast<std::uint64_t>(config_.graceful_timeout.count()));
  if (delay == 0) return drain();
  drain_timer_.start(delay);  // load balancers learn first that no more shall come
}

// Whoever has connected by now is answered; the listeners close.
void Server::drain() {
  if (stage_ != Stage::Delaying) return;
  doors_.close();
  site_.for_each([](http::Connection& connection) { connection.drain(); });
  stage_ = Stage::Draining;
}

// The workers stay until nobody can have a request for them any more.
void Server::leave_when_done() {
  if (stage_ == Stage::Draining) {
    if (!dispatcher_.idle() || site_.connections() != 0) return;
    stage_ = Stage::Leaving;
    supervisor_.stop();
  }
  if (supervisor_.running() == 0) loop_.stop();
}

// systemd must know its new main process before the old one ends, or it takes the service for dead.
void Server::tell_end(const char* status) const {
  if (successor_) {
    notifier_.main_pid(successor_->pid());
  } else {
    notifier_.stopping(status);
  }
}

void Server::stop_quickly(const char* why) {
  if (stage_ == Stage::Leaving && supervisor_.stopping())  // once more, or they did not go
    return supervisor_.quit(SIGKILL);
  if (stage_ == Stage::Serving) tell_end("Stopping at once");
  if (!dispatcher_.idle()) log_.warning("Requests are broken off: ", why);
  const bool patience_is_over = stage_ == Stage::Draining;
  stage_ = Stage::Leaving;
  doors_.close();
  site_.draining = true;
  site_.for_each(
      [](http::Connection& connection) { connection.drain(); });  // a WebSocket is told 1001 before its worker goes
  // An event loop cancels what it runs and ends its lifespan, also when its requests have had their time.
  const bool lifespan = dispatcher_.interface_known() && dispatcher_.interface() == wire::Interface::Asgi;
  supervisor_.quit(patience_is_over && !lifespan ? SIGKILL : SIGQUIT);
  dispatcher_.set_gate(dispatch::Dispatcher::Gate::Stopped);
  kill_timer_.start(kQuickMs);
}

void Server::halt(int code) {
  if (config_.reload && stage_ == Stage::Serving) return await_mending();
  exit_code_ = code;
  log_.error("Reason: ", code == 4 ? "App failed to load." : "Worker failed to boot.");
  stop_quickly("no worker can start");
}

// ---------------------------------------------------------------------------------------------------- reloading

namespace {

// Reading the configuration may run a Python interpreter, so it is done beside the loop.
struct ConfigReader {
  uv_work_t work{};
  CommandLine before;
  std::stop_token stop;
  std::optional<CommandLine> fresh;
  std::string error;
  std::function<void(ConfigReader&)> done;
};

void read_config(ConfigReader& reader) {
  try {
    reader.fresh = reload_config(reader.before, reader.stop);
  } catch (const ConfigError& error) {
    reader.error = error.details() + error.what();
  } catch (const std::exception& error) {
    reader.error = error.what();
  }
}

}  // namespace

// The newest counts: a configuration that is being read is read again, and a generation that is still to come up (it may hang) gives
// way to the one after it.
void Server::reload() {
  if (stage_ != Stage::Serving) return;
  if (resting_) wake();
  if (config_.reload) dispatcher_.set_gate(dispatch::Dispatcher::Gate::Held);
  notifier_.reloading();
  logs_.reopen();
  if (!reading_) return read_configuration();
  read_again_ = true;
  config_reading_.request_stop();
}

void Server::read_configuration() {
  reading_ = true;
  config_reading_ = std::stop_source();
  if (config_.boot_timeout.count() != 0) config_timer_.start(static_cast<std::uint64_t>(config_.boot_timeout.count()));
  auto* reader = new ConfigReader;
  reader->work.data = reader;
  reader->before = line_;
  reader->stop = config_reading_.get_token();
  reader->done = [this, alive = std::weak_ptr<bool>(alive_)](ConfigReader& read) {
    if (alive.expired()) return;
    config_timer_.stop();
    reading_ = false;
    if (stage_ != Stage::Serving) return;
    if (std::exchange(read_again_, false)) return read_configuration();
    if (!read.fresh) {
      if (read.stop.stop_requested()) read.error = "the configuration was not read within --boot-timeout";
      log_.error("Reload failed: ", read.error);
      return end_reload(read_waiters_, read.error, read.error);
    }
    begin_reload(std::move(*read.fresh));
  };
  uv_queue_work(
      loop_.uv(), &reader->work, [](uv_work_t* work) { read_config(*static_cast<ConfigReader*>(work->data)); },
      [](uv_work_t* work, int) {
        const std::unique_ptr<ConfigReader> read(static_cast<ConfigReader*>(work->data));
        read->done(*read);
      });
}

// The new addresses are bound before anything else changes, and used once the new workers serve.
void Server::begin_reload(CommandLine fresh) {
  for (const Notice& notice : fresh.notices) {
    if (std::find(line_.notices.begin(), line_.notices.end(), notice) == line_.notices.end()) say(notice);
  }
  try {
    logs_.prepare(fresh.config);
    doors_.prepare(fresh.config);
  } catch (const std::exception& error) {
    if (!supervisor_.reloading()) logs_.forget_prepared();
    log_.error("Reload failed: ", error.what());
    return end_reload(read_waiters_, error.what(), error.what());
  }
  std::move(read_waiters_.begin(), read_waiters_.end(), std::back_inserter(reload_waiters_));
  read_waiters_.clear();
  start_hooks(fresh.config);          // the new functions hear of the reload and of its workers
  if (hooks_) run_hook("on_reload");  // a mold runs it before it forks anybody
  const auto command = worker_command_of(fresh.config, logs_, shared_.get());
  const auto policy = supervisor_policy_of(fresh.config);
  supervisor_.reload(command, policy, [this, fresh = std::move(fresh)](const std::string& failure) mutable {
    if (failure.empty()) {
      apply(std::move(fresh));
    } else {
      start_hooks(config_);
    }
    doors_.forget_prepared();
    logs_.forget_prepared();
    end_reload(reload_waiters_, failure, supervisor_.failure());
  });
}

void Server::apply(CommandLine fresh) {
  const unsigned workers_before = static_cast<unsigned>(config_.workers);
  line_ = std::move(fresh);
  logs_.commit();
  fill_site();
  if (workers_before != supervisor_.workers()) run_size_hook(supervisor_.workers(), workers_before);
  dispatcher_.set_policy(dispatch_policy_of(config_));
  doors_.commit();
  look_after_files();
  log_.info("Reloaded: generation ", supervisor_.generation(), " serves");
}

// `shown`: what a developer sees of the failure.
void Server::end_reload(ReloadWaiters& waiters, const std::string& failure, const std::string& shown) {
  metrics_.reloaded(failure.empty());
  if (!reloading() && stage_ == Stage::Serving) {
    if (config_.reload && !failure.empty()) {
      refuse(shown);
    } else {
      serve_again();
    }
    notifier_.ready(failure.empty() ? "Serving" : "Serving; the last reload failed");
  }
  for (auto& waiter : std::exchange(waiters, {})) waiter(failure);
}

void Server::say(const Notice& notice) {
  switch (notice.level) {
    case Notice::Level::Debug: return log_.debug(notice.text);
    case Notice::Level::Info: return log_.info(notice.text);
    case Notice::Level::Warning: return log_.warning(notice.text);
  }
}

}  // namespace prefork

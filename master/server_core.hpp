// The Server behind run_server(): everything that one master process owns. server.cpp builds and runs it; what it does when it is told
// something lies in the files beside that: signals, upgrades, the control socket, hooks, changed files.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "master/admin_port.hpp"
#include "master/config_load.hpp"
#include "master/dispatch/dispatcher.hpp"
#include "master/doors.hpp"
#include "master/http/connection.hpp"
#include "master/http/site.hpp"
#include "master/logs.hpp"
#include "master/net/deadline.hpp"
#include "master/net/loop.hpp"
#include "master/process/control_socket.hpp"
#include "master/process/file_watch.hpp"
#include "master/process/hook_process.hpp"
#include "master/process/leftovers.hpp"
#include "master/process/pidfile.hpp"
#include "master/process/sd_notify.hpp"
#include "master/process/successor.hpp"
#include "master/process/supervisor.hpp"
#include "master/serve/metrics.hpp"
#include "master/serve/site_observer.hpp"
#include "master/spare_memory.hpp"

namespace prefork {

class Server {
 public:
  explicit Server(CommandLine line);
  int run();  // the process's exit code

 private:
  using ReloadWaiters = std::vector<std::function<void(const std::string& failure)>>;
  // Serving -> Delaying (TERM with --drain-delay) -> Draining (no listener; what is there is answered) -> Leaving (workers end)
  enum class Stage { Serving, Delaying, Draining, Leaving };

  // server.cpp
  void fill_site();
  void observe();
  void accept(int fd, net::Peer peer, const net::BoundSocket& local);
  bool before_sleep();
  void every_second();
  void reap_orphans();
  void started();
  void feed_watchdog();
  void open_pidfile();
  void look_after_files();
  static void hold_signals();

  // server_hooks.cpp
  bool preloads() const { return config_.preload_app && config_.builtin_app.empty(); }
  void start_hooks(const Config& config);
  process::HookRunner* hook_runner() const;
  process::HookRunner::Facts hook_facts() const;
  void run_hook(const char* name);
  void run_mold_hook();
  void run_pre_fork(unsigned age);
  void run_child_exit(const dispatch::WorkerIdentity& worker);
  void run_size_hook(unsigned now, std::optional<unsigned> before);
  void run_starting_hook();
  void run_exit_hook();

  // server_signals.cpp
  static void await_loop();
  void watch_signals();
  void watch_signal(int number);
  void on_signal(int number);
  void stop_gracefully();
  void drain();
  void tell_end(const char* status) const;
  void stop_quickly(const char* why);
  void halt(int code);
  void leave_when_done();
  void reload();
  void read_configuration();
  void begin_reload(CommandLine fresh);
  void apply(CommandLine fresh);
  bool reloading() const { return reading_ || supervisor_.reloading(); }
  void end_reload(ReloadWaiters& waiters, const std::string& failure, const std::string& shown);
  void say(const Notice& notice);

  // server_control.cpp
  void open_control();
  void on_control(const std::string& command, const process::ControlSocket::Answer& answer);
  std::string status_text();
  std::string status_json();

  // server_upgrade.cpp
  void upgrade();
  void successor_ended();
  void rest();
  void rest_when_done();
  void wake();
  bool predecessor_lives() const;
  bool shares_doors() const { return successor_ || predecessor_lives(); }
  void look_for_predecessor();

  // server_development.cpp
  void watch_files();
  void await_mending();
  void refuse(std::string traceback);
  void serve_again();

  process::Inheritance inherited_ = process::inheritance();
  process::Notifier notifier_ = process::Notifier::from_environment();  // before workers inherit the environment
  CommandLine line_;
  const Config& config_;  // line_.config, which a reload replaces
  Logs logs_;
  serve::ErrorLog& log_;
  net::Loop loop_;
  net::DeadlineWheel wheel_;
  dispatch::Dispatcher dispatcher_;
  Doors doors_;                                    // before the connections that refer to it
  serve::Metrics metrics_;                         // over reloads
  std::unique_ptr<serve::SiteObserver> observer_;  // hears of what the last connections break off
  http::Site site_;
  AdminPort admin_;
  std::unique_ptr<process::HookProcess> hooks_;  // null: no hook of the master is set, or the mold has them
  std::vector<std::unique_ptr<process::HookProcess>>
      retired_hooks_;     // those of earlier configurations, until they have ended
  shm::UniqueFd shared_;  // the memory of prefork.shared, for all generations of workers; never looked into here
  process::Supervisor supervisor_;
  std::optional<process::ControlSocket> control_;
  std::unique_ptr<process::Pidfile> pidfile_;
  process::Leftovers leftovers_;
  std::unique_ptr<process::FileWatch> files_;  // --reload
  std::unique_ptr<process::Successor> successor_, gone_successor_;
  std::vector<net::UvHandle<uv_signal_t>> signals_;
  net::Timer drain_timer_;           // the end of --drain-delay
  net::Timer kill_timer_;            // the end of --graceful-timeout
  std::stop_source config_reading_;  // a configuration file can take for ever
  net::Timer config_timer_;          // ends its reading at a reload
  SpareMemory spare_memory_;
  net::Timer second_;
  net::Timer watchdog_;  // systemd's
  Stage stage_ = Stage::Serving;
  bool terminal_ = false;         // a person may press Ctrl-C
  bool first_mold_ = true;        // none was made yet
  bool resting_ = false;          // a successor serves
  bool reading_ = false;          // the configuration, for a reload
  bool read_again_ = false;       // another reload came meanwhile: what is read may be of before
  ReloadWaiters reload_waiters_;  // of the generation that comes up
  ReloadWaiters read_waiters_;    // of what is read
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for work that is done beside the loop
  int exit_code_ = 0;
};

std::string title_of(const Config& config);

}  // namespace prefork

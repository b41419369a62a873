#include "master/server.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <optional>

#include "master/net/tcp_stream.hpp"
#include "master/process/daemon.hpp"
#include "master/process/descriptors.hpp"
#include "master/process/title.hpp"
#include "master/server_core.hpp"
#include "master/worker_command.hpp"
#include "shm/shared_table.hpp"
#include "shm/wire/characters.hpp"
#include "version.hpp"

namespace prefork {
namespace {

constexpr Config::Milliseconds kMoldPatience{2'000};  // for what it runs at exit, when nobody else is left

bool adds_field(const Config& config, std::string_view name) {
  return std::any_of(config.header.begin(), config.header.end(), [name](const std::string& field) {
    return wire::same_name(std::string_view(field).substr(0, field.find(':')), name);
  });
}

// What is said of the workers, in gunicorn's words, which scripts look for. "" where that is known only when the application is.
std::string worker_kind(const Config& config, std::optional<wire::Interface> known) {
  if (!config.builtin_app.empty()) return config.builtin_app;
  const bool wsgi = config.worker_class == "sync" || config.worker_class.ends_with("SyncWorker");
  if (config.worker_class != "auto" && !wsgi) return config.worker_class;
  if (wsgi || config.interface == "wsgi" || known == wire::Interface::Wsgi)
    return config.threads > 1 ? "gthread" : wsgi ? config.worker_class : "sync";
  if (config.interface != "auto") return config.interface;
  if (!known) return {};
  return *known == wire::Interface::Asgi ? "asgi" : "native";
}

}  // namespace

Server::Server(CommandLine line)
    : line_(std::move(line)),
      config_(line_.config),
      logs_(config_),
      log_(logs_.error()),
      wheel_(loop_),
      dispatcher_(loop_, wheel_, dispatch_policy_of(config_)),
      doors_(
          loop_, log_,
          [this](int fd, net::Peer peer, const net::BoundSocket& local) { accept(fd, std::move(peer), local); },
          [this] { return shares_doors(); }),
      site_(loop_, wheel_, dispatcher_),
      admin_(loop_, wheel_, dispatcher_, log_, [this]() -> const serve::SiteObserver& { return *observer_; }),
      shared_(config_.shared_memory != 0 ? shm::SharedTable::create(config_.shared_memory) : shm::UniqueFd()),
      supervisor_(
          loop_, dispatcher_, log_, worker_command_of(config_, logs_, shared_.get()), supervisor_policy_of(config_),
          {[this] { started(); }, [this](int code) { halt(code); },
           [this](int, unsigned age) {
             metrics_.worker_started();
             run_pre_fork(age);
           },
           [this](const dispatch::WorkerIdentity& worker) { run_child_exit(worker); },
           [this](unsigned now, unsigned before) {
             observer_->set_workers_wanted(now);
             run_size_hook(now, before);
           },
           [this](serve::RestartCause cause) { metrics_.worker_restarted(cause); }, [this] { run_mold_hook(); }}),
      drain_timer_(loop_, [this] { drain(); }),
      kill_timer_(loop_, [this] { stop_quickly("--graceful-timeout is over"); }),
      config_timer_(loop_, [this] { config_reading_.request_stop(); }),
      second_(loop_, [this] { every_second(); }),
      watchdog_(loop_, [this] { notifier_.alive(); }),
      terminal_(::isatty(STDIN_FILENO) != 0) {
  logs_.read_workers_on(loop_);
  fill_site();
  second_.start(1'000, 1'000);
  loop_.on_turn([this] { return before_sleep(); }, [this] { dispatcher_.after_sleep(); });
}

int Server::run() {
  await_loop();
  loop_.start_threads();
  log_.info("Starting prefork ", PREFORK_VERSION);
  open_pidfile();
  look_after_files();  // loading the application may take a while
  for (const Notice& notice : line_.notices) say(notice);
  start_hooks(config_);
  if (preloads()) supervisor_.form_mold();
  run_size_hook(supervisor_.workers(), {});
  run_starting_hook();
  doors_.open(config_, inherited_.sockets);
  admin_.open(config_, inherited_.predecessor == 0 ? AdminPort::Which::All : AdminPort::Which::Ports);
  // A predecessor accepts until the first workers serve: a release that starts slowly delays nobody, and one that fails costs nothing.
  if (inherited_.predecessor == 0) doors_.listen();
  if (const auto worker = worker_kind(config_, {}); !worker.empty()) log_.info("Using worker: ", worker);
  open_control();
  look_after_files();
  watch_signals();
  if (preloads()) run_hook("when_ready");  // as gunicorn: what it leaves behind is there in the workers
  watch_files();                           // first: what changes while the first workers start counts
  supervisor_.start();
  loop_.run();
  config_reading_.request_stop();
  files_.reset();
  log_.info("Shutting down: Master");
  doors_.close();
  run_exit_hook();
  supervisor_.end_molds(std::min(config_.graceful_timeout, kMoldPatience));
  observer_->tick();
  admin_.close();
  if (shares_doors()) leftovers_.leave_to_guard();
  logs_.stop_reading();
  hold_signals();
  signals_.clear();  // last: another TERM must not cut the hook on_exit short
  return exit_code_;
}

// From here on a signal would end the process by itself, and its exit code would not be ours.
void Server::hold_signals() {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

void Server::fill_site() {
  site_.limits = http::Limits(config_);
  const auto ms = [](Config::Milliseconds time) { return static_cast<std::uint64_t>(time.count()); };
  site_.timing = {ms(config_.header_timeout), ms(config_.keepalive), ms(config_.send_timeout), config_.body_min_rate};
  site_.buffers.request_memory = std::min(config_.request_buffer, http::Buffers{}.request_memory);
  site_.buffers.request_loan = config_.request_buffer - site_.buffers.request_memory;
  site_.buffers.inline_body = std::min<std::size_t>(site_.buffers.request_memory, http::Buffers{}.inline_body);
  site_.buffers.reply_memory = config_.response_buffer;
  site_.buffers.reply_spool = config_.response_spool;
  site_.buffers.pipeline = static_cast<std::size_t>(config_.pipeline_depth);
  site_.buffers.collect = config_.request_buffering;
  site_.reply_spools.limit = config_.response_spool_total;
  site_.request_spools.limit = config_.request_spool_total;
  if (!config_.tmp_upload_dir.empty())
    site_.request_spools.directory = site_.reply_spools.directory = config_.tmp_upload_dir;
  site_.request_spools.report = site_.reply_spools.report = [this](const std::string& what) {
    log_.warning("Large bodies stay in memory or wait: ", what);
  };
  // The operator's own field takes the place of ours.
  site_.server = config_.server_header && !adds_field(config_, "Server") ? "prefork" : "";
  site_.date = config_.date_header && !adds_field(config_, "Date");
  site_.extra_lines.clear();
  for (const auto& field : config_.header) site_.extra_lines += field_line(field);
  site_.proxy_protocol = http::parse_proxy_mode(config_.proxy_protocol).value_or(http::ProxyMode::Off);
  site_.proxy_allow_ips = http::TrustList(config_.proxy_allow_ips);
  site_.websocket.max_message = config_.websocket_max_message_size;
  site_.websocket.ping_interval_ms = ms(config_.ws_ping_interval);
  site_.websocket.ping_timeout_ms = ms(config_.ws_ping_timeout);
  site_.websocket.deflate = config_.ws_per_message_deflate;
  site_.websocket.max_queue = static_cast<std::size_t>(config_.ws_max_queue);
  observe();
}

// A reload with settings that cannot be (a statsd host that nobody knows) leaves things as they are.
void Server::observe() {
  try {
    observer_ = std::make_unique<serve::SiteObserver>(config_, logs_, metrics_, site_);
    site_.observer = observer_.get();
  } catch (const std::exception& error) {
    if (!observer_) throw;
    log_.error("Logs and metrics stay as they were: ", std::string_view{error.what()});
  }
}

void Server::accept(int fd, net::Peer peer, const net::BoundSocket& local) {
  metrics_.connection_opened();
  auto& connection = site_.adopt(std::make_unique<http::Connection>(site_, std::move(peer), local));
  connection.start(std::make_unique<net::TcpStream>(loop_, fd, connection));
}

void Server::every_second() {
  observer_->tick();
  spare_memory_.every_second();
  look_for_predecessor();
  rest_when_done();
  reap_orphans();
}

bool Server::before_sleep() {
  const bool more = dispatcher_.before_sleep();
  site_.finish_turn();
  admin_.finish_turn();
  if (stage_ == Stage::Draining || stage_ == Stage::Leaving) leave_when_done();
  return more;
}

// As process 1 we are given the orphans of the whole container, and as the parent of a mold's workers those of all our processes. Our
// own children are libuv's to reap or the supervisor's, and the threads' that read a configuration.
void Server::reap_orphans() {
  if ((::getpid() != 1 && !supervisor_.adopts()) || reading_ || supervisor_.forking()) return;
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

// The first workers serve.
void Server::started() {
  if (!resting_) doors_.listen();
  if (worker_kind(config_, {}).empty()) log_.info("Using worker: ", worker_kind(config_, dispatcher_.interface()));
  log_.info("Serving with ", supervisor_.running(), supervisor_.running() == 1 ? " worker" : " workers");
  notifier_.ready("Serving");
  feed_watchdog();
  if (!preloads()) run_hook("when_ready");
}

// From the moment at which systemd counts: when the service is ready, or is ours after an upgrade.
void Server::feed_watchdog() {
  const auto interval = notifier_.watchdog_interval();
  if (!interval || watchdog_.active()) return;
  const auto every = static_cast<std::uint64_t>(interval->count() / 1000);
  notifier_.alive();
  watchdog_.start(every, every);
}

void Server::open_pidfile() {
  if (config_.pidfile.empty()) return;
  pidfile_ = std::make_unique<process::Pidfile>(config_.pidfile + (inherited_.predecessor != 0 ? ".2" : ""));
}

void Server::look_after_files() {
  for (const auto& path : doors_.files()) leftovers_.look_after(path);
  for (const auto& path : admin_.files()) leftovers_.look_after(path);
  if (control_) {
    for (const auto& path : control_->files()) leftovers_.look_after(path);
  }
  if (pidfile_) leftovers_.look_after(pidfile_->path());
}

std::string title_of(const Config& config) {
  return "prefork: master [" + (config.proc_name.empty() ? config.default_proc_name : config.proc_name) + "]";
}

int run_server(CommandLine line) {
  const Config& config = line.config;
  if (config.daemon && std::getenv("GUNICORN_PID") == nullptr) process::become_daemon(config.enable_stdio_inheritance);
  if (!config.chdir.empty()) std::filesystem::current_path(config.chdir);
  process::set_title(title_of(config));
  process::raise_descriptor_limit();
  // A client, a log's reader or room in a file that is gone is an error of the call that meets it, not the end.
  for (const int number : {SIGPIPE, SIGXFSZ}) ::signal(number, SIG_IGN);
  ::srandom(static_cast<unsigned>(::time(nullptr)) ^ static_cast<unsigned>(::getpid()));
  return Server(std::move(line)).run();
}

}  // namespace prefork

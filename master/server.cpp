#include "master/server.hpp"

#include <unistd.h>

#include <csignal>
#include <ctime>

#include "master/net/tcp_stream.hpp"
#include "master/server_core.hpp"
#include "master/worker_command.hpp"
#include "version.hpp"

namespace prefork {

Server::Server(CommandLine line)
    : line_(std::move(line)),
      config_(line_.config),
      logs_(config_),
      log_(logs_.error()),
      wheel_(loop_),
      dispatcher_(loop_, wheel_, dispatch_policy_of(config_)),
      doors_(loop_, log_, [this](int fd, net::Peer peer, const net::BoundSocket& local) { accept(fd, std::move(peer), local); }),
      site_(loop_, wheel_, dispatcher_),
      supervisor_(loop_, dispatcher_, log_, worker_command_of(config_), supervisor_policy_of(config_),
                  {[this] { started(); }, [this](int code) { halt(code); }}),
      drain_timer_(loop_, [this] { drain(); }),
      kill_timer_(loop_, [this] { stop_quickly("--graceful-timeout is over"); }),
      terminal_(::isatty(STDIN_FILENO) != 0) {
  fill_site();
  loop_.on_turn([this] { return before_sleep(); }, [this] { dispatcher_.after_sleep(); });
}

int Server::run() {
  log_.info("Starting prefork ", PREFORK_VERSION);
  doors_.open(config_);
  doors_.listen();
  log_.info("Using worker: ", config_.builtin_app.empty() ? config_.worker_class : config_.builtin_app);
  watch_signals();
  supervisor_.start();
  loop_.run();
  log_.info("Shutting down: Master");
  doors_.close();
  signals_.clear();
  return exit_code_;
}

void Server::fill_site() {
  site_.limits = http::Limits(config_);
  const auto ms = [](Config::Milliseconds time) { return static_cast<std::uint64_t>(time.count()); };
  site_.timing = {ms(config_.header_timeout), ms(config_.keepalive), ms(config_.send_timeout), config_.body_min_rate};
  site_.buffers.request_memory = config_.request_buffer;
  site_.buffers.reply_memory = config_.response_buffer;
  site_.buffers.reply_spool = config_.response_spool;
  site_.buffers.pipeline = static_cast<std::size_t>(config_.pipeline_depth);
  site_.buffers.collect = config_.request_buffering;
  site_.reply_spools.limit = config_.response_spool_total;
  site_.request_spools.limit = config_.request_spool_total;
  if (!config_.tmp_upload_dir.empty()) site_.request_spools.directory = site_.reply_spools.directory = config_.tmp_upload_dir;
  if (!config_.server_header) site_.server.clear();
  site_.date = config_.date_header;
}

void Server::accept(int fd, net::Peer peer, const net::BoundSocket& local) {
  auto& connection = site_.adopt(std::make_unique<http::Connection>(site_, std::move(peer), local));
  connection.start(std::make_unique<net::TcpStream>(loop_, fd, connection));
}

bool Server::before_sleep() {
  const bool more = dispatcher_.before_sleep();
  site_.finish_turn();
  if (stage_ == Stage::Draining || stage_ == Stage::Leaving) leave_when_done();
  return more;
}

// The first workers serve.
void Server::started() {}

int run_server(CommandLine line) {
  ::signal(SIGPIPE, SIG_IGN);
  ::srandom(static_cast<unsigned>(::time(nullptr)) ^ static_cast<unsigned>(::getpid()));
  return Server(std::move(line)).run();
}

}  // namespace prefork

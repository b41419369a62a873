#include "master/server.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "master/dispatch/dispatcher.hpp"
#include "master/http/connection.hpp"
#include "master/http/site.hpp"
#include "master/net/deadline.hpp"
#include "master/net/listener.hpp"
#include "master/net/loop.hpp"
#include "master/net/tcp_stream.hpp"
#include "master/process/supervisor.hpp"

namespace prefork {
namespace {

std::string executable_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path().string(); }

dispatch::Policy policy_of(const Config& config) {
  dispatch::Policy policy;
  policy.queue_size = static_cast<std::size_t>(config.queue_size);
  policy.queue_timeout_ms = static_cast<std::uint64_t>(config.queue_timeout.count());
  policy.hold_timeout_ms = static_cast<std::uint64_t>(config.hold_timeout.count());
  policy.request_timeout_ms = static_cast<std::uint64_t>(config.request_timeout.count());
  policy.limit_concurrency = static_cast<std::size_t>(config.limit_concurrency);
  policy.retry_crashed = config.retry_crashed;
  return policy;
}

process::WorkerCommand command_of(const Config& config) {
  process::WorkerCommand command;
  const bool echo = config.builtin_app == "echo";
  command.executable = executable_folder() + (echo ? "/prefork-echo" : "/prefork-worker");
  command.settings.set("app", config.app);
  command.settings.set("chdir", config.chdir);
  command.settings.set("python", config.python);
  command.settings.set("interface", config.interface);
  command.settings.set("threads", std::to_string(config.threads));
  command.settings.set("workers", std::to_string(config.workers));
  command.settings.set("spin", std::to_string(config.spin.count()));
  command.settings.set("reply_window", std::to_string(config.response_buffer));
  return command;
}

class Server {
 public:
  explicit Server(const Config& config)
      : config_(config),
        wheel_(loop_),
        dispatcher_(loop_, wheel_, policy_of(config)),
        site_(loop_, wheel_, dispatcher_),
        supervisor_(loop_, dispatcher_, command_of(config), static_cast<unsigned>(config.workers), [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }),
        kill_timer_(loop_, [this] { supervisor_.stop_now(SIGKILL); }) {
    fill_site();
    loop_.on_turn([this] { return before_sleep(); }, [this] { dispatcher_.after_sleep(); });
  }

  int run() {
    for (const auto& address : config_.bind_addresses) {
      sockets_.push_back(std::make_unique<net::BoundSocket>(net::bind_socket(address, config_.backlog, config_.reuse_port, config_.umask)));
    }
    supervisor_.start();
    for (auto& socket : sockets_) {
      std::fprintf(stderr, "Listening at: %s (%d)\n", socket->name.c_str(), ::getpid());
      listeners_.push_back(std::make_unique<net::Listener>(loop_, *socket, [this, &socket](int fd, net::Peer peer) { accept(fd, std::move(peer), *socket); }));
    }
    watch_signal(SIGTERM);
    watch_signal(SIGINT);
    watch_signal(SIGQUIT);
    loop_.run();
    for (auto& socket : sockets_) {
      if (!socket->unix_path.empty()) ::unlink(socket->unix_path.c_str());
    }
    signals_.clear();
    return 0;
  }

 private:
  void fill_site() {
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

  void accept(int fd, net::Peer peer, const net::BoundSocket& local) {
    auto& connection = site_.adopt(std::make_unique<http::Connection>(site_, std::move(peer), local));
    connection.start(std::make_unique<net::TcpStream>(loop_, fd, connection));
  }

  bool before_sleep() {
    const bool more = dispatcher_.before_sleep();
    site_.finish_turn();
    if (stopping_ && site_.connections() == 0 && supervisor_.running() == 0) loop_.stop();
    return more;
  }

  void watch_signal(int number) {
    auto* handle = new uv_signal_t;
    uv_signal_init(loop_.uv(), handle);
    handle->data = this;
    signals_.emplace_back(handle);
    uv_signal_start(handle, [](uv_signal_t* signal, int) {
      if (signal->data != nullptr) static_cast<Server*>(signal->data)->stop();
    }, number);
  }

  void stop() {
    if (stopping_) return;
    stopping_ = true;
    listeners_.clear();
    site_.draining = true;
    site_.for_each([](http::Connection& connection) { connection.drain(); });
    supervisor_.stop([] {});
    kill_timer_.start(static_cast<std::uint64_t>(config_.graceful_timeout.count()));
  }

  const Config& config_;
  net::Loop loop_;
  net::DeadlineWheel wheel_;
  dispatch::Dispatcher dispatcher_;
  http::Site site_;
  process::Supervisor supervisor_;
  std::vector<std::unique_ptr<net::BoundSocket>> sockets_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::vector<net::UvHandle<uv_signal_t>> signals_;
  net::Timer kill_timer_;
  bool stopping_ = false;
};

}  // namespace

int serve(const Config& config) { return Server(config).run(); }

}  // namespace prefork

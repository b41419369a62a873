#include "master/admin_port.hpp"

#include <unistd.h>

#include <stdexcept>

#include "master/http/connection.hpp"
#include "master/net/tcp_stream.hpp"

namespace prefork {

// Nothing that is asked here may reach a worker.
class AdminPort::Answers final : public http::Observer {
 public:
  Answers(const Observed& observed, bool metrics, bool health)
      : observed_(observed), metrics_(metrics), health_(health) {}

  bool trusts(const net::Peer&) override { return false; }
  http::Refusal on_head(http::Exchange&, const net::Peer&) override { return {}; }
  bool answers() const override { return true; }
  Answer answer(const http::Exchange& exchange) override {
    const auto method = static_cast<wire::Method>(exchange.request.head.method);
    if (method != wire::Method::GET && method != wire::Method::HEAD) return {405, "text/plain", "GET and HEAD only\n"};
    Answer found = observed_().answer_admin(exchange.request.text(exchange.request.head.raw_path), metrics_, health_);
    return found.status != 0 ? found : Answer{404, "text/plain", "not found\n"};
  }
  void reply_fields(const http::Exchange&, std::string&) override {}
  bool wants_reply_fields() const override { return false; }
  void on_reply_head(http::Exchange&, const wire::ReplyView&) override {}
  void on_done(const http::Exchange&, const net::Peer&) override {}
  void on_error(const http::Exchange*, const net::Peer*, std::uint16_t, const std::string&) override {}

 private:
  const Observed& observed_;
  bool metrics_;
  bool health_;
};

AdminPort::AdminPort(net::Loop& loop, net::DeadlineWheel& wheel, dispatch::Dispatcher& dispatcher, serve::ErrorLog& log,
                     Observed observed)
    : loop_(loop), wheel_(wheel), dispatcher_(dispatcher), log_(log), observed_(std::move(observed)) {}

AdminPort::~AdminPort() = default;

void AdminPort::open(const Config& config, Which which) {
  const bool same = config.metrics_bind == config.health_bind;
  const auto open_one = [&](const std::string& text, bool metrics, bool health) {
    const auto address = parse_bind_address(text);
    if (!address) throw std::invalid_argument("'" + text + "' is no address");
    const bool name = address->kind == BindAddress::Kind::Unix || address->kind == BindAddress::Kind::AbstractUnix;
    if (which == Which::All || name == (which == Which::Names)) open(*address, metrics, health, config);
  };
  if (!config.metrics_bind.empty()) open_one(config.metrics_bind, true, same);
  if (!config.health_bind.empty() && !same) open_one(config.health_bind, false, true);
}

void AdminPort::open(const BindAddress& address, bool metrics, bool health, const Config& config) {
  Door door;
  door.answers = std::make_unique<Answers>(observed_, metrics, health);
  door.site = std::make_unique<http::Site>(loop_, wheel_, dispatcher_);
  door.site->observer = door.answers.get();
  // SO_REUSEPORT: during an upgrade the successor listens here beside its predecessor.
  door.socket = std::make_unique<net::BoundSocket>(net::bind_socket(address, config.backlog, true, config.umask));
  log_.info(metrics ? "Metrics at: " : "Health checks at: ", door.socket->name);
  http::Site& site = *door.site;
  const net::BoundSocket& local = *door.socket;
  door.listener = std::make_unique<net::Listener>(loop_, local, [this, &site, &local](int fd, net::Peer peer) {
    auto& connection = site.adopt(std::make_unique<http::Connection>(site, std::move(peer), local));
    connection.start(std::make_unique<net::TcpStream>(loop_, fd, connection));
  });
  doors_.push_back(std::move(door));
}

void AdminPort::finish_turn() {
  for (Door& door : doors_) door.site->finish_turn();
}

std::vector<std::string> AdminPort::files() const {
  std::vector<std::string> all;
  for (const Door& door : doors_) {
    if (!door.socket->unix_path.empty()) all.push_back(door.socket->unix_path);
  }
  return all;
}

void AdminPort::close() {
  for (const auto& path : files()) ::unlink(path.c_str());
  doors_.clear();
}

}  // namespace prefork

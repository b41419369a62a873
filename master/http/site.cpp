#include "master/http/site.hpp"

#include <algorithm>
#include <ctime>

#include "master/http/connection.hpp"

namespace prefork::http {
namespace {

constexpr std::size_t kSpareExchanges = 256;

}  // namespace

Site::Site(net::Loop& the_loop, net::DeadlineWheel& the_wheel, dispatch::Dispatcher& the_dispatcher)
    : loop(the_loop), wheel(the_wheel), dispatcher(the_dispatcher) {
  dispatcher.set_batch_end([this] { flush_gathered(); });
}

Site::~Site() {
  finish_turn();
  while (!connections_.empty()) connections_.pop_back();
}

std::string_view Site::date_text() {
  if (!date) return {};
  const auto now_ms = loop.now_ms();
  if (now_ms != date_turn_ms_) {
    date_turn_ms_ = now_ms;
    unix_seconds_ = std::time(nullptr);
  }
  return date_text_.at(unix_seconds_);
}

void Site::flush_gathered() {
  if (Connection* owner = gather.owner()) owner->write_gathered(gather.take());
}

Connection& Site::adopt(std::unique_ptr<Connection> connection) {
  connection->site_index_ = connections_.size();
  connections_.push_back(std::move(connection));
  return *connections_.back();
}

void Site::close(Connection& connection) { closed_.push_back(&connection); }

void Site::cork(Connection& connection) { corked_.push_back(&connection); }

void Site::finish_turn() {
  for (std::size_t i = 0; i < corked_.size(); ++i) corked_[i]->flush();
  corked_.clear();
  for (std::size_t i = 0; i < closed_.size(); ++i) {
    const auto index = closed_[i]->site_index_;
    std::swap(connections_[index], connections_.back());
    connections_[index]->site_index_ = index;
    connections_.pop_back();
  }
  closed_.clear();
}

void Site::for_each(const std::function<void(Connection&)>& visit) {
  for (std::size_t i = 0; i < connections_.size(); ++i) visit(*connections_[i]);
}

std::size_t Site::websockets() const {
  return static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(), [](const auto& connection) {
    return connection->state_ == Connection::State::WebSocket;
  }));
}

std::unique_ptr<H1Exchange> Site::make_exchange(ReplySink& sink) {
  if (spare_exchanges_.empty()) return std::make_unique<H1Exchange>(sink);
  auto exchange = std::move(spare_exchanges_.back());
  spare_exchanges_.pop_back();
  exchange->sink = &sink;
  return exchange;
}

void Site::recycle(std::unique_ptr<H1Exchange> exchange) {
  if (spare_exchanges_.size() >= kSpareExchanges) return;
  exchange->reset_h1();
  spare_exchanges_.push_back(std::move(exchange));
}

}  // namespace prefork::http

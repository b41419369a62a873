#include "master/http/site.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include "master/http/connection.hpp"

namespace prefork::http {
namespace {

constexpr std::size_t kSpareExchanges = 256;

}  // namespace

Site::~Site() {
  finish_turn();
  while (!connections_.empty()) connections_.pop_back();
}

std::string_view Site::date_text() {
  if (!date) return {};
  const auto second = loop.now_ms() / 1000;  // the wall clock is asked once a second of the loop's clock
  if (second != date_second_) {
    date_second_ = second;
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    static constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::array<char, 64> text{};
    const int length = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                                     kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
    date_text_.assign(text.data(), static_cast<std::size_t>(length));
  }
  return date_text_;
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

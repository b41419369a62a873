// --sticky: requests of one key (a cookie, a header field, a client's address) go to one worker for as long as it lives. Keys are hashed
// into buckets; a bucket is given to the worker that has the fewest when its first request comes, and again when that worker is gone.
// A request whose worker has no room waits for that worker in its lane, and nobody else waits behind it. Owned by the Dispatcher.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "master/dispatch/worker_link.hpp"
#include "master/http/exchange.hpp"

namespace prefork::dispatch {

// Requests that wait for one worker.
struct Lane {
  WorkerLink* link = nullptr;
  http::ExchangeList waiting;
  std::size_t buckets = 0;
};

// What the key of a request is: "cookie:NAME", "header:NAME" or "ip".
class StickyRule {
 public:
  static std::optional<StickyRule> parse(std::string_view text);
  // Empty: the request has none.
  std::string_view key_of(const http::Exchange& exchange) const;

 private:
  enum class Source : std::uint8_t { Cookie, Header, Address };
  Source source_ = Source::Address;
  std::string name_;
  wire::Name id_ = wire::Name::Unknown;
};

class Sticky {
 public:
  static constexpr std::size_t kBuckets = 4096;

  explicit Sticky(StickyRule rule) : rule_(std::move(rule)) {}

  // 0: no key; else the bucket and one.
  std::uint16_t bucket_of(const http::Exchange& exchange) const;
  // The lane of the worker that has the bucket, or now gets it. Null: no worker is ready.
  Lane* lane_of(std::uint16_t bucket, const std::vector<WorkerLink*>& links);

  void park(Lane& lane, http::Exchange& exchange);
  void unpark(http::Exchange& exchange);
  // The worker's buckets are nobody's. What waited for it, in order.
  std::vector<http::Exchange*> forget(const WorkerLink& link);
  std::vector<http::Exchange*> forget_all();

  const std::vector<std::unique_ptr<Lane>>& lanes() const { return lanes_; }
  std::size_t waiting() const { return waiting_; }

 private:
  Lane* lane_for(WorkerLink& link);

  StickyRule rule_;
  std::array<Lane*, kBuckets> owners_{};
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::size_t waiting_ = 0;
};

}  // namespace prefork::dispatch

#include "master/dispatch/sticky.hpp"

#include <algorithm>

#include "shm/wire/characters.hpp"

namespace prefork::dispatch {
namespace {

// The value of one cookie in a Cookie field (RFC 6265 4.2).
std::string_view cookie_in(std::string_view field, std::string_view name) {
  while (!field.empty()) {
    const auto pair = field.substr(0, field.find(';'));
    field.remove_prefix(std::min(field.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos && wire::trim(pair.substr(0, equals)) == name)
      return wire::trim(pair.substr(equals + 1));
  }
  return {};
}

std::uint64_t hash_of(std::string_view key) {
  std::uint64_t hash = 14'695'981'039'346'656'037ULL;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211ULL;
  return hash ^ (hash >> 32);
}

}  // namespace

std::optional<StickyRule> StickyRule::parse(std::string_view text) {
  StickyRule rule;
  if (text == "ip") return rule;
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  rule.name_ = text.substr(colon + 1);
  if (text.substr(0, colon) == "cookie") {
    rule.source_ = Source::Cookie;
  } else if (text.substr(0, colon) == "header") {
    rule.source_ = Source::Header;
    rule.id_ = wire::find_name(rule.name_);
  } else {
    return std::nullopt;
  }
  return rule;
}

std::string_view StickyRule::key_of(const http::Exchange& exchange) const {
  const auto& request = exchange.request;
  if (source_ == Source::Address)
    return request.text(exchange.client.length != 0 ? exchange.client : request.head.client);
  for (const auto& field : request.fields()) {
    if (source_ == Source::Cookie) {
      if (field.name_id != static_cast<std::uint16_t>(wire::Name::Cookie)) continue;
      const auto value = cookie_in(request.text(field.value), name_);
      if (!value.empty()) return value;
    } else if (id_ != wire::Name::Unknown ? field.name_id == static_cast<std::uint16_t>(id_)
                                          : field.name_id == 0 && wire::same_name(request.name(field), name_)) {
      return request.text(field.value);
    }
  }
  return {};
}

std::uint16_t Sticky::bucket_of(const http::Exchange& exchange) const {
  const auto key = rule_.key_of(exchange);
  return key.empty() ? 0 : static_cast<std::uint16_t>(1 + hash_of(key) % kBuckets);
}

Lane* Sticky::lane_for(WorkerLink& link) {
  for (const auto& lane : lanes_) {
    if (lane->link == &link) return lane.get();
  }
  lanes_.push_back(std::make_unique<Lane>());
  lanes_.back()->link = &link;
  return lanes_.back().get();
}

Lane* Sticky::lane_of(std::uint16_t bucket, const std::vector<WorkerLink*>& links) {
  Lane*& owner = owners_[bucket - 1];
  if (owner != nullptr) return owner;
  for (WorkerLink* link : links) {
    if (link->state() != WorkerLink::State::Ready) continue;
    Lane* const lane = lane_for(*link);
    const bool better = owner == nullptr || lane->buckets < owner->buckets ||
                        (lane->buckets == owner->buckets && link->in_flight() < owner->link->in_flight());
    if (better) owner = lane;
  }
  if (owner != nullptr) ++owner->buckets;
  return owner;
}

void Sticky::park(Lane& lane, http::Exchange& exchange) {
  exchange.lane = &lane;
  lane.waiting.push_back(exchange);
  ++waiting_;
}

void Sticky::unpark(http::Exchange& exchange) {
  exchange.lane->waiting.remove(exchange);
  exchange.lane = nullptr;
  --waiting_;
}

std::vector<http::Exchange*> Sticky::forget(const WorkerLink& link) {
  std::vector<http::Exchange*> left;
  const auto found = std::find_if(lanes_.begin(), lanes_.end(), [&](const auto& lane) { return lane->link == &link; });
  if (found == lanes_.end()) return left;
  while (http::Exchange* exchange = (*found)->waiting.front()) {
    unpark(*exchange);
    left.push_back(exchange);
  }
  for (Lane*& owner : owners_) owner = owner == found->get() ? nullptr : owner;
  lanes_.erase(found);
  return left;
}

std::vector<http::Exchange*> Sticky::forget_all() {
  std::vector<http::Exchange*> left;
  while (!lanes_.empty()) {
    for (http::Exchange* exchange : forget(*lanes_.back()->link)) left.push_back(exchange);
  }
  return left;
}

}  // namespace prefork::dispatch

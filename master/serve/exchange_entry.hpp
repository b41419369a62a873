// From an exchange that has ended to what the access log writes. Pure; what it makes points into the exchange and the peer.
#pragma once

#include <string>
#include <vector>

#include "master/http/exchange.hpp"
#include "master/net/listener.hpp"
#include "master/serve/access_entry.hpp"
#include "master/serve/access_format.hpp"

namespace prefork::serve {

struct Times {
  std::uint64_t total_us = 0;
  std::uint64_t queue_us = 0;    // until a worker got it
  std::uint64_t service_us = 0;  // since then; 0 when none did
};
Times times_of(const http::Exchange& exchange, std::uint64_t now_ns);

// What an entry points to besides the exchange.
struct EntryParts {
  AccessEntry entry;
  std::vector<http::FieldRef> reply_fields;
  std::vector<http::FieldRef> environ_fields;
};
AccessEntry& fill_entry(const http::Exchange& exchange, const net::Peer& peer, std::uint64_t now_ns, EntryParts& parts);

// The values of the named fields of a reply's head, which is gone when its exchange ends.
void keep_reply_fields(const wire::ReplyView& head, std::span<const FieldName> names, std::string& notes);
void read_reply_fields(std::span<const FieldName> names, std::string_view notes, std::vector<http::FieldRef>& fields);

// Moves those that carry an environ variable, under the variable's name.
void take_environ_fields(std::span<const FieldName> variables, EntryParts& parts);

// Foreign text for a log line: control bytes as \x0a.
std::string printable(std::string_view text);

}  // namespace prefork::serve

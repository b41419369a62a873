#include "master/serve/exchange_entry.hpp"

#include <algorithm>

#include "master/http/characters.hpp"
#include "master/http/field_list.hpp"

namespace prefork::serve {
namespace {

std::uint64_t micros(std::uint64_t from_ns, std::uint64_t to_ns) {
  return from_ns == 0 || to_ns < from_ns ? 0 : (to_ns - from_ns) / 1'000;
}

std::string_view protocol_of(std::uint8_t version) {
  switch (version) {
    case 10: return "HTTP/1.0";
    case 20: return "HTTP/2.0";
    default: return "HTTP/1.1";
  }
}

}  // namespace

Times times_of(const http::Exchange& exchange, std::uint64_t now_ns) {
  Times times;
  times.total_us = micros(exchange.arrived_ns, now_ns);
  times.queue_us =
      exchange.queued_ns == 0 ? 0 : micros(exchange.queued_ns, exchange.sent_ns != 0 ? exchange.sent_ns : now_ns);
  times.service_us = micros(exchange.sent_ns, now_ns);
  return times;
}

AccessEntry& fill_entry(const http::Exchange& exchange, const net::Peer& peer, std::uint64_t now_ns,
                        EntryParts& parts) {
  const auto& request = exchange.request;
  const auto& head = request.head;
  AccessEntry& entry = parts.entry;
  // A request that was refused before its head was complete has no client text of its own.
  entry.remote_address = head.client.length != 0 ? request.text(head.client) : std::string_view{peer.address};
  entry.remote_port = head.client.length != 0 ? head.client_port : peer.port;
  entry.client = request.text(exchange.client);
  entry.server_name = request.text(head.server);
  entry.server_port = head.server_port;
  entry.scheme = head.scheme == wire::Scheme::Https ? "https" : "http";
  entry.method = request.text(head.method_name);
  entry.raw_uri = request.text(head.target);
  entry.path = request.text(head.path);
  entry.script_name = request.text(head.script_name);
  entry.query = request.text(head.query);
  entry.protocol = protocol_of(head.http_version);
  entry.request_fields = http::FieldList(request);
  entry.request_id = request.text(head.request_id);
  entry.status = exchange.status;
  entry.body_bytes = exchange.body_bytes_sent;
  entry.worker_pid = exchange.worker_pid;
  entry.worker_id = exchange.worker_id;
  entry.worker_generation = exchange.worker_generation;
  const Times times = times_of(exchange, now_ns);
  entry.total_us = times.total_us;
  entry.queue_us = times.queue_us;
  entry.service_us = times.service_us;
  if (!entry.script_name.empty() && entry.path.starts_with(entry.script_name))
    entry.path.remove_prefix(entry.script_name.size());
  return entry;
}

// NUL cannot be in a field; it ends each value. A value that is missing differs from one that is empty by its first byte.
void keep_reply_fields(const wire::ReplyView& head, std::span<const FieldName> names, std::string& notes) {
  notes.clear();
  const http::FieldList fields(head);
  for (const FieldName& name : names) {
    std::string_view value;
    bool found = false;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const http::FieldRef field = fields[i];
      if (!http::same_name(field.name, name.text)) continue;
      value = field.value;
      found = true;
    }
    notes += found ? '+' : '-';
    notes.append(value.substr(0, value.find('\0'))).append(1, '\0');
  }
}

void read_reply_fields(std::span<const FieldName> names, std::string_view notes, std::vector<http::FieldRef>& fields) {
  for (const FieldName& name : names) {
    const auto end = notes.find('\0');
    if (end == std::string_view::npos) return;
    if (notes.front() == '+') fields.push_back({name.id, name.text, notes.substr(1, end - 1)});
    notes.remove_prefix(end + 1);
  }
}

void take_environ_fields(std::span<const FieldName> variables, EntryParts& parts) {
  for (const FieldName& variable : variables) {
    const auto carrier = environ_carrier(variable.text);
    const auto found = std::find_if(parts.reply_fields.begin(), parts.reply_fields.end(),
                                    [&](const http::FieldRef& field) { return field.name == carrier; });
    if (found == parts.reply_fields.end()) continue;
    parts.environ_fields.push_back({wire::Name::Unknown, variable.text, found->value});
    parts.reply_fields.erase(found);
  }
}

std::string printable(std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      out.append("\\x").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
    }
  }
  return out;
}

}  // namespace prefork::serve

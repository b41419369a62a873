// What the access log, statsd and the metrics know about one answered request. Plain data that points into the request and the
// reply: filled by whoever ends an exchange, used at once, not kept.
#pragma once

#include <cstdint>
#include <string_view>

#include "master/http/field_list.hpp"

namespace prefork::serve {

struct AccessEntry {
  // The connection.
  std::string_view remote_address;  // what the application sees as REMOTE_ADDR; empty on a unix socket
  std::uint16_t remote_port = 0;
  std::string_view client;       // after trusted proxies; empty: remote_address
  std::string_view server_name;  // SERVER_NAME
  std::uint16_t server_port = 0;
  std::string_view scheme = "http";

  // The request. `path` is PATH_INFO: decoded, without script_name; it may hold any byte.
  std::string_view method;
  std::string_view raw_uri;
  std::string_view path;
  std::string_view script_name;
  std::string_view query;
  std::string_view protocol = "HTTP/1.1";
  http::FieldList request_fields;
  std::string_view request_id;

  // The reply.
  std::uint16_t status = 0;
  std::uint64_t body_bytes = 0;  // sent, without head and chunk framing
  http::FieldList reply_fields;  // needed when AccessFormat::reply_names() has any

  // Variables of the environ that only the worker knows, by key; needed when AccessFormat::environ_names() has any.
  http::FieldList environ_fields;

  // The worker; pid 0: the master answered by itself.
  std::uint32_t worker_pid = 0;
  std::uint32_t worker_id = 0;
  std::uint32_t worker_generation = 0;

  // Microseconds.
  std::uint64_t unix_us = 0;   // the clock now
  std::uint64_t total_us = 0;  // from the first byte of the request to the last of the reply
  std::uint64_t queue_us = 0;
  std::uint64_t service_us = 0;  // in the worker
};

}  // namespace prefork::serve

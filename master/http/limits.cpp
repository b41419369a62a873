#include "master/http/limits.hpp"

#include <algorithm>

#include "master/http/characters.hpp"

namespace prefork::http {
namespace {

std::uint32_t size_setting(std::int64_t value) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(value, 0, 1 << 30));
}

}  // namespace

Limits::Limits(const Config& config)
    : request_line(size_setting(config.limit_request_line)),
      fields(config.limit_request_fields > 0 ? size_setting(config.limit_request_fields) : kMostFields),
      field_size(config.limit_request_field_size > 0 ? size_setting(config.limit_request_field_size)
                                                     : 8190),  // as gunicorn
      body(config.limit_request_body),
      permit_obsolete_folding(config.permit_obsolete_folding),
      permit_unconventional_http_method(config.permit_unconventional_http_method),
      permit_unconventional_http_version(config.permit_unconventional_http_version) {
  // A single line or field that its own limit allows fits the whole as well.
  const std::uint64_t least = std::uint64_t{request_line} + field_size + 1024;
  head = size_setting(static_cast<std::int64_t>(
      std::max<std::uint64_t>(std::min<std::uint64_t>(config.limit_request_head, 1 << 30), least)));
  fields = std::min(fields, kMostFields);
  trailer_fields = fields;
  if (config.header_map == "refuse") header_map = HeaderMap::Refuse;
  if (config.header_map == "dangerous") header_map = HeaderMap::Dangerous;
  for (const std::string& name : config.forwarder_headers) forwarder_headers.push_back(lowered(name));
}

bool Limits::is_forwarder_header(std::string_view name) const {
  return std::any_of(forwarder_headers.begin(), forwarder_headers.end(),
                     [&](const std::string& allowed) { return allowed == "*" || allowed == name; });
}

}  // namespace prefork::http

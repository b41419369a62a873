// What the table of settings asks of a text before it is stored. Pure; any thread.
#pragma once

#include <string_view>

namespace prefork::check {

[[nodiscard]] bool bind_address(std::string_view text);
[[nodiscard]] bool network(std::string_view text);       // "*", an address, or a network without host bits
[[nodiscard]] bool variable(std::string_view text);      // KEY=VALUE
[[nodiscard]] bool header_field(std::string_view text);  // "Name: value", no control characters
[[nodiscard]] bool header_name(std::string_view text);
[[nodiscard]] bool url_path(std::string_view text);  // "/..."
[[nodiscard]] bool syslog_address(std::string_view text);
[[nodiscard]] bool statsd_address(std::string_view text);
[[nodiscard]] bool known_user(std::string_view text);   // a number or a name in the user database
[[nodiscard]] bool sticky_rule(std::string_view text);  // "", "ip", "cookie:NAME", "header:NAME"
[[nodiscard]] bool known_group(std::string_view text);

}  // namespace prefork::check

// Strings of JSON. Whatever the bytes are, the result is one valid JSON string on one line: quotes, backslashes and
// control bytes are escaped, bytes that are no UTF-8 become U+FFFD.
#pragma once

#include <string>
#include <string_view>

namespace prefork::serve {

// Appends with the surrounding quotes.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

}  // namespace prefork::serve

// Bodies of the answers that the server itself gives: gunicorn's HTML form, and a page for development with the traceback.
// Pure. What comes from a request or an application is escaped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace prefork::serve {

inline constexpr std::string_view kHtmlType = "text/html; charset=utf-8";

// & < > " ' as entities.
void append_html(std::string& out, std::string_view text);

// <html><head><title>Bad Request</title></head><body><h1><p>Bad Request</p></h1>message</body></html>, in gunicorn's layout.
std::string error_page(std::uint16_t status, std::string_view message);

// For --reload and the like: never shown to clients of a production server, because it shows source code.
struct Failure {
  std::uint16_t status = 500;
  std::string_view summary;    // the exception's line; empty: the last line of the traceback
  std::string_view traceback;  // as Python prints it
  std::string_view method;
  std::string_view uri;
  std::string_view request_id;
};
std::string development_page(const Failure& failure);

}  // namespace prefork::serve

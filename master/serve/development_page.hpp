// The page that shows in development why no code can run, with the traceback.
// Pure. What comes from a request or an application is escaped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace prefork::serve {

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

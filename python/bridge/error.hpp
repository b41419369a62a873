// The one place that turns a Python error into what the operator and the client see. After each of these no error is set.
#pragma once

#include <string>
#include <string_view>

#include "python/bridge/ref.hpp"
#include "worker/exchange.hpp"

namespace prefork::bridge {

// The error that is set, as a traceback; clears it. Never empty, never fails.
std::string take_traceback();

// Writes the error that is set to the log, with what was going on, and clears it.
void log_error(std::string_view what);

// --reload: what is logged as an error from now on is also left in this file, the last one, for the page that developers see.
void leave_failures_in(int fd);
void leave_failure(std::string_view text);

// An application failed in a request: the traceback goes to the log with the request's line and id. The client gets a plain 500
// when nothing was sent, else the connection is cut, so that a part is never taken for the whole.
void fail_request(worker::Exchange& exchange, std::string_view what);

// The application failed because the request's body broke off: nobody's mistake here, so no traceback. Answered all the same.
void excuse_request(worker::Exchange& exchange);

// The same for a mistake that is no Python error.
void refuse_request(worker::Exchange& exchange, std::string_view why);

// Before an end of the process that is not Python's own: what was printed goes out. No error is set.
void flush_streams();

// "GET /path?query (request id 7f3a)" for log lines.
std::string describe(const wire::RequestView& request);

}  // namespace prefork::bridge

// wsgi.errors: a text stream to the error log. A line goes out in one write, whichever threads and workers write beside it.
#pragma once

#include "python/bridge/ref.hpp"

namespace prefork::bridge::wsgi {

PyRef new_errors();

// Writes out what this thread has left without a newline. Cheap when there is nothing.
void flush_errors();

}  // namespace prefork::bridge::wsgi

// The headers of a request as a mapping that looks into the request when it is asked: no dict, no list, nothing is decoded before.
// Names are lower case and compared without case; a name that came more than once has its first value, get_all() gives all. GIL held.
#pragma once

#include "python/bridge/native/request.hpp"
#include "python/bridge/ref.hpp"

namespace prefork::bridge::native {

// Keeps the request. Empty with the error set.
PyRef new_headers(RequestObject& request);

}  // namespace prefork::bridge::native

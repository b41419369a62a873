// The Python type of wsgi.input: an Input behind a pointer that is null once the request is over. GIL held.
#pragma once

#include "python/bridge/input.hpp"
#include "python/bridge/ref.hpp"

namespace prefork::bridge::wsgi {

PyRef new_input_object(Input* input);
void cut_off_input(PyObject* object);

}  // namespace prefork::bridge::wsgi

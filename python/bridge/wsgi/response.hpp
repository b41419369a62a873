// What an application has said to start_response(): a Reply whose head is PEP 3333's. GIL held.
#pragma once

#include "python/bridge/fields.hpp"
#include "python/bridge/reply.hpp"

namespace prefork::bridge::wsgi {

class Response : public Reply {
 public:
  // start_response(). False: the Python error is set.
  [[nodiscard]] bool start(PyObject* status, PyObject* headers, PyObject* exc_info);

 private:
  [[nodiscard]] bool take_status(PyObject* status);
  [[nodiscard]] bool take_headers(PyObject* headers);
  [[nodiscard]] bool take_header(PyObject* item);
  [[nodiscard]] bool take_length(std::string_view value);

  HeadRoom room_;
};

}  // namespace prefork::bridge::wsgi

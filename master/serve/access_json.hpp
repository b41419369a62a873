// An access line as one JSON object with OpenTelemetry's names (semantic conventions for HTTP server spans; durations in seconds):
//
//   {"timestamp":"2026-07-01T12:00:00.000123Z","http.request.method":"GET","url.scheme":"http","url.path":"/","url.query":"a=1",
//    "network.protocol.name":"http","network.protocol.version":"1.1","http.response.status_code":200,"http.response.body.size":5,
//    "http.server.request.duration":0.001500,"network.peer.address":"127.0.0.1","network.peer.port":5000,"client.address":"192.0.2.1",
//    "server.address":"example.org","server.port":80,"user_agent.original":"curl/8","http.request.header.referer":["..."],
//    "user.name":"ada","prefork.request_id":"...","process.pid":42,"prefork.worker.id":1,"prefork.worker.generation":0,
//    "prefork.queue.duration":0.000010,"prefork.service.duration":0.001400}
//
// What is not known is left out. Fields that access_log_format names as {x}i, {x}o and {x}e are added, the first two as lists.
#pragma once

#include <string>

#include "master/serve/access_format.hpp"

namespace prefork::serve {

class AccessJson {
 public:
  explicit AccessJson(const AccessFormat& format);  // copies what it wants from it

  // Appends the object without a line end.
  void write(const AccessEntry& entry, const AccessClock& clock, std::string& out) const;

 private:
  struct Extra {
    FieldName name;
    std::string key;  // ,"http.request.header.referer":
  };
  std::vector<Extra> request_, reply_, environ_;
};

}  // namespace prefork::serve

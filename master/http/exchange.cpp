#include "master/http/exchange.hpp"

#include "master/dispatch/dispatcher.hpp"

namespace prefork::http {

// Ready for the next request of the same connection; buffers of ordinary size are kept.
void Exchange::reset() {
  disarm();
  if (request.memory() > 16 * 1024) request.shrink();
  request.reset();
  dispatcher = nullptr;
  stage = Stage::Collecting;
  body.reset();
  body_credit = 0;
  body_whole = true;
  body_aborted = body_sent = body_end_sent = body_wanted_told = false;
  link = nullptr;
  sticky = 0;
  lane = nullptr;
  crashes = 0;
  reply_unacknowledged = 0;
  arrived_ns = queued_ns = sent_ns = replied_ns = 0;
  worker_pid = worker_id = worker_generation = 0;
  status = 0;
  body_bytes_sent = 0;
  client = {};
  reply_notes.clear();
}

void Exchange::on_deadline() {
  if (dispatcher != nullptr) dispatcher->on_request_timeout(*this);
}

}  // namespace prefork::http

// A request and its reply on a thread: reading and writing wait, without the GIL. Used for request after request. GIL held.
#pragma once

#include "python/bridge/input.hpp"
#include "python/bridge/native/port.hpp"
#include "python/bridge/reply.hpp"

namespace prefork::bridge::native {

class ThreadPort : public Port, public Reply {
 public:
  void begin(worker::Exchange& exchange);
  void finish();

  const wire::RequestView& view() const override { return exchange_->request(); }
  bool client_gone() override { return exchange_->client_gone(); }
  PyRef body() override { return input_.read(-1); }
  PyRef next_piece() override { return input_.next_piece(); }
  bool awaits() const override { return false; }
  ReplyFields& fields() override { return reply_fields_; }
  bool started() const override { return Reply::started(); }
  PyRef write(PyObject* block) override;
  bool send_file(FilePart file) override;

  // Puts the head together, if it is not yet.
  bool begin_head() override;

 private:
  Input input_;
  ReplyFields reply_fields_;
};

}  // namespace prefork::bridge::native

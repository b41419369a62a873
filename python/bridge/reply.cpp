#include "python/bridge/reply.hpp"

#include <algorithm>
#include <charconv>

namespace prefork::bridge {

void Reply::begin(worker::Exchange& exchange) {
  exchange_ = &exchange;
  head_request_ = exchange.request().head().method == static_cast<std::uint8_t>(wire::Method::HEAD);
  status_ = 0;
  started_ = bodiless_ = close_ = length_known_ = gone_ = cut_ = false;
  left_ = 0;
}

void Reply::finish() {
  exchange_ = nullptr;
  drop_head();
}

void Reply::drop_head() {
  fields_.clear();
  reason_ = {};
  for (PyObject* object : owned_) Py_DECREF(object);
  owned_.clear();
  close_ = length_known_ = started_ = false;
  left_ = 0;
}

void Reply::set_started() {
  started_ = true;
  bodiless_ = head_request_ || status_ == 204 || status_ == 205 || status_ == 304;
}

void Reply::start(std::uint16_t status, std::span<const wire::ReplyField> fields, bool close,
                  std::optional<std::uint64_t> length) {
  status_ = status;
  fields_.assign(fields.begin(), fields.end());
  close_ = close;
  length_known_ = length.has_value();
  left_ = length.value_or(0);
  set_started();
}

void Reply::announce(std::uint64_t length) {
  if (length_known_ || exchange_->head_sent() || status_ == 204 || status_ == 304) return;
  const auto [end, error] = std::to_chars(length_text_.data(), length_text_.data() + length_text_.size(), length);
  (void)error;
  fields_.push_back({"Content-Length",
                     {length_text_.data(), static_cast<std::size_t>(end - length_text_.data())},
                     wire::Name::ContentLength});
  length_known_ = true;
  left_ = length;
}

worker::Sent Reply::send_head(std::span<const std::byte> body, bool last) {
  const worker::Reply reply{status_, static_cast<std::uint8_t>(close_ ? wire::kReplyClose : 0), reason_, fields_};
  return exchange_->send_head(reply, body, last);
}

bool Reply::begin_head() {
  PyErr_SetString(PyExc_RuntimeError, "the application did not call start_response before its body");
  return false;
}

Reply::Pushed Reply::push(std::span<const std::byte> block, bool last) {
  if (!started_ && !begin_head()) return Pushed::Error;
  if (gone_) return Pushed::Gone;
  const bool something = !block.empty();
  if (bodiless_) {
    block = {};
    last |= something;  // nothing but the head is sent, and from here on it cannot change
  } else if (length_known_) {
    if (block.size() > left_) {
      cut_ = true;
      block = block.first(left_);
    }
    left_ -= block.size();
    if (something || last) last = left_ == 0;  // short at the end: end() breaks it off
  }
  if (exchange_->ended() || (!something && !last)) return Pushed::Ok;
  const auto sent = exchange_->head_sent() ? exchange_->send_body(block, last) : send_head(block, last);
  gone_ = sent == worker::Sent::Gone;
  return gone_ ? Pushed::Gone : Pushed::Ok;
}

bool Reply::push_file(int fd, std::uint64_t offset, std::uint64_t length) {
  if (bodiless_ || gone_ || exchange_->ended() || exchange_->head_sent() || length == 0) return false;
  const auto take = length_known_ ? std::min(length, left_) : length;
  if (take == 0) return false;
  announce(take);
  if (send_head({}, false) == worker::Sent::Gone) {
    gone_ = true;
    return true;
  }
  const bool last = take == left_;
  const auto sent = exchange_->send_file(fd, offset, take, last);
  if (!sent) return false;
  left_ -= take;
  gone_ = *sent == worker::Sent::Gone;
  return true;
}

Reply::Ended Reply::end() {
  if (gone_) return Ended::Gone;
  if (exchange_->ended()) return Ended::Whole;
  if (length_known_ && !bodiless_ && left_ != 0) return Ended::Short;
  if (exchange_->head_sent()) {
    gone_ = exchange_->send_body({}, true) == worker::Sent::Gone;
  } else {
    gone_ = send_head({}, true) == worker::Sent::Gone;
  }
  return gone_ ? Ended::Gone : Ended::Whole;
}

}  // namespace prefork::bridge

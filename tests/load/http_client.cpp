#include "http_client.hpp"

#include <algorithm>
#include <cstring>

#include "pattern.hpp"
#include "runner.hpp"

namespace prefork::load {
namespace {

// A body up to this size leaves in the same write as its head.
constexpr std::uint64_t kInlineBody = 64 * 1024;
constexpr std::uint64_t kUploadChunk = 16 * 1024;

}  // namespace

bool HttpClient::wants_request() const {
  return state_ == State::Open && outstanding_.size() < runner_.options().pipeline;
}

void HttpClient::on_open() {
  outstanding_.clear();
  out_.clear();
  out_sent_ = 0;
  upload_left_ = 0;
  served_ = 0;
  budget_ = vanish_after_ = kNoLimit;
  start_more();
}

void HttpClient::start_more() {
  const auto& options = runner_.options();
  const auto limit = options.requests_per_connection;
  // Behind a large body nothing is pipelined: it is written from the pattern, after everything in out_.
  while (outstanding_.size() < options.pipeline && upload_left_ == 0 &&
         (limit == 0 || served_ + outstanding_.size() < limit)) {
    const auto due = runner_.next_request(*this);
    if (!due) break;
    add_request(*due);
  }
  if (runner_.stopping() && outstanding_.empty()) return hang_up(false);
  flush();
}

void HttpClient::add_request(Time due) {
  auto& mix = runner_.mix();
  const auto index = mix.pick();
  const auto number = runner_.tally().started++;
  const auto& entry = mix[index];
  const auto before = out_.size();
  append_head(entry, number, out_);
  const auto head_bytes = out_.size() - before;
  const auto mode = runner_.options().mode;
  if (entry.body_bytes > 0 && runner_.options().chunked_upload) {
    append_chunked_body(phase_of(number), entry.body_bytes);
  } else if (entry.body_bytes <= kInlineBody && mode == Mode::Http) {
    byte_pattern().append(out_, phase_of(number), entry.body_bytes);
  } else {
    upload_position_ = phase_of(number);
    upload_left_ = entry.body_bytes;
  }
  outstanding_.push_back({index, number, due, Clock::now()});
  if (outstanding_.size() == 1) begin_answer();
  if (mode != Mode::Http) set_brake(head_bytes);
}

void HttpClient::append_chunked_body(std::uint64_t phase, std::uint64_t length) {
  char size[24];
  while (length > 0) {
    const auto piece = std::min(length, kUploadChunk);
    out_.append(size, static_cast<std::size_t>(std::snprintf(size, sizeof size, "%lx\r\n", piece)));
    byte_pattern().append(out_, phase, piece);
    out_ += "\r\n";
    phase += piece;
    length -= piece;
  }
  out_ += "0\r\n\r\n";
}

void HttpClient::set_brake(std::size_t head_bytes) {
  const auto& options = runner_.options();
  auto& random = runner_.mix().random();
  const auto body_bytes = out_.size() - head_bytes + upload_left_;
  switch (options.mode) {
    case Mode::SlowHead: budget_ = options.slow_bytes; break;
    case Mode::SlowUpload: budget_ = head_bytes + options.slow_bytes; break;
    case Mode::SlowRead: watch(false, false); break;
    case Mode::AbortUpload: budget_ = head_bytes + (body_bytes > 0 ? random() % body_bytes : 0); break;
    case Mode::AbortDownload: vanish_after_ = random() % (options.abort_within + 1); break;
    case Mode::Http:
    case Mode::WebSocket: break;
  }
  if (options.slow()) wake_in(options.slow_interval);
}

std::string_view HttpClient::next_piece() const {
  auto piece =
      out_sent_ < out_.size()
          ? std::string_view(out_).substr(out_sent_)
          : byte_pattern().at(upload_position_).substr(0, std::min<std::uint64_t>(upload_left_, Pattern::kSpan));
  return piece.substr(0, std::min<std::uint64_t>(piece.size(), budget_));
}

void HttpClient::flush() {
  bool blocked = false;
  while (!everything_sent() && budget_ > 0) {
    const auto piece = next_piece();
    const auto sent = send_some(piece);
    if (budget_ != kNoLimit) budget_ -= sent;
    if (out_sent_ < out_.size()) {
      out_sent_ += sent;
    } else {
      upload_position_ += sent;
      upload_left_ -= sent;
    }
    if ((blocked = sent < piece.size())) break;
  }
  if (out_sent_ == out_.size()) {
    out_.clear();
    out_sent_ = 0;
  }
  if (runner_.options().mode == Mode::AbortUpload && budget_ == 0) return vanish();
  if (runner_.options().mode != Mode::SlowRead) watch(true, blocked);
}

void HttpClient::on_drip() {
  const auto& options = runner_.options();
  if (outstanding_.empty()) return;
  if (options.mode == Mode::SlowRead) {
    read_limit_ = options.slow_bytes;
    return watch(true, false);  // one read; on_bytes closes the tap again
  }
  budget_ += options.slow_bytes;
  flush();
  if (!everything_sent()) wake_in(options.slow_interval);
}

void HttpClient::begin_answer() {
  auto& entry = runner_.mix()[outstanding_.front().entry];
  parser_.begin(entry.method == "HEAD");
  check_.begin(entry, outstanding_.front().number);
}

void HttpClient::on_bytes(std::string_view bytes) {
  using Event = AnswerParser::Event;
  if (runner_.options().mode == Mode::SlowRead) {
    watch(false, false);
    wake_in(runner_.options().slow_interval);
  }
  while (true) {
    if (outstanding_.empty()) {
      if (bytes.empty()) break;
      fail(Failure::ExtraBytes, "bytes that no request asked for");
      return reopen(true);
    }
    std::string_view body;
    const auto event = parser_.next(bytes, body);
    if (event == Event::NeedMore) break;
    if (event == Event::Informational) ++runner_.tally().informational;
    if (event == Event::Bad) return drop(Failure::BadAnswer, parser_.reason());
    if (event == Event::Body) check_.feed(body);
    if (event == Event::Done && !finish_answer()) return;
    if ((event == Event::Body || event == Event::HeadDone) && check_.received() >= vanish_after_) return vanish();
  }
  if (outstanding_.size() < runner_.options().pipeline) start_more();
}

bool HttpClient::finish_answer() {
  auto& tally = runner_.tally();
  judge(outstanding_.front());
  outstanding_.pop_front();
  ++served_;
  vanish_after_ = kNoLimit;
  const auto limit = runner_.options().requests_per_connection;
  if (parser_.head().close) {
    ++tally.closes_announced;
    tally.unanswered_after_close += outstanding_.size();
    outstanding_.clear();
    reopen();
    return false;
  }
  if (limit > 0 && served_ >= limit) {
    reopen();
    return false;
  }
  if (!outstanding_.empty()) begin_answer();
  return true;
}

void HttpClient::judge(const Outstanding& request) {
  auto& tally = runner_.tally();
  const auto& entry = runner_.mix()[request.entry];
  const auto status = parser_.head().status;
  ++tally.statuses[status];
  if (status != entry.status) {
    if (runner_.options().slow() && status == 408) {
      ++tally.slow_cut;
    } else {
      fail(status >= 500 ? Failure::Status5xx : Failure::WrongStatus, std::to_string(status).c_str(), request.entry);
    }
    return;
  }
  const auto verdict = entry.method == "HEAD" ? BodyCheck::Verdict::Right : check_.finish();
  if (verdict == BodyCheck::Verdict::Right) return runner_.count_ok(request.entry, request.due);
  const auto detail = "after " + std::to_string(check_.received()) + " body bytes";
  fail(verdict == BodyCheck::Verdict::WrongLength ? Failure::WrongLength : Failure::WrongBody, detail.c_str(),
       request.entry);
}

void HttpClient::on_end(int error) {
  auto& tally = runner_.tally();
  if (outstanding_.empty()) {
    ++tally.closed_idle;
    return reopen();
  }
  if (error == 0 && parser_.ends_with_connection()) {
    finish_answer();
    return;
  }
  if (runner_.options().slow() && !parser_.started()) {
    ++tally.slow_cut;
    outstanding_.clear();
    return reopen();
  }
  const char* detail = error == 0 ? "closed" : std::strerror(error);
  drop(parser_.head_done() ? Failure::ResetInBody
       : parser_.started() ? Failure::ResetInHead
                           : Failure::ResetBeforeAnswer,
       detail);
}

// The first of the outstanding requests met `first`; nothing of the others' answers will come either.
void HttpClient::drop(Failure first, const char* detail) {
  const auto rest = first == Failure::Timeout ? Failure::Timeout : Failure::ResetBeforeAnswer;
  for (std::size_t i = 0; i < outstanding_.size(); ++i) fail(i == 0 ? first : rest, detail, outstanding_[i].entry);
  outstanding_.clear();
  reopen(true);
}

// Half of those who vanish say good-bye (FIN), half do not (RST).
void HttpClient::vanish() {
  ++runner_.tally().aborted;
  const bool reset = outstanding_.front().number % 2 == 1;
  outstanding_.clear();
  reopen(reset);
}

void HttpClient::on_late(Time now) {
  if (outstanding_.empty()) {
    if (runner_.stopping()) hang_up(false);
    return;
  }
  if (runner_.options().slow()) return;  // slow on purpose
  if (now - outstanding_.front().sent > runner_.options().timeout) drop(Failure::Timeout, "no whole answer in time");
}

}  // namespace prefork::load

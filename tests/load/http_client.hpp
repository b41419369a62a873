// Requests over one connection, up to --pipeline at a time, each answer checked. The slow and aborting modes are the same
// client with a brake: a budget on what may be sent, a limit on what is read, or a point at which it vanishes.
#pragma once

#include <deque>
#include <limits>
#include <string>

#include "answer_parser.hpp"
#include "mix.hpp"
#include "socket.hpp"

namespace prefork::load {

class HttpClient final : public Client {
 public:
  using Client::Client;

  void on_request_due() override { start_more(); }
  bool wants_request() const override;
  unsigned under_way() const override { return static_cast<unsigned>(outstanding_.size()); }

 private:
  struct Outstanding {
    std::size_t entry;
    std::uint64_t number;
    Time due;   // latency counts from here
    Time sent;  // the timeout from here
  };

  void on_open() override;
  void on_bytes(std::string_view bytes) override;
  void on_end(int error) override;
  void on_writable() override { flush(); }
  void on_drip() override;
  void on_late(Time now) override;

  void start_more();
  void add_request(Time due);
  void append_chunked_body(std::uint64_t phase, std::uint64_t length);
  void set_brake(std::size_t head_bytes);
  void flush();
  std::string_view next_piece() const;
  bool everything_sent() const { return out_sent_ == out_.size() && upload_left_ == 0; }

  void begin_answer();
  bool finish_answer();  // false: the connection is a new one or gone
  void judge(const Outstanding& request);
  void vanish();
  void drop(Failure first, const char* detail);

  std::deque<Outstanding> outstanding_;
  AnswerParser parser_;
  BodyCheck check_;
  unsigned served_ = 0;  // answers on this connection
  std::string out_;
  std::size_t out_sent_ = 0;
  std::uint64_t upload_position_ = 0;  // a body too large for out_: its place in the pattern
  std::uint64_t upload_left_ = 0;
  static constexpr auto kNoLimit = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t budget_ = kNoLimit;        // bytes that may still be sent
  std::uint64_t vanish_after_ = kNoLimit;  // body bytes received
};

}  // namespace prefork::load

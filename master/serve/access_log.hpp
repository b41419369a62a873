// The access log of one loop: makes lines and hands them over. A line costs the loop an append to its own buffer.
// One per loop, used on its thread only; the format and the sinks are shared and must outlive it. The owner calls flush() once a
// second and before it ends.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "master/serve/access_format.hpp"
#include "master/serve/access_json.hpp"
#include "master/serve/log_sink.hpp"

namespace prefork::serve {

class AccessLog {
 public:
  static constexpr std::size_t kHandOver = 64 << 10;  // bytes: a busy loop does not wait for the second

  AccessLog(const AccessFormat& format, bool json, std::vector<LogSink*> sinks)
      : format_(format), sinks_(std::move(sinks)) {
    if (json) json_.emplace(format);
  }

  const AccessFormat& format() const { return format_; }

  void write(const AccessEntry& entry) {
    clock_.set(entry.unix_us);
    if (json_) {
      json_->write(entry, clock_, lines_);
    } else {
      format_.write(entry, clock_, lines_);
    }
    lines_ += '\n';
    if (lines_.size() >= kHandOver) flush();
  }
  void flush();

 private:
  const AccessFormat& format_;
  std::optional<AccessJson> json_;
  std::vector<LogSink*> sinks_;
  AccessClock clock_;
  std::string lines_;
};

}  // namespace prefork::serve

#include "master/serve/access_log.hpp"

namespace prefork::serve {

void AccessLog::flush() {
  if (lines_.empty()) return;
  for (std::size_t i = 0; i + 1 < sinks_.size(); ++i) {
    std::string copy(lines_);
    sinks_[i]->append(Severity::Info, copy);
  }
  if (!sinks_.empty()) sinks_.back()->append(Severity::Info, lines_);
  lines_.clear();
}

}  // namespace prefork::serve

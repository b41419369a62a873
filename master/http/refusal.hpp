// Why a message is refused: the status of the answer and a static text for the answer and the log.
#pragma once

#include <cstdint>

namespace prefork::http {

struct Refusal {
  std::uint16_t status = 0;  // 0: not refused
  const char* reason = "";

  explicit operator bool() const { return status != 0; }
};

}  // namespace prefork::http

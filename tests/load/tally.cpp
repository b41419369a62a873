#include "tally.hpp"

#include <numeric>

namespace prefork::load {

const char* name_of(Failure kind) {
  switch (kind) {
    case Failure::ConnectRefused: return "connect_refused";
    case Failure::ConnectFailed: return "connect_failed";
    case Failure::ConnectTimeout: return "connect_timeout";
    case Failure::ResetBeforeAnswer: return "reset_before_answer";
    case Failure::ResetInHead: return "reset_in_head";
    case Failure::ResetInBody: return "reset_in_body";
    case Failure::Timeout: return "timeout";
    case Failure::BadAnswer: return "bad_answer";
    case Failure::Status5xx: return "status_5xx";
    case Failure::WrongStatus: return "wrong_status";
    case Failure::WrongLength: return "wrong_length";
    case Failure::WrongBody: return "wrong_body";
    case Failure::ExtraBytes: return "extra_bytes";
    case Failure::Count: break;
  }
  return "?";
}

std::uint64_t Tally::failed() const { return std::accumulate(failures.begin(), failures.end(), std::uint64_t{0}); }

}  // namespace prefork::load

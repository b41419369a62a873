// Every request and connection of a run, counted by what became of it.
// A request ends in exactly one of: ok, one Failure, unanswered_after_close, slow_cut, aborted, unfinished.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "histogram.hpp"

namespace prefork::load {

enum class Failure : unsigned {
  ConnectRefused,
  ConnectFailed,
  ConnectTimeout,
  ResetBeforeAnswer,  // the request was sent; the connection ended without a byte of the answer and without notice
  ResetInHead,
  ResetInBody,
  Timeout,
  BadAnswer,  // not HTTP
  Status5xx,
  WrongStatus,
  WrongLength,
  WrongBody,
  ExtraBytes,  // bytes that no request asked for
  Count,
};

const char* name_of(Failure kind);

struct Tally {
  struct PerTarget {
    std::uint64_t ok = 0;
    std::uint64_t failed = 0;
    Histogram latency;
  };

  std::uint64_t started = 0;
  std::uint64_t ok = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Failure::Count)> failures{};
  std::map<int, std::uint64_t> statuses;
  std::map<int, std::uint64_t> ws_closes;  // close codes the server sent
  std::uint64_t connects = 0;
  std::uint64_t closes_announced = 0;        // Connection: close in an answer, or a close frame
  std::uint64_t closed_idle = 0;             // the server hung up while nothing was asked
  std::uint64_t unanswered_after_close = 0;  // pipelined behind an answer that announced the close
  std::uint64_t aborted = 0;                 // we vanished, as the mode says
  std::uint64_t slow_cut = 0;                // the server ended a slow request: 408 or a close
  std::uint64_t unfinished = 0;              // still under way when the run ended
  std::uint64_t informational = 0;           // 1xx heads
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::vector<PerTarget> targets;

  std::uint64_t failed() const;
  std::uint64_t& count(Failure kind) { return failures[static_cast<std::size_t>(kind)]; }
};

}  // namespace prefork::load

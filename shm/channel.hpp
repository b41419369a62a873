// The two ends of one region: the same parts with the directions swapped. An end is made once a process and borrows its region.
#pragma once

#include <new>

#include "shm/layout.hpp"
#include "shm/region.hpp"

namespace prefork::shm {

// The parts as they lie in the region.
class Parts {
 public:
  Parts(std::span<std::byte> region, const Geometry& geometry)
      : base_(region.data()), layout_(geometry), geometry_(geometry) {
    PREFORK_CHECK(region.size() >= layout_.total, "the region is as large as its layout");
  }
  // For inspectors: what this region is and whose. Written once by its creator, read back by nobody who relies on it.
  void introduce(std::uint32_t worker_id, std::uint32_t worker_generation, std::uint64_t created_us) const {
    header() = {kMagic,          kLayoutVersion, geometry_.request_bytes, geometry_.reply_bytes,
                geometry_.slots, worker_id,      worker_generation,       created_us};
  }
  RegionHeader& header() const { return at<RegionHeader>(layout_.header); }
  RingPositions& request_positions() const { return at<RingPositions>(layout_.request_ring); }
  RingPositions& reply_positions() const { return at<RingPositions>(layout_.reply_ring); }
  BellFlag& worker_bell() const { return at<BellFlag>(layout_.worker_bell); }
  BellFlag& master_bell() const { return at<BellFlag>(layout_.master_bell); }
  PhaseWord& phase() const { return at<PhaseWord>(layout_.phase); }
  Counters& counters() const { return at<Counters>(layout_.counters); }
  Recorder& master_recorder() const { return at<Recorder>(layout_.master_recorder); }
  Recorder& worker_recorder() const { return at<Recorder>(layout_.worker_recorder); }
  std::span<Atomic<std::uint64_t>> claims() const {
    return {&at<Atomic<std::uint64_t>>(layout_.claims), geometry_.slots};
  }
  std::span<std::byte> request_bytes() const { return {base_ + layout_.request_bytes, geometry_.request_bytes}; }
  std::span<std::byte> reply_bytes() const { return {base_ + layout_.reply_bytes, geometry_.reply_bytes}; }

 private:
  // The region starts as zeros, which is every part's initial state; nothing is constructed in it.
  template <class T>
  T& at(std::uint64_t offset) const {
    return *std::launder(reinterpret_cast<T*>(base_ + offset));
  }

  std::byte* base_;
  Layout layout_;
  Geometry geometry_;
};

struct MasterEnd {
  MasterEnd(const Parts& parts, int master_bell_wait_fd, int worker_bell_signal_fd)
      : requests(parts.request_positions(), parts.request_bytes()),
        replies(parts.reply_positions(), parts.reply_bytes()),
        claims(parts.claims()),
        worker_bell(parts.worker_bell(), -1, worker_bell_signal_fd),
        own_bell(parts.master_bell(), master_bell_wait_fd, -1),
        phase(parts.phase()),
        counters(parts.counters()),
        recorder(parts.master_recorder()),
        worker_recorder(parts.worker_recorder()) {}

  Producer requests;
  Consumer replies;
  Claims claims;
  Doorbell worker_bell;
  Doorbell own_bell;
  const PhaseWord& phase;
  const Counters& counters;
  Recorder& recorder;
  const Recorder& worker_recorder;
};

struct WorkerEnd {
  WorkerEnd(const Parts& parts, int worker_bell_wait_fd, int master_bell_signal_fd)
      : requests(parts.request_positions(), parts.request_bytes()),
        replies(parts.reply_positions(), parts.reply_bytes()),
        claims(parts.claims()),
        own_bell(parts.worker_bell(), worker_bell_wait_fd, -1),
        master_bell(parts.master_bell(), -1, master_bell_signal_fd),
        phase(parts.phase()),
        counters(parts.counters()),
        recorder(parts.worker_recorder()) {}

  Consumer requests;
  Producer replies;
  Claims claims;
  Doorbell own_bell;
  Doorbell master_bell;
  PhaseWord& phase;
  Counters& counters;
  Recorder& recorder;
};

}  // namespace prefork::shm

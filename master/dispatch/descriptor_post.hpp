// Descriptors that a worker sends beside its ring, each with the serial number that its File or Socket record names. Owned by a WorkerLink.
// A descriptor crosses before its record is published and in the order of the records: it is here, or it was never sent. What was
// sent for a record that never came (its request was cancelled) is closed when the next one is taken, or with the socket.
#pragma once

#include <cstdint>
#include <vector>

#include "shm/fd.hpp"

namespace prefork::dispatch {

class DescriptorPost {
 public:
  explicit DescriptorPost(int socket) : socket_(socket) {}  // borrowed

  struct Taken {
    shm::UniqueFd fd;
    bool came = false;  // without `fd`: this process may have no more open, and the kernel has dropped it
  };
  // The descriptor with that serial.
  [[nodiscard]] Taken take(std::uint32_t serial);

 private:
  // Nobody sends so many that nobody asks for: a worker that does must not keep the master reading.
  static constexpr unsigned kMostPassedOver = 1000;

  int socket_;
  std::vector<shm::UniqueFd> beside_;  // of the last packet
};

}  // namespace prefork::dispatch

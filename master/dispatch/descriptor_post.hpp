// Descriptors that a worker sends beside its ring, each with the serial number that its File record names. Owned by a WorkerLink.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

namespace prefork::dispatch {

class DescriptorPost {
 public:
  explicit DescriptorPost(int socket) : socket_(socket) {}  // borrowed
  ~DescriptorPost();
  DescriptorPost(const DescriptorPost&) = delete;
  DescriptorPost& operator=(const DescriptorPost&) = delete;

  // The descriptor with that serial, now the caller's; -1 when none came. Those before it are closed: nobody asks for them again.
  int take(std::uint32_t serial);

 private:
  void receive();

  int socket_;
  std::deque<std::pair<std::uint32_t, int>> arrived_;
};

}  // namespace prefork::dispatch

// How many files the master may have open: each connection is one, each worker three. It takes what the system allows, where a login shell
// gives 1024, and keeps some aside, so that a worker can be replaced when clients have taken all others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shm/fd.hpp"

namespace prefork::process {

// Once, before there are threads. An application may be made for the limit that there was: workers go back to it.
void raise_descriptor_limit();
std::uint64_t workers_descriptor_limit();  // 0: none is known
// For the environment of a successor: the limit that it finds is the one that we have raised.
std::string descriptor_limit_variable();

// What to say when descriptors have run out.
std::string descriptor_advice(unsigned workers);

// Owned by who needs descriptors that connections must not take, on the loop's thread.
class DescriptorReserve {
 public:
  DescriptorReserve();
  void let_go() { kept_.clear(); }
  void refill();
  // There are too few even so: the clients of those workers that there are shall have them.
  void give_up() { wanted_ = 0; }

 private:
  std::size_t wanted_ = 0;
  std::vector<shm::UniqueFd> kept_;
};

}  // namespace prefork::process

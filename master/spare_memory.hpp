// What the allocator keeps after a rush. Under load the heap's free top stays, because giving it back and taking it again costs
// a page fault for every 4 KiB of every body; when the server has become quiet it goes back to the system.
#pragma once

#include <cstdint>

namespace prefork {

class SpareMemory {
 public:
  SpareMemory();  // tells the allocator how much to keep; once, before there are threads

  void every_second();

 private:
  std::uint64_t cpu_ns_ = 0;  // of this process when it was looked at last
  unsigned quiet_seconds_ = 0;
  unsigned busy_seconds_ = 0;
};

}  // namespace prefork

// What the master and a mold (the process that has loaded the application and forks workers) say to each other: packets
// (shm/packet.hpp) whose first byte is the kind. What follows it is text.
//
//   master                                          mold
//          <-- Loaded                               the application is imported
//   Call {"id": 7, "hook": "pre_fork", …} -->       <-- Answer {"id": 7, "error": null}
//   Fork ATTACHMENT, with kMoldDescriptors -->      <-- Forked "AGE PID", or NotForked "AGE REASON"
//
// The mold handles them in order. When the master closes its end, the mold goes.
#pragma once

#include <cstddef>

namespace prefork::wire {

enum class MoldMessage : char {
  Fork = 'F',
  Call = 'C',
  Loaded = 'L',
  Forked = 'W',
  NotForked = 'N',
  Answer = 'A',
};

// What goes along with Fork, in this order.
enum MoldDescriptor : std::size_t { kMoldRegion, kMoldOwnBell, kMoldMasterBell, kMoldSide, kMoldDescriptors };

}  // namespace prefork::wire

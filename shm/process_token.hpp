// A number for this process that no other one has, not even a later one with the same process id: for locks that outlive their owner.
#pragma once

#include <cstdint>

namespace prefork::shm {

// Greater than 2^32. Right in a forked child too.
std::uint64_t process_token();

// Whether that process still runs. False only when it surely does not.
bool token_alive(std::uint64_t token);

}  // namespace prefork::shm

// Records, heads and events in words.
#pragma once

#include <string>

#include "shm/channel.hpp"
#include "tools/inspect/snapshot.hpp"

namespace prefork::inspect {

std::string describe(const SeenRecord& record, bool request, std::uint64_t now_ns);
void print_ring(const char* name, const RingSnapshot& ring, bool request, std::uint64_t now_ns);
void print_recorder(const char* name, const shm::Recorder& recorder, std::size_t most, std::uint64_t now_us);

}  // namespace prefork::inspect

// Named points where a test makes this process stumble: PREFORK_FAULT=POINT:ACTION[:NTH] with kill, stop, abort or slow (50 ms).
// Compiled in only with the PREFORK_FAULTS option; in a release build a point is nothing at all.
#pragma once

#ifdef PREFORK_FAULTS
namespace prefork::shm {
void fault_point(const char* name);  // fault.cpp
}
#define PREFORK_FAULT_POINT(name) ::prefork::shm::fault_point(name)
#else
#define PREFORK_FAULT_POINT(name) static_cast<void>(0)
#endif

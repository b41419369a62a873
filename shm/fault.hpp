// Named points where a test makes this process stumble: PREFORK_FAULT=POINT:ACTION[:NTH[:FILE]] with kill, stop, abort or slow (50 ms,
// and each time from then on). With a FILE it happens once among all processes: to the one that creates the file.
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

// Fork-join over an index range. Work is cut by the caller into pieces whose results do not depend
// on how many threads run them.
#pragma once

#include <cstdint>
#include <functional>

namespace workbench {

int hardware_threads();

// Calls body(i) for every i in [0, count), on up to `threads` threads (0: hardware_threads()).
// Returns when all are done. The first exception (lowest i) is rethrown.
void parallel_for(std::int64_t count, int threads, const std::function<void(std::int64_t)>& body);

}  // namespace workbench

// A resource with a number of identical servers (ports of a memory, the channel of a DDR). Requests
// of one moment are all collected before any is served; they are served in order of arrival, ties
// by client, so the order in which processes happen to run does not matter.
#pragma once

#include <cstdint>
#include <systemc>
#include <vector>

namespace workbench::sim {

class Arbiter : public sc_core::sc_module {
 public:
  Arbiter(sc_core::sc_module_name name, std::int64_t servers);

  // Blocks the calling thread until `count` servers are free together, which are then occupied for
  // `cycles`. Returns the time of the grant, which is now. `count` is cut to the number of servers.
  std::int64_t acquire(int client, std::int64_t count, std::int64_t cycles);

 private:
  struct Request {
    std::int64_t arrival = 0;
    int client = 0;
    std::int64_t count = 0, cycles = 0;
    bool granted = false;
    sc_core::sc_event event;
  };

  void arbitrate();

  std::vector<std::int64_t> free_at_;  // per server
  std::vector<Request*> waiting_;      // lives on the stacks of the waiting threads
  sc_core::sc_event wake_;
};

}  // namespace workbench::sim

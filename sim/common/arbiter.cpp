#include "sim/common/arbiter.h"

#include <algorithm>
#include <tuple>

#include "core/error.h"
#include "sim/common/kernel.h"

namespace workbench::sim {

namespace {

// Long enough for whatever happens in a cycle without waiting, in however many delta cycles.
const sc_core::sc_time kGather(1, sc_core::SC_PS);

}  // namespace

Arbiter::Arbiter(sc_core::sc_module_name name, std::int64_t servers)
    : sc_module(name), free_at_(static_cast<std::size_t>(servers), 0) {
  CHECK(servers > 0);
  SC_HAS_PROCESS(Arbiter);
  SC_METHOD(arbitrate);
  sensitive << wake_;
  dont_initialize();
}

std::int64_t Arbiter::acquire(int client, std::int64_t count, std::int64_t cycles) {
  Request request;
  request.arrival = now();
  request.client = client;
  request.count = std::min(count, static_cast<std::int64_t>(free_at_.size()));
  request.cycles = cycles;
  waiting_.push_back(&request);
  wake_.notify(kGather);
  while (!request.granted) sc_core::wait(request.event);
  return now();
}

void Arbiter::arbitrate() {
  const std::int64_t time = now();
  std::sort(waiting_.begin(), waiting_.end(), [](const Request* a, const Request* b) {
    return std::tie(a->arrival, a->client) < std::tie(b->arrival, b->client);
  });
  while (!waiting_.empty()) {
    Request& first = *waiting_.front();
    std::sort(free_at_.begin(), free_at_.end());
    const std::int64_t ready = free_at_[static_cast<std::size_t>(first.count - 1)];
    if (ready > time) {
      wake_.notify(cycles(ready) + kGather - sc_core::sc_time_stamp());
      return;
    }
    std::fill_n(free_at_.begin(), first.count, time + first.cycles);
    first.granted = true;
    first.event.notify(sc_core::SC_ZERO_TIME);
    waiting_.erase(waiting_.begin());
  }
}

}  // namespace workbench::sim

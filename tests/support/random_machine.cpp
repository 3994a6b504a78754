#include "tests/support/random_machine.h"

#include "core/error.h"

namespace workbench {

namespace {

class Dice {
 public:
  explicit Dice(std::mt19937_64& random) : random_(random) {}
  std::int64_t operator()(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }

 private:
  std::mt19937_64& random_;
};

// What the other families have otherwise.
void become(xdnn::Machine& machine, xdnn::Family family, Dice& between) {
  using xdnn::Family;
  if (family == Family::V3) return;
  machine.features.replication = machine.features.tiling = 0;
  if (family == Family::Darius) {
    machine.family_name = "darius";
    machine.array.rows = 16 * between(1, 8);
    machine.features.inline_pool = between(0, 1);
    machine.features.prelu = between(0, 1);
    machine.features.deconv = between(0, 1);
    machine.features.upsample = between(0, 1);
    return;
  }
  machine.features = {0, 0, 0, 0, 0, 0};
  machine.array.images = between(1, 2);
  machine.filters.buffer_steps = machine.filters.steps_max = between(200, 5000);
  machine.limits.filter_max = machine.filters.steps_max;
  machine.limits.powers_of_two = between(0, 1);
  if (family == Family::V2) {
    machine.family_name = "xdnn_v2";
    machine.array.rows = between(8, 128);
    return;
  }
  machine.family_name = "math_engine";
  machine.array.rows = 1;
  machine.am.buffers = between(4, 12);
  machine.am.size_bytes = 2 * machine.am.buffers * between(4'000, 400'000);
}

}  // namespace

xdnn::Machine random_machine(std::mt19937_64& random, xdnn::Family family) {
  Dice between(random);
  xdnn::Machine machine;
  machine.name = "random";
  machine.family_name = "xdnn_v3";
  machine.array.rows = 16 * between(1, 16);
  machine.array.columns = std::int64_t{1} << between(0, 5);
  machine.array.weights_per_dsp = between(1, 2);
  machine.clocks.report = 100;
  machine.clocks.array = 100.0 * static_cast<double>(between(1, 3));
  machine.clocks.ddr = static_cast<double>(between(50, 400));
  machine.am.size_bytes = between(1, 3) == 1 ? between(20, 200) * 1024 : between(1, 8) << 20;
  machine.am.read_ports = between(1, 3);
  machine.am.write_ports = between(1, 3);
  machine.am.partitions = between(1, 4);
  machine.filters.buffers = between(1, 2);
  machine.filters.buffer_steps = between(16, 64);
  machine.filters.steps_max = machine.filters.buffer_steps * 4;
  machine.ddr.efficiency = static_cast<double>(between(20, 100)) / 100;
  machine.ddr.burst_bytes = 64 << between(0, 8);
  machine.ddr.latency_cycles = between(0, 200);
  machine.control.issue_cycles = between(0, 40);
  machine.control.queue_depth = between(1, 4);
  machine.control.instructions_max = 100000;
  become(machine, family, between);
  CHECK(xdnn::contradiction(machine).empty(), "{}", xdnn::contradiction(machine));
  return machine;
}

}  // namespace workbench

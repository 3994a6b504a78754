#include "compiler/xdnn/layout.h"

#include <initializer_list>

#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

ChannelLayout fewest_steps(std::int64_t channels, std::int64_t kernel_h, std::int64_t kernel_w,
                           std::initializer_list<std::int64_t> copies, const Machine& machine) {
  if (machine.width_aligned()) return {};
  const std::int64_t word = machine.geometry().word_channels();
  ChannelLayout best = plain_layout(channels, machine.geometry());
  const std::int64_t rest = channels % word;
  if (rest == 0 || machine.features.replication == 0) return best;
  for (const std::int64_t units : copies) {
    const std::int64_t width = word / units;
    if (width < 1) continue;
    const ChannelLayout candidate{channels / word, ceil_div(rest, width), units, width};
    if (array_steps(candidate, kernel_h, kernel_w) < array_steps(best, kernel_h, kernel_w)) {
      best = candidate;
    }
  }
  return best;
}

}  // namespace

ChannelLayout am_source_layout(std::int64_t channels, std::int64_t kernel_h, std::int64_t kernel_w,
                               const Machine& machine) {
  return fewest_steps(channels, kernel_h, kernel_w, {2, 3}, machine);
}

ChannelLayout ddr_source_layout(std::int64_t channels, std::int64_t kernel_h, std::int64_t kernel_w,
                                const Machine& machine) {
  return fewest_steps(channels, kernel_h, kernel_w, {2, 3, 12}, machine);
}

}  // namespace workbench::xdnn

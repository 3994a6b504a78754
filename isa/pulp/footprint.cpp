#include "isa/pulp/footprint.h"

#include <algorithm>
#include <array>

#include "core/units.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

std::string_view to_string(Space space) {
  switch (space) {
    case Space::L1:
      return "L1";
    case Space::L2:
      return "L2";
    case Space::L3:
      return "L3";
  }
  CHECK(false, "space {}", static_cast<int>(space));
}

namespace {

std::int64_t floor_div(std::int64_t numerator, std::int64_t denominator) {
  const std::int64_t quotient = numerator / denominator;
  return quotient - (numerator % denominator < 0 ? 1 : 0);
}

// Is there k in [first, last] with low <= k * stride <= high?
bool multiple_within(std::int64_t stride, std::int64_t first, std::int64_t last, std::int64_t low,
                     std::int64_t high) {
  if (stride == 0) return low <= 0 && 0 <= high && first <= last;
  const std::int64_t from = std::max(first, -floor_div(-low, stride));
  return from <= last && from * stride <= high;
}

}  // namespace

// A run of a and one of b meet when b's start lies less than a.length behind a's, or less than
// b.length before it. The starts are a.address + i * a.stride, b.address + j * b.stride.
bool overlap(const Region& a, const Region& b) {
  if (a.count > b.count) return overlap(b, a);
  if (a.space != b.space || a.length <= 0 || b.length <= 0 || a.count <= 0) return false;
  if (a.address >= b.end() || b.address >= a.end()) return false;
  const std::int64_t distance = a.address - b.address;
  if (a.stride == b.stride) {
    return multiple_within(a.stride, 1 - a.count, b.count - 1, distance - b.length + 1,
                           distance + a.length - 1);
  }
  for (std::int64_t i = 0; i < a.count; ++i) {
    const std::int64_t from = distance + i * a.stride;
    if (multiple_within(b.stride, 0, b.count - 1, from - b.length + 1, from + a.length - 1)) {
      return true;
    }
  }
  return false;
}

namespace {

struct Level {
  std::int64_t count = 1, stride = 0;
};

// Runs of `length` bytes at all sums of multiples of the levels' strides, as few regions as
// simple means find: levels that make longer runs, or continue another's pattern, become one.
void add_block(std::vector<Region>& regions, Space space, std::int64_t address, std::int64_t length,
               std::array<Level, 3> nest) {
  std::sort(nest.begin(), nest.end(),
            [](const Level& a, const Level& b) { return a.stride < b.stride; });
  std::vector<Level> levels;
  for (const Level& level : nest) {
    if (level.count == 1 || level.stride == 0) continue;
    if (levels.empty() && level.stride <= length) {
      length += (level.count - 1) * level.stride;
    } else if (!levels.empty() && level.stride == levels.back().count * levels.back().stride) {
      levels.back().count *= level.count;
    } else {
      levels.push_back(level);
    }
  }
  std::sort(levels.begin(), levels.end(),
            [](const Level& a, const Level& b) { return a.count > b.count; });
  levels.resize(3, Level{});
  const Level inner = levels[0];
  for (std::int64_t i = 0; i < levels[1].count; ++i) {
    for (std::int64_t j = 0; j < levels[2].count; ++j) {
      regions.push_back({space, address + i * levels[1].stride + j * levels[2].stride, length,
                         inner.count, inner.count == 1 ? 0 : inner.stride});
    }
  }
}

void add_run(std::vector<Region>& regions, std::int64_t address, std::int64_t bytes) {
  if (bytes > 0) regions.push_back({Space::L1, address, bytes, 1, 0});
}

struct FootprintOf {
  const Machine& machine;

  Footprint operator()(const Barrier&) const { return {}; }
  Footprint operator()(const DmaWait&) const { return {}; }
  Footprint operator()(const L3Wait&) const { return {}; }
  Footprint operator()(const Code&) const { return {}; }
  Footprint operator()(const CounterStart&) const { return {}; }
  Footprint operator()(const CounterStop&) const { return {}; }
  Footprint operator()(const Dma& op) const {
    Footprint result;
    if (op.bytes() == 0) return result;
    add_block(op.to_l1 ? result.reads : result.writes, Space::L2, op.l2, op.length,
              {{{op.lines, op.l2_line_stride},
                {op.rows, op.l2_row_stride},
                {op.planes, op.l2_plane_stride}}});
    add_block(op.to_l1 ? result.writes : result.reads, Space::L1, op.l1, op.length,
              {{{op.lines, op.l1_line_stride},
                {op.rows, op.l1_row_stride},
                {op.planes, op.l1_plane_stride}}});
    return result;
  }
  Footprint operator()(const L3Transfer& op) const {
    Footprint result;
    if (op.bytes() == 0) return result;
    add_block(op.to_l2 ? result.reads : result.writes, Space::L3, op.l3, op.length,
              {{{op.rows, op.l3_stride}}});
    add_block(op.to_l2 ? result.writes : result.reads, Space::L2, op.l2, op.length,
              {{{op.rows, op.l2_stride}}});
    return result;
  }
  Footprint operator()(const Kernel& op) const {
    Footprint result;
    add_run(result.reads, op.in, input_bytes(op));
    add_run(result.reads, op.in2, second_input_bytes(op));
    add_run(result.reads, op.weights, weight_bytes(op));
    add_run(result.reads, op.bias, bias_bytes(op));
    add_run(result.reads, op.kappa, norm_bytes(op));
    add_run(result.reads, op.lambda, norm_bytes(op));
    add_run(result.writes, op.out, output_bytes(op));
    if (traits(op.kind).destroys_input) add_run(result.writes, op.in, input_bytes(op));
    add_run(result.writes, op.scratch, scratch_bytes(op, machine));
    return result;
  }
};

std::int64_t packed_bytes(std::int64_t codes, std::int64_t bits) {
  return ceil_div(codes * bits, 8);
}

}  // namespace

Footprint footprint(const Instruction& instruction, const Machine& machine) {
  return std::visit(FootprintOf{machine}, instruction);
}

std::int64_t input_bytes(const Kernel& k) {
  if (traits(k.kind).planes) return k.in_c * packed_bytes(k.in_h * k.in_w, k.in_bits);
  return k.in_h * k.in_w * packed_bytes(k.in_c, k.in_bits);
}

std::int64_t second_input_bytes(const Kernel& k) {
  return traits(k.kind).operands > 1 ? input_bytes(k) : 0;
}

std::int64_t weight_bytes(const Kernel& k) {
  const KernelTraits& row = traits(k.kind);
  if (!row.weights) return 0;
  const std::int64_t in_c = row.by_channel ? 1 : k.in_c;
  return k.out_c * packed_bytes(k.kernel_h * k.kernel_w * in_c, k.weight_bits);
}

std::int64_t output_bytes(const Kernel& k) {
  const std::int64_t bits = leaves_words(k) ? 32 : k.out_bits;
  return k.out_h * k.out_w * packed_bytes(k.out_c, bits);
}

std::int64_t norm_bytes(const Kernel& k) { return k.norm ? k.out_c * k.norm_bits / 8 : 0; }

std::int64_t bias_bytes(const Kernel& k) {
  if (k.sums_in) return 4 * k.out_c * k.out_h * k.out_w;
  return k.has_bias ? 4 * k.out_c : 0;
}

std::int64_t scratch_bytes(const Kernel& k, const Machine& machine) {
  const auto bytes = traits(k.kind).scratch_bytes;
  return bytes == nullptr ? 0 : bytes(k, k.active_cores(machine.cluster.cores));
}

}  // namespace workbench::pulp

#include "isa/pulp/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/code_widths.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

constexpr std::int64_t kMemoryMax = std::int64_t{1} << 33;
constexpr std::int64_t kSideMax = 65535;  // the library's sizes are 16 bits wide

class Check {
 public:
  Check(const Program& program, const std::string& name)
      : program_(program),
        name_(name),
        instructions_(static_cast<std::int64_t>(program.instructions.size())),
        layers_(static_cast<std::int64_t>(program.info.layers.size())) {}

  void run() {
    memories();
    layers();
    for (const auto* places : {&program_.inputs, &program_.outputs}) {
      for (const TensorPlace& p : *places) place(p);
    }
    probes();
    for (const Volume& v : program_.memory_map) {
      if (v.first < 0 || v.last < v.first || v.last > instructions_) {
        refuse(fmt::format("'{}' lives from instruction {} to {}", v.name, v.first, v.last));
      }
    }
    for (const LayerTiling& t : program_.tilings) {
      if (t.layer < 0 || t.layer >= layers_) refuse("a tiling of no layer");
    }
    host_values();
    host_steps();
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail("{}: not a program: {}", name_, what);
  }

  void memories() const {
    for (const std::int64_t bytes : {program_.l1_bytes, program_.l2_bytes, program_.l3_bytes}) {
      if (bytes < 0 || bytes > kMemoryMax) refuse(fmt::format("{} bytes of memory", bytes));
    }
    if (static_cast<std::int64_t>(program_.constants.size()) > program_.l3_bytes) {
      refuse(fmt::format("{} bytes of constants in {} of L3", program_.constants.size(),
                         program_.l3_bytes));
    }
  }

  void layers() const {
    if (static_cast<std::int64_t>(program_.info.instruction_layer.size()) != instructions_ ||
        static_cast<std::int64_t>(program_.info.instruction_text.size()) != instructions_) {
      refuse("as many layer entries as instructions expected");
    }
    for (const std::int32_t layer : program_.info.instruction_layer) {
      if (layer < 0 || layer >= layers_) refuse("an instruction belongs to no layer");
    }
  }

  std::int64_t extent(Space space) const {
    switch (space) {
      case Space::L1:
        return program_.l1_bytes;
      case Space::L2:
        return program_.l2_bytes;
      case Space::L3:
        return program_.l3_bytes;
    }
    CHECK(false, "space {}", static_cast<int>(space));
  }

  void place(const TensorPlace& p) const {
    if (p.bits != 2 && p.bits != 4 && p.bits != 8 && p.bits != 32) {
      refuse(fmt::format("codes of {} bits in '{}'", p.bits, p.value));
    }
    for (const std::int64_t side : {p.channels, p.height, p.width}) {
      if (side < 1 || side > kSideMax) refuse(fmt::format("'{}' has a side of {}", p.value, side));
    }
    const bool sensible = p.address >= 0 && p.address <= kMemoryMax && p.pixel_stride >= 0 &&
                          p.pixel_stride <= kMemoryMax && p.row_stride >= 0 &&
                          p.row_stride <= kMemoryMax;
    if (!sensible || p.address + (p.height - 1) * p.row_stride + (p.width - 1) * p.pixel_stride +
                             ceil_div(p.channels * p.bits, 8) >
                         extent(p.space)) {
      refuse(fmt::format("'{}' lies outside {}", p.value, to_string(p.space)));
    }
  }

  void probes() const {
    std::int32_t latest = 0;
    for (const Probe& p : program_.probes) {
      place(p.place);
      if (p.after < 0 || p.after >= instructions_) {
        refuse(fmt::format("'{}' is written by no instruction", p.place.value));
      }
      if (p.after < latest) refuse("probes are not in the order of instructions");
      latest = p.after;
      const bool piece = p.value_channels != 0 || p.value_height != 0;
      const bool inside = p.first_channel >= 0 && p.first_row >= 0 &&
                          p.value_channels <= kSideMax && p.value_height <= kSideMax &&
                          p.place.channels <= p.value_channels - p.first_channel &&
                          p.place.height <= p.value_height - p.first_row;
      if (piece && !inside) refuse(fmt::format("a piece of '{}' lies outside it", p.place.value));
    }
  }

  void host_steps() const {
    std::int32_t latest = 0;
    std::set<ValueId> known(program_.host.inputs.begin(), program_.host.inputs.end());
    for (const HostStep& step : program_.host_steps) {
      if (step.before < latest || step.before > instructions_) {
        refuse(fmt::format("a host step before instruction {}", step.before));
      }
      latest = step.before;
      for (const std::size_t node : step.nodes) {
        if (node >= program_.host.nodes.size()) refuse("a host step runs no node");
        host_node(program_.host.nodes[node], known);
      }
    }
  }

  // Each operand is a constant, there from the start, computed before, or in a memory.
  void host_node(const Node& node, std::set<ValueId>& known) const {
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || known.contains(id) || program_.host.value(id).constant) continue;
      if (!places_.contains(program_.host.value(id).name)) {
        refuse(fmt::format("host node '{}' reads '{}', which comes from nowhere", node.name,
                           program_.host.value(id).name));
      }
    }
    known.insert(node.outputs.begin(), node.outputs.end());
  }

  void host_values() {
    for (const auto* places : {&program_.inputs, &program_.outputs}) {
      for (const TensorPlace& p : *places) places_[p.value] = p.channels * p.height * p.width;
    }
    for (const Value& value : program_.host.values) {
      const auto found = places_.find(value.name);
      if (found == places_.end() || found->second == element_count(value.shape)) continue;
      refuse(fmt::format("'{}' has {} elements in memory and shape {}", value.name, found->second,
                         workbench::to_string(value.shape)));
    }
  }

  const Program& program_;
  const std::string& name_;
  std::int64_t instructions_ = 0, layers_ = 0;
  std::map<std::string, std::int64_t> places_;  // elements of each value in a memory
};

}  // namespace

void check_program(const Program& program, const std::string& name) { Check(program, name).run(); }

// What no machine could make sense of, before any address is looked at: a trust boundary, so every
// product is bounded before it is formed.

namespace {

constexpr std::int64_t kAddressMax = std::int64_t{1} << 40;
constexpr std::int64_t kKernelMax = 1024;         // so that no product of sizes overflows
constexpr std::int64_t kCodeMax = 1'000'000'000;  // instructions of one piece of code
// Identifiers of requests to the fabric controller: a field of a structure in software,
// not of a register (assumed).
constexpr std::int64_t kL3Identifiers = 256;

using Named = std::pair<const char*, std::int64_t>;

// The first of them that lies outside [low, high].
std::string outside(std::initializer_list<Named> values, std::int64_t low, std::int64_t high) {
  for (const auto& [name, value] : values) {
    if (value >= low && value <= high) continue;
    return fmt::format("{} must lie between {} and {}, found {}", name, low, high, value);
  }
  return "";
}

std::string first_of(std::initializer_list<std::string> faults) {
  for (const std::string& fault : faults) {
    if (!fault.empty()) return fault;
  }
  return "";
}

// Of a transfer of as many bytes as the product of `counts`, which all have to fit a memory.
std::string too_large(std::initializer_list<std::int64_t> counts, const char* memory,
                      std::int64_t size_bytes) {
  std::int64_t bytes = 1;
  for (const std::int64_t count : counts) {
    if (count < 1) return "";  // said elsewhere
    if (count > size_bytes / bytes) {
      return fmt::format("moves more than the {} bytes of {}", size_bytes, memory);
    }
    bytes *= count;
  }
  return "";
}

std::string dma_fault(const Dma& op, const Machine& machine) {
  const std::string fault = first_of({
      outside({{"l2", op.l2},
               {"l1", op.l1},
               {"l2_line_stride", op.l2_line_stride},
               {"l2_row_stride", op.l2_row_stride},
               {"l2_plane_stride", op.l2_plane_stride},
               {"l1_line_stride", op.l1_line_stride},
               {"l1_row_stride", op.l1_row_stride},
               {"l1_plane_stride", op.l1_plane_stride}},
              0, kAddressMax),
      outside(
          {{"length", op.length}, {"lines", op.lines}, {"rows", op.rows}, {"planes", op.planes}}, 1,
          kAddressMax),
      outside({{"id", op.id}}, 0, machine.dma.identifiers - 1),
      too_large({op.length, op.lines, op.rows, op.planes}, "L1", machine.l1.size_bytes),
  });
  if (!fault.empty()) return fault;
  const std::int64_t command = op.two_d ? op.length * op.lines : op.length;
  if (command > machine.dma.length_max) {
    return fmt::format("a command of {} bytes, the DMA takes {}", command, machine.dma.length_max);
  }
  return "";
}

std::string l3_fault(const L3Transfer& op, const Machine& machine) {
  if (machine.l3.size_bytes == 0) return "the machine has no L3";
  return first_of({
      outside(
          {{"l3", op.l3}, {"l2", op.l2}, {"l3_stride", op.l3_stride}, {"l2_stride", op.l2_stride}},
          0, kAddressMax),
      outside({{"length", op.length}, {"rows", op.rows}}, 1, kAddressMax),
      outside({{"id", op.id}}, 0, kL3Identifiers - 1),
      too_large({op.length, op.rows}, "L2", machine.l2.size_bytes),
  });
}

std::string bits_fault(const Kernel& k, const KernelTraits& row) {
  const bool wide_in = row.wide_in && k.in_bits == 32;
  const bool wide_out = (row.wide_out || row.words) && k.out_bits == 32;
  for (const auto& [name, bits] :
       {Named{"in_bits", wide_in ? 8 : k.in_bits}, Named{"weight_bits", k.weight_bits},
        Named{"out_bits", wide_out ? 8 : k.out_bits}}) {
    if (std::ranges::find(kCodeWidths, bits) != kCodeWidths.end()) continue;
    return fmt::format("{} must be 8, 4 or 2, found {}", name, bits);
  }
  if (k.clamped && (!k.norm || k.norm_bits != 64)) {
    return fmt::format("clamped needs norm and norm_bits 64, found {}", k.norm_bits);
  }
  if (k.norm_bits == 32 || k.norm_bits == 64) return "";
  return fmt::format("norm_bits must be 32 or 64, found {}", k.norm_bits);
}

std::string range_fault(const Kernel& k) {
  return first_of({
      outside({{"in", k.in},
               {"in2", k.in2},
               {"weights", k.weights},
               {"bias", k.bias},
               {"kappa", k.kappa},
               {"lambda", k.lambda},
               {"out", k.out},
               {"scratch", k.scratch}},
              0, kAddressMax),
      outside({{"in_w", k.in_w},
               {"in_h", k.in_h},
               {"in_c", k.in_c},
               {"out_w", k.out_w},
               {"out_h", k.out_h},
               {"out_c", k.out_c}},
              1, kSideMax),
      outside({{"kernel_w", k.kernel_w},
               {"kernel_h", k.kernel_h},
               {"stride_x", k.stride_x},
               {"stride_y", k.stride_y},
               {"dilation_x", k.dilation_x},
               {"dilation_y", k.dilation_y}},
              1, kKernelMax),
      outside({{"pad_top", k.pad_top},
               {"pad_bottom", k.pad_bottom},
               {"pad_left", k.pad_left},
               {"pad_right", k.pad_right}},
              0, kSideMax),
      outside({{"shift", k.shift}}, 0, k.norm && k.norm_bits == 64 && !k.clamped ? 63 : 31),
      outside({{"shift1", k.shift1}, {"shift2", k.shift2}}, 0, 31),
      outside({{"multiplier", k.multiplier},
               {"offset", k.offset},
               {"multiplier1", k.multiplier1},
               {"offset1", k.offset1},
               {"multiplier2", k.multiplier2},
               {"offset2", k.offset2}},
              INT32_MIN, INT32_MAX),
      outside({{"divisor", k.divisor}}, 1, INT32_MAX),
  });
}

// One direction of a sliding window; `or_fewer`: the kernel makes as many results as it is told.
std::string window_fault(char axis, std::int64_t in, std::int64_t out, std::int64_t kernel,
                         std::int64_t stride, std::int64_t dilation, std::int64_t before,
                         std::int64_t after, bool or_fewer = false) {
  const std::int64_t reach = (kernel - 1) * dilation + 1;
  const std::int64_t space = in + before + after - reach;
  if (space < 0) {
    return fmt::format("a window that reaches {} in {} does not fit {} and padding {}, {}", reach,
                       axis, in, before, after);
  }
  if (out == space / stride + 1 || (or_fewer && out < space / stride + 1)) return "";
  return fmt::format("out_{} must be {}, found {}: in_{} {}, kernel {}, stride {}, padding {}, {}",
                     axis, space / stride + 1, out, axis, in, kernel, stride, before, after);
}

bool unit_window(const Kernel& k) {
  const auto all_one = {k.kernel_w,     k.kernel_h,     k.stride_x,    k.stride_y,
                        k.dilation_x,   k.dilation_y,   1 + k.pad_top, 1 + k.pad_bottom,
                        1 + k.pad_left, 1 + k.pad_right};
  for (const std::int64_t value : all_one) {
    if (value != 1) return false;
  }
  return true;
}

// What this kernel of the library cannot do though another could (docs/facts/pulp.md 2.4).
std::string kernel_limit(const Kernel& k, const KernelTraits& row) {
  if (!row.dilation && (k.dilation_x != 1 || k.dilation_y != 1)) return "has no dilation";
  if (!row.window && !unit_window(k)) return "has a 1x1 window, stride 1 and no padding";
  return row.limit == nullptr ? "" : row.limit(k);
}

// Flags that do not apply to this kernel.
std::string stray_flag(const Kernel& k, const KernelTraits& row) {
  if (k.norm && !row.norm) return "has no kappa and lambda";
  if (k.has_bias && !row.weights) return "has no bias";
  if ((k.sums_in || k.sums_out) && !row.partial) return "has no partial sums";
  if (k.sums_in && k.has_bias) return "starts at a bias or at partial sums, not at both";
  if (leaves_words(k) && k.norm && row.weights) return "leaves sums, and has kappa and lambda";
  if (k.clip_operands && row.operands < 2) return "has no operands to clip";
  if (k.divisor != 1 && !row.divides) return fmt::format("has no divisor, found {}", k.divisor);
  return "";
}

std::string misaligned(const Kernel& k) {
  const std::tuple<const char*, std::int64_t, bool> words[] = {
      {"bias", k.bias, k.has_bias || k.sums_in},
      {"kappa", k.kappa, k.norm},
      {"lambda", k.lambda, k.norm},
      {"in", k.in, k.in_bits == 32},
      {"out", k.out, leaves_words(k)}};
  for (const auto& [name, address, used] : words) {
    if (used && address % 4 != 0) {
      return fmt::format("{} at {}: words lie at multiples of 4", name, address);
    }
  }
  return "";
}

// Each alone, the least that has to be true: the simulator sees where they lie.
std::string larger_than_l1(const Kernel& k, const Machine& machine) {
  for (const auto& [name, bytes] : {Named{"in", input_bytes(k)}, Named{"weights", weight_bytes(k)},
                                    Named{"bias", bias_bytes(k)}, Named{"out", output_bytes(k)},
                                    Named{"scratch", scratch_bytes(k, machine)}}) {
    if (bytes > machine.l1.size_bytes) {
      return fmt::format("{} takes {} bytes, L1 has {}", name, bytes, machine.l1.size_bytes);
    }
  }
  return "";
}

std::string kernel_fault(const Kernel& k, const Machine& machine) {
  if (k.kind < KernelKind::ConvHo || k.kind > last(k.kind)) {
    return fmt::format("kernel {} does not exist", static_cast<std::int64_t>(k.kind));
  }
  const KernelTraits& row = traits(k.kind);
  const std::int64_t cores = k.active_cores(machine.cluster.cores);
  std::string fault = first_of({range_fault(k), bits_fault(k, row),
                                outside({{"cores", k.cores}}, 0, machine.cluster.cores)});
  if (fault.empty()) {
    fault = first_of({
        stray_flag(k, row),
        kernel_limit(k, row),
        window_fault('w', k.in_w, k.out_w, k.kernel_w, k.stride_x, k.dilation_x, k.pad_left,
                     k.pad_right),
        window_fault('h', k.in_h, k.out_h, k.kernel_h, k.stride_y, k.dilation_y, k.pad_top,
                     k.pad_bottom, row.fewer_rows),
        misaligned(k),
        larger_than_l1(k, machine),
    });
  }
  if (fault.empty()) {
    const std::string missing = missing_extension(k, machine);
    if (!missing.empty()) fault = fmt::format("needs {}, which the machine has not", missing);
  }
  if (fault.empty() && row.split == Split::HalfRows && cores % 2 != 0 && cores > 1) {
    fault = fmt::format("deals rows to pairs of cores, of {} one is left over", cores);
  }
  return fault.empty() ? "" : fmt::format("{} {}", row.name, fault);
}

struct FaultOf {
  const Machine& machine;

  std::string operator()(const Barrier&) const { return ""; }
  std::string operator()(const CounterStart&) const { return ""; }
  std::string operator()(const CounterStop&) const { return ""; }
  std::string operator()(const Dma& op) const { return dma_fault(op, machine); }
  std::string operator()(const DmaWait& op) const {
    return outside({{"id", op.id}}, 0, machine.dma.identifiers - 1);
  }
  std::string operator()(const L3Transfer& op) const { return l3_fault(op, machine); }
  std::string operator()(const L3Wait& op) const {
    return outside({{"id", op.id}}, 0, kL3Identifiers - 1);
  }
  std::string operator()(const Code& op) const {
    return outside(
        {{"instructions", op.instructions}, {"divisions", op.divisions}, {"l2_loads", op.l2_loads}},
        0, kCodeMax);
  }
  std::string operator()(const Kernel& op) const { return kernel_fault(op, machine); }
};

}  // namespace

std::string malformed(const Instruction& instruction, const Machine& machine) {
  std::string fault = std::visit(FaultOf{machine}, instruction);
  const bool named = std::holds_alternative<Kernel>(instruction);
  return fault.empty() || named ? fault : fmt::format("{}: {}", opcode(instruction), fault);
}

// --- fields without effect
// -------------------------------------------------------------------------

namespace {

bool one_of(std::string_view field, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), field) != names.end();
}

}  // namespace

Kernel without_decoration(Kernel call) {
  const Kernel declared;
  const KernelTraits& row = traits(call.kind);
  const bool maxima = row.family == Family::MaxPool;
  if (row.operands < 2) {
    call.in2 = declared.in2, call.in2_signed = declared.in2_signed;
    call.multiplier1 = call.multiplier2 = declared.multiplier1;
    call.offset1 = call.offset2 = declared.offset1;
    call.shift1 = call.shift2 = declared.shift1;
  }
  if (!row.weights) call.weights = declared.weights, call.weight_bits = declared.weight_bits;
  if (!call.has_bias && !call.sums_in) call.bias = declared.bias;
  if (!call.norm) {
    call.kappa = declared.kappa, call.lambda = declared.lambda;
    call.norm_bits = declared.norm_bits;
  }
  if (row.scratch_bytes == nullptr || row.scratch_bytes(call, 1) == 0) {
    call.scratch = declared.scratch;
  }
  // An addition leaves its sum as int32, too.
  const bool sums = leaves_words(call) && row.family != Family::Add;
  if (maxima || sums || call.norm) {
    call.multiplier = declared.multiplier, call.offset = declared.offset;
  }
  if (maxima || sums) call.shift = declared.shift;
  if (sums) call.out_signed = declared.out_signed;
  return call;
}

std::string decoration(const Instruction& instruction) {
  const auto* call = std::get_if<Kernel>(&instruction);
  if (call == nullptr) return "";
  const Kernel clean = without_decoration(*call);
  if (clean == *call) return "";
  std::vector<std::int64_t> expected;
  for_each_field(clean, [&](std::string_view, const auto& value) {
    expected.push_back(static_cast<std::int64_t>(value));
  });
  std::string fault;
  std::size_t at = 0;
  for_each_field(*call, [&](std::string_view field, const auto& value) {
    const std::int64_t wanted = expected[at++], found = static_cast<std::int64_t>(value);
    if (found == wanted || !fault.empty()) return;
    fault = fmt::format("{} does not read {}: expected {}, found {}", traits(call->kind).name,
                        field, wanted, found);
  });
  return fault;
}

namespace {

bool next_of_one(const Instruction& instruction, std::string_view field, const Machine&) {
  const auto* k = std::get_if<Kernel>(&instruction);
  return k != nullptr &&
         ((field == "stride_x" && k->out_w == 1) || (field == "stride_y" && k->out_h == 1));
}

bool apart_from_none(const Instruction& instruction, std::string_view field, const Machine&) {
  const auto* k = std::get_if<Kernel>(&instruction);
  return k != nullptr && ((field == "dilation_x" && k->kernel_w == 1) ||
                          (field == "dilation_y" && k->kernel_h == 1));
}

bool behind_last_window(const Instruction& instruction, std::string_view field, const Machine&) {
  return std::holds_alternative<Kernel>(instruction) && one_of(field, {"pad_right", "pad_bottom"});
}

bool behind_last_row(const Instruction& instruction, std::string_view field, const Machine&) {
  const auto* k = std::get_if<Kernel>(&instruction);
  if (k == nullptr || field != "in_h") return false;
  return (k->out_h - 1) * k->stride_y + (k->kernel_h - 1) * k->dilation_y + 1 - k->pad_top <=
         k->in_h;
}

bool stride_of_one(const Instruction& instruction, std::string_view field, const Machine&) {
  if (const auto* l3 = std::get_if<L3Transfer>(&instruction)) {
    return l3->rows == 1 && one_of(field, {"l3_stride", "l2_stride"});
  }
  const auto* dma = std::get_if<Dma>(&instruction);
  if (dma == nullptr) return false;
  return (field.ends_with("_line_stride") && dma->lines == 1) ||
         (field.ends_with("_row_stride") && dma->rows == 1) ||
         (field.ends_with("_plane_stride") && dma->planes == 1);
}

bool way_of_asking(const Instruction& instruction, std::string_view field, const Machine&) {
  return std::holds_alternative<Dma>(instruction) && one_of(field, {"two_d", "split"});
}

bool cores_of_kernel(const Instruction& instruction, std::string_view field, const Machine&) {
  return std::holds_alternative<Kernel>(instruction) && field == "cores";
}

bool same_kind(const Instruction& instruction, std::string_view field, const Machine&) {
  return std::holds_alternative<Kernel>(instruction) && field == "kind";
}

bool always_sums(const Instruction& instruction, std::string_view field, const Machine&) {
  const auto* k = std::get_if<Kernel>(&instruction);
  return k != nullptr && field == "sums_out" && (traits(k->kind).words || k->out_bits == 32);
}

bool either_operand(const Instruction& instruction, std::string_view field, const Machine&) {
  const auto* k = std::get_if<Kernel>(&instruction);
  return k != nullptr && one_of(field, {"in", "in2"}) && traits(k->kind).operands == 2 &&
         k->multiplier1 == k->multiplier2 && k->offset1 == k->offset2 && k->shift1 == k->shift2 &&
         k->in_signed == k->in2_signed;
}

bool start_of_pixel(const Instruction& instruction, std::string_view field, const Machine&) {
  const auto* k = std::get_if<Kernel>(&instruction);
  return k != nullptr && one_of(field, {"has_bias", "sums_in"}) && k->out_w == 1 && k->out_h == 1 &&
         k->has_bias != k->sums_in;
}

constexpr FieldWithoutEffect kWithoutEffect[] = {
    {"`kernel`", "`kind`, of kernels that compute the same", "changes nothing but the time",
     same_kind},
    {"`kernel`", "`sums_out` of one that leaves int32 anyway", "it does", always_sums},
    {"`kernel`", "`in` and `in2` exchanged, of an addition that treats both alike", "a sum",
     either_operand},
    {"`kernel`", "`has_bias` and `sums_in` exchanged, of one pixel of results",
     "both are a number of 4 bytes for each channel", start_of_pixel},
    {"`kernel`", "`stride_x`, `stride_y` of one column, one row of results", "there is no next",
     next_of_one},
    {"`kernel`", "`dilation_x`, `dilation_y` of one tap", "it has nothing to be apart from",
     apart_from_none},
    {"`kernel`", "`pad_right`, `pad_bottom` beyond the last window", "no window reaches it",
     behind_last_window},
    {"`kernel`", "`in_h` beyond the last window", "no window reaches it", behind_last_row},
    {"`kernel`", "`cores`", "changes nothing but the time; 0 is all", cores_of_kernel},
    {"`dma`, `l3`", "a stride of one line, row or plane", "there is no next", stride_of_one},
    {"`dma`", "`two_d`, `split`", "change nothing but the time", way_of_asking},
};

}  // namespace

std::span<const FieldWithoutEffect> fields_without_effect() { return kWithoutEffect; }

}  // namespace workbench::pulp

#include "isa/pulp/program_check.h"

#include <map>
#include <set>

#include "core/error.h"
#include "core/units.h"

namespace workbench::pulp {

namespace {

constexpr std::int64_t kMemoryMax = std::int64_t{1} << 33;
constexpr std::int64_t kSideMax = 65535;

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

}  // namespace workbench::pulp

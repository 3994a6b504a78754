#include "tests/support/xdnn_mutants.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/races.h"
#include "isa/xdnn/well_formed.h"

namespace workbench {

namespace {

using namespace xdnn;  // NOLINT(google-build-using-namespace)

constexpr std::int64_t kDdrStep = 64;  // a word of the DDR interface (docs/facts/xdnn.md 1.6)

template <typename Visit>
void for_each_member(Instruction& instruction, Visit&& visit) {
  std::visit([&](auto& op) { for_each_field(op, visit); }, instruction);
}

bool one_of(std::string_view field, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), field) != names.end();
}

// Of one program.
class Enumeration {
 public:
  Enumeration(const Program& program, const Machine& machine, std::mt19937_64& random)
      : program_(program), machine_(machine), random_(random) {}

  std::vector<Mutant> run() {
    for (instruction_ = 0; instruction_ < program_.steps.size(); ++instruction_) {
      Step step = program_.steps[instruction_];
      tail_ = tail(step.instruction);
      unit_ = unit_of(step.instruction);
      for_each_member(step.instruction, [&](std::string_view field, auto& member) {
        field_of(field, static_cast<std::int64_t>(member),
                 std::is_same_v<std::remove_cvref_t<decltype(member)>, bool>);
      });
      if (unit_ == Unit::Conv) {
        move(MutantKind::WeightOffset, "filters", step.filter_address, kDdrStep,
             static_cast<std::int64_t>(program_.constants.size()));
      }
    }
    return std::move(mutants_);
  }

 private:
  void add(MutantKind kind, std::string_view field, std::int64_t from, std::int64_t to) {
    if (to == from) return;
    mutants_.push_back({kind, instruction_, std::string(field), to});
  }
  void move(MutantKind kind, std::string_view field, std::int64_t value, std::int64_t step,
            std::int64_t size) {
    add(kind, field, value, value + step);
    if (value >= step) add(kind, field, value, value - step);
    const std::int64_t places = std::max<std::int64_t>(1, size / step);
    add(kind, field, value,
        step * static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(places)));
  }
  void move_in_am(std::string_view field, std::int64_t value) {
    const MachineOfSlice own(machine_, tail_.slice);
    const Machine& machine = own.get();
    move(MutantKind::Address, field, value, machine.word_addresses(),
         machine.am_words() * machine.word_addresses());
  }
  void move_in_ddr(std::string_view field, std::int64_t value) {
    move(MutantKind::Address, field, value, kDdrStep, program_.ddr_bytes);
  }

  void field_of(std::string_view field, std::int64_t value, bool boolean) {
    if (field.starts_with("wait_")) {
      if (!machine_.serial() && value != 0) add(MutantKind::WaitBit, field, value, 0);
    } else if (one_of(field, {"inaddr", "inaddrA", "inaddrB", "uram_src"})) {
      tail_.source_in_ddr ? move_in_ddr(field, value) : move_in_am(field, value);
    } else if (one_of(field, {"outaddr", "uram_dest"})) {
      tail_.destination_in_ddr ? move_in_ddr(field, value) : move_in_am(field, value);
    } else if (one_of(field, {"ddr_src", "ddr_dest"})) {
      move_in_ddr(field, value);
    } else if (field.starts_with("SRCAM-Buffer_")) {
      if (tail_.tiling) move_in_am(field, value);
    } else if (one_of(field, {"tile_width", "tile_height"})) {
      if (tail_.tiling) tile_size(field, value);
    } else if (!machine_.width_aligned() && is_layout(field)) {
      if (boolean) {
        add(MutantKind::Replication, field, value, 1 - value);
      } else {
        add(MutantKind::Replication, field, value, value + 1);
        if (value > 0) add(MutantKind::Replication, field, value, value - 1);
      }
    } else if (is_geometry(field)) {
      add(MutantKind::Geometry, field, value, boolean ? 1 - value : value + 1);
      if (!boolean && value > 0) add(MutantKind::Geometry, field, value, value - 1);
    }
  }
  static bool is_geometry(std::string_view field) {
    constexpr std::string_view kNames[] = {"kernel_", "strides_",  "padding", "dilation_",
                                           "relu",    "insize_",   "inchan",  "outsize_",
                                           "outchan", "start_row", "end_row", "pool_in"};
    if (field.starts_with("conv_")) field.remove_prefix(5);
    return std::any_of(std::begin(kNames), std::end(kNames),
                       [&](std::string_view name) { return field.starts_with(name); });
  }
  void tile_size(std::string_view field, std::int64_t value) {
    std::set<std::int64_t> sizes = {value + 1, value - 1, 2 * value, value / 2};
    for (const std::int64_t size : sizes) add(MutantKind::TileSize, field, value, size);
  }
  bool is_layout(std::string_view field) const {
    if (field == "concat_i_am_your_father") return unit_ != Unit::Upload;
    if (field.starts_with("concat_")) return tail_.concat_part;
    if (field.starts_with("src_")) return unit_ != Unit::Download;
    if (field.starts_with("dst_")) {
      return unit_ != Unit::Upload && !tail_.concat_part && !tail_.destination_in_ddr;
    }
    return false;
  }

  const Program& program_;
  const Machine& machine_;
  std::mt19937_64& random_;
  std::vector<Mutant> mutants_;
  std::size_t instruction_ = 0;
  Tail tail_;
  Unit unit_ = Unit::Conv;
};

// The fields that say where the result lies, replaced by what they mean.
struct Meaning {
  std::vector<std::int64_t> bytes;  // of each section: first word, words, first byte, last byte
  Instruction rest;
  friend bool operator==(const Meaning&, const Meaning&) = default;
};

Meaning meaning(const Step& step, const Machine& machine) {
  Meaning m{.bytes = {}, .rest = step.instruction};
  for (const AmRegion& r : footprint(step, machine).am_writes) {
    m.bytes.insert(m.bytes.end(), {r.word_begin, r.word_end, r.byte_begin, r.byte_end, r.slice});
  }
  Tail& t = tail(m.rest);
  t.destination = t.concat_volume = {};
  t.concat_part = false;
  t.concat_start = t.concat_channels = 0;
  return m;
}

// What a convolution reads of its source, and where the filters for it are: by step and row of the
// array. Nothing else depends on the layout of the source.
std::vector<std::int64_t> reading(const Step& step, const Machine& machine) {
  const auto* fused = std::get_if<ConvPool>(&step.instruction);
  const xdnn::Conv& conv = fused != nullptr ? fused->conv : std::get<xdnn::Conv>(step.instruction);
  const FilterShape shape = filter_shape(conv);
  std::vector<std::int64_t> numbers = {conv.tail.source.sections(), filter_bytes(shape, machine)};
  for (const Tap& t : array_taps(shape.source, shape.in_channels, shape.kernel_h, shape.kernel_w,
                                 machine.geometry().word_channels())) {
    numbers.insert(numbers.end(), {t.section, t.lane, t.first_channel, t.channels, t.kernel_y,
                                   t.kernel_x, t.step, t.row});
  }
  return numbers;
}

std::int64_t value_of(const Step& step, std::string_view name) {
  std::int64_t found = 0;
  Instruction instruction = step.instruction;
  for_each_member(instruction, [&](std::string_view field, auto& member) {
    if (field == name) found = static_cast<std::int64_t>(member);
  });
  return found;
}

// Why another value of a kernel, a size or the like computes the same; empty: it does not.
std::string same_geometry(const Step& before, const Step& after, const std::string& field,
                          const Machine& machine) {
  const bool of_conv = field.starts_with("conv_");
  const std::string axis = field.substr(field.size() - 2);  // "_w" or "_h"
  const auto was = [&](const std::string& name) { return value_of(before, name); };
  if (field == "conv_outsize_w") return "the vendor's runtime reads it, no unit does";
  if (field.find("dilation") != std::string::npos &&
      was((of_conv ? "conv_kernel" : "kernel") + axis) == 1) {
    return "one tap has nothing to be apart from";
  }
  const std::string results = of_conv ? "pool_insize" : "outsize";
  if (field.find("strides") != std::string::npos && was(results + axis) == 1) {
    return "one result has no next";
  }
  const std::int64_t now = value_of(after, field);
  if (field == "kernel" + axis && std::holds_alternative<Pool>(before.instruction) &&
      was("outsize" + axis) == 1 &&
      std::min(was(field), now) >= was("insize" + axis) + was("paddings" + axis)) {
    return "one window that has all of the map";
  }
  if (field == "paddings" + axis && std::holds_alternative<Pool>(before.instruction) &&
      was("outsize" + axis) == 1 &&
      was("kernel" + axis) >= was("insize" + axis) + std::max(was(field), now)) {
    return "one window that has all of the map";
  }
  if (field.ends_with("size_w") && machine.width_aligned()) {
    const std::int64_t line = machine.geometry().line_pixels;
    if (ceil_div(was(field), line) == ceil_div(now, line)) return "the same lines of words";
  }
  if (field == "outchan" && now == was(field) + 1) {
    return "the channel beyond the last one goes where nothing is read";  // else a hazard
  }
  return "";
}

}  // namespace

std::string_view to_string(MutantKind kind) {
  switch (kind) {
    case MutantKind::WaitBit:
      return "wait bit";
    case MutantKind::Address:
      return "address";
    case MutantKind::TileSize:
      return "tile size";
    case MutantKind::WeightOffset:
      return "weight offset";
    case MutantKind::Replication:
      return "replication";
    case MutantKind::Geometry:
      return "geometry";
  }
  return "";
}

std::vector<Mutant> all_mutants(const Program& program, const Machine& machine,
                                std::mt19937_64& random) {
  return Enumeration(program, machine, random).run();
}

std::string fields_text(Instruction instruction) {
  std::string text;
  for_each_member(instruction, [&](std::string_view field, auto& member) {
    const auto value = static_cast<std::int64_t>(member);
    if (value != 0) text += fmt::format(" {} {}", field, value);
  });
  return text;
}

Program mutated(const Program& program, const Mutant& mutant) {
  Program result = program;
  Step& step = result.steps.at(mutant.instruction);
  if (mutant.field == "filters") {
    step.filter_address = mutant.value;
    return result;
  }
  for_each_member(step.instruction, [&](std::string_view field, auto& member) {
    using Member = std::remove_cvref_t<decltype(member)>;
    if (field == mutant.field) member = static_cast<Member>(mutant.value);
  });
  return result;
}

std::string equivalent(const Program& program, const Mutant& mutant, const Machine& machine) {
  const Program changed = mutated(program, mutant);
  const Step& before = program.steps[mutant.instruction];
  const Step& after = changed.steps[mutant.instruction];
  if (mutant.kind == MutantKind::WaitBit && races(changed, machine).empty()) {
    return "everything is ordered without the bit";
  }
  if (mutant.kind == MutantKind::TileSize && races(changed, machine).empty()) {
    return "the same in other tiles";
  }
  const std::string& text = program.info.instruction_text[mutant.instruction];
  if (text.ends_with("(zeros between images)") && mutant.field.starts_with("inaddr")) {
    return "whatever the operand, times zero";
  }
  if (mutant.kind == MutantKind::Geometry) {
    return same_geometry(before, after, mutant.field, machine);
  }
  // Only sections of one copy: others read more than the first of what is written.
  const auto plain = [](const Step& step) {
    const Tail& t = tail(step.instruction);
    return !(t.concat_part ? t.concat_volume : t.destination).replicated();
  };
  if (mutant.kind == MutantKind::Replication && plain(before) && plain(after) &&
      meaning(before, machine) == meaning(after, machine)) {
    return "the result goes to the same bytes";
  }
  if (mutant.field.starts_with("src_") && unit_of(before.instruction) == Unit::Conv &&
      tail(before.instruction).slice != 0 && reading(before, machine) == reading(after, machine)) {
    return "no tap reads the copy that is gone or new";
  }
  return "";
}

}  // namespace workbench

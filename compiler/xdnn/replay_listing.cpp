#include "compiler/xdnn/replay_listing.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "compiler/xdnn/mapping.h"
#include "compiler/xdnn/replay_fields.h"
#include "core/error.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/well_formed.h"

namespace workbench::xdnn {

void refuse(const Entry& entry, const std::string& what) {
  fail("{}: {} '{}': {}", entry.where, entry.opcode, name_of(entry), what);
}

namespace {

std::string file_of(const Listing& listing) {
  const std::string where = listing.entries.empty() ? "program" : listing.entries[0].where;
  return where.substr(0, where.find(": "));
}

void check_family(const Listing& listing, const Machine& machine) {
  const Family family = machine.family();
  const bool v2 = is_v2(listing.dialect);
  if (v2 ? family == Family::V2 : family == Family::V3 || family == Family::Darius) return;
  fail("{}: expected a program for {} ({}), found one for xDNN {} (dialect {})", file_of(listing),
       machine.name, machine.family_name, v2 ? "V2" : "V3", to_string(listing.dialect));
}

// "conv1#2" is a piece of the layer conv1 (docs/facts/xdnn.md 2.3).
std::string layer_name(const std::string& name) {
  const std::size_t mark = name.rfind('#');
  if (mark == std::string::npos || mark == 0 || mark + 1 == name.size()) return name;
  const bool number = std::all_of(name.begin() + static_cast<std::ptrdiff_t>(mark) + 1, name.end(),
                                  [](char c) { return c >= '0' && c <= '9'; });
  return number ? name.substr(0, mark) : name;
}

Instruction upload(const Entry& entry) {
  const auto value = [&](const char* key) { return number(entry, *entry.find(key)); };
  Scatter scatter{.am_address = value("inaddr"),
                  .width = value("insize"),
                  .height = value("insize"),
                  .channels = value("inchan"),
                  .end_row = value("insize") - 1};
  scatter.tail.destination_from_image_queue = true;
  return scatter;
}

void check_unit(const Entry& entry, const Instruction& instruction, const Machine& machine) {
  const Tail& t = tail(instruction);
  if (t.slice == 0) {
    const std::string obstacle = slice0_obstacle(instruction, machine);
    if (!obstacle.empty()) refuse(entry, "field slice: it cannot run on slice 0: " + obstacle);
  }
  const auto* pool = std::get_if<Pool>(&instruction);
  const bool lone_relu = pool != nullptr && !pool->average && pool->kernel_w == 1 &&
                         pool->kernel_h == 1 && pool->stride_w == 1 && pool->stride_h == 1;
  if (t.pre_relu && !lone_relu) refuse(entry, "field prerelu: expected 0, found 1");
  const auto* sum = std::get_if<Eltwise>(&instruction);
  if (sum != nullptr && (!sum->add || sum->bn || sum->prelu)) {
    refuse(entry, fmt::format("fields add bn prelu: expected 1 0 0, found {} {} {}", int{sum->add},
                              int{sum->bn}, int{sum->prelu}));
  }
  const Conv* conv = conv_in(instruction);
  if (conv != nullptr && conv->transposed && (t.source_in_ddr || t.destination_in_ddr)) {
    refuse(entry, "fields srcAddDDR dstAddDDR: a tiled deconvolution is not replayed");
  }
  if (std::holds_alternative<Upsample>(instruction) && (t.source_in_ddr || t.destination_in_ddr)) {
    refuse(entry, "fields srcAddDDR dstAddDDR: a tiled upsampling is not replayed");
  }
  if (machine.width_aligned() && (t.source_in_ddr || t.destination_in_ddr)) {
    refuse(entry, fmt::format("field HAT: {} has no tiles", machine.name));
  }
}

// Channels that a layout has room for.
std::int64_t room(const ChannelLayout& layout, const Machine& machine) {
  return layout.full * machine.geometry().word_channels() +
         layout.repl_sections * layout.repl_width;
}

void check_layout(const Entry& entry, const char* which, const ChannelLayout& layout,
                  std::int64_t channels, const Machine& machine) {
  const std::int64_t word = machine.geometry().word_channels();
  if (layout.replicated() && layout.repl_units * layout.repl_width > word) {
    refuse(entry, fmt::format("{} copies of {} channels do not fit in a word of {}",
                              layout.repl_units, layout.repl_width, word));
  }
  if (room(layout, machine) < channels) {
    refuse(entry, fmt::format("the {} layout holds {} channels, found {}", which,
                              room(layout, machine), channels));
  }
}

void check_in_am(const Entry& entry, const AmTensor& tensor, const Machine& machine) {
  const std::int64_t end = tensor.address + am_words(tensor, machine.geometry());
  if (end <= machine.am_words()) return;
  refuse(entry, fmt::format("AM word {:#x} is outside: {} has {:#x} words", end - 1, machine.name,
                            machine.am_words()));
}

// More steps than the filter buffers take in the mode of the instruction.
void check_filters(const Entry& entry, const Conv& conv, const Machine& machine) {
  const std::int64_t steps = array_steps(filter_shape(conv), machine);
  const FilterMode mode = filter_mode(steps, machine);
  if (mode.possible && (!mode.half_rate || conv.tail.half_rate)) return;
  refuse(entry, fmt::format("{} array steps per pixel do not fit the filter buffers of {}{}", steps,
                            machine.name, conv.tail.half_rate ? "" : " at full rate"));
}

void check_limits(const Entry& entry, const Instruction& instruction, const Machine& machine) {
  const Machine::Limits& limits = machine.limits;
  const Layer layer = layer_of(instruction);
  for (const Extent& map : {layer.in, layer.middle, layer.out}) {
    const std::int64_t side = std::max(map.height, map.width);
    if (side > limits.side_max || map.channels > limits.channels_max) {
      refuse(entry, fmt::format("a map {}x{}x{}: {} has sides up to {} and {} channels",
                                map.channels, map.height, map.width, machine.name, limits.side_max,
                                limits.channels_max));
    }
  }
  for (const Window* window : {&layer.window, &layer.pool}) {
    const std::int64_t kernel = std::max(window->kernel[0], window->kernel[1]);
    if (kernel > limits.kernel_max) {
      refuse(entry, fmt::format("a kernel {}x{}: {} has kernels up to {}", window->kernel[1],
                                window->kernel[0], machine.name, limits.kernel_max));
    }
  }
}

// Nothing behind needs more memory than the machine has.
void check_memory(const Entry& entry, const Instruction& instruction, const Machine& card) {
  const Tail& t = tail(instruction);
  const MachineOfSlice own(card, t.slice);
  const Machine& machine = own.get();
  const Unit unit = unit_of(instruction);
  if (unit != Unit::Download && unit != Unit::Upload) check_limits(entry, instruction, card);
  const Operands at = am_operands({.instruction = instruction}, machine);
  const Conv* conv = conv_in(instruction);
  if (!machine.width_aligned()) {
    for (const AmTensor& source : at.sources) {
      check_layout(entry, "source", t.source, source.channels, machine);
    }
    for (const AmTensor& result : at.results) {
      check_layout(entry, "result", t.concat_part ? t.concat_volume : t.destination,
                   result.channels, machine);
    }
    if (conv != nullptr) check_layout(entry, "source", t.source, conv->in_ch, machine);
  }
  // A sum of row pieces is printed with the height of the whole map (docs/facts/xdnn.md 2.3).
  const bool pieces = machine.width_aligned() && std::holds_alternative<Eltwise>(instruction);
  for (const auto* list : {&at.sources, &at.results}) {
    for (const AmTensor& tensor : *list) {
      if (!pieces) check_in_am(entry, tensor, machine);
    }
  }
  if (conv != nullptr) check_filters(entry, *conv, machine);
}

void normalise(const Entry& entry, Instruction& instruction, const Listing& listing,
               const Machine& machine) {
  Tail& t = tail(instruction);
  for (ChannelLayout* layout : {&t.source, &t.destination, &t.concat_volume}) {
    // The vendor's tools leave a unit width behind where there are no copies.
    if (!layout->replicated()) layout->repl_units = layout->repl_width = 0;
  }
  if (is_v2(listing.dialect)) t.slice = 1;  // V2 has but one, and numbers it 0 or not at all
  const Unit unit = unit_of(instruction);
  if (unit == Unit::Download || unit == Unit::Upload) {  // no tiles, whatever its flags
    t.source_in_ddr = t.destination_in_ddr = false;
  }
  auto* scatter = std::get_if<Scatter>(&instruction);
  if (scatter != nullptr && t.source.sections() == 0) {  // of an upload, which names no layout
    if (entry.find("full_sect_num") != nullptr) {
      refuse(entry, fmt::format("fields full_sect_num and repl_sect_num: expected the sections of "
                                "{} channels, found none",
                                scatter->channels));
    }
    t.source = plain_layout(scatter->channels, machine.geometry());
  }
}

}  // namespace

std::vector<ListedStep> listed_steps(const Listing& listing, const Machine& machine) {
  check_family(listing, machine);
  std::vector<ListedStep> steps;
  for (const Entry& entry : listing.entries) {
    if (!executed(entry)) continue;
    ListedStep step{&entry, entry.opcode == "XNUpload" ? upload(entry) : instruction_from(entry),
                    layer_name(name_of(entry))};
    const std::int64_t slice = tail(step.instruction).slice;
    if (slice != 0 && slice != 1) refuse(entry, fmt::format("field slice: no slice {}", slice));
    normalise(entry, step.instruction, listing, machine);
    check_unit(entry, step.instruction, machine);
    check_fields_without_effect(entry, step.instruction, machine);
    check_memory(entry, step.instruction, machine);
    steps.push_back(std::move(step));
  }
  return steps;
}

namespace {

// Name and address of each entry of a list that the file has, as `inputs` and `outputs` are.
std::vector<std::pair<std::string, std::int64_t>> named_addresses(const Listing& listing,
                                                                  const std::string& list,
                                                                  const std::string& what) {
  std::vector<std::pair<std::string, std::int64_t>> found;
  for (const Attribute& a : listing.attributes) {
    if (a.key != list) continue;
    const auto entries = nlohmann::json::parse(a.json);
    if (!entries.is_array()) continue;
    for (const auto& entry : entries) {
      if (!entry.is_object()) continue;
      const auto at = entry.find(what + "_address"), name = entry.find(what + "_name");
      const bool known =
          at != entry.end() && name != entry.end() && at->is_number_integer() && name->is_string();
      if (known) found.emplace_back(name->get<std::string>(), at->get<std::int64_t>());
    }
  }
  return found;
}

}  // namespace

std::vector<std::pair<std::string, std::int64_t>> listed_inputs(const Listing& listing) {
  return named_addresses(listing, "inputs", "input");
}

std::vector<std::pair<std::string, std::int64_t>> listed_outputs(const Listing& listing) {
  return named_addresses(listing, "outputs", "output");
}

std::string listed_input(const Listing& listing, std::int64_t address) {
  for (const auto& [name, at] : listed_inputs(listing)) {
    if (at == address) return name;
  }
  return "";
}

std::map<std::string, std::string> left_to_host(const Listing& listing) {
  std::map<std::string, std::string> left;
  for (const Attribute& a : listing.attributes) {
    if (a.key != "unsupported") continue;
    const auto unsupported = nlohmann::json::parse(a.json);
    const auto list = unsupported.is_object() ? unsupported.find("list") : unsupported.end();
    if (list == unsupported.end() || !list->is_object()) continue;
    for (const auto& [name, why] : list->items()) {
      const bool says = why.is_array() && why.size() > 1 && why[1].is_string();
      left[name] = says ? why[1].get<std::string>() : "the program leaves it to the host";
    }
  }
  return left;
}

std::map<std::string, std::int32_t> turns_of_host(const Listing& listing) {
  std::map<std::string, std::int32_t> turns;
  const std::int64_t count = std::ranges::count_if(listing.entries, executed);
  for (const Attribute& a : listing.attributes) {
    if (a.key != "host_turns") continue;
    const auto list = nlohmann::json::parse(a.json);
    for (const auto& turn : list.is_array() ? list : nlohmann::json::array()) {
      const auto before = turn.is_object() ? turn.find("before") : turn.end();
      const auto nodes = turn.is_object() ? turn.find("nodes") : turn.end();
      const bool whole = turn.is_object() && before != turn.end() && nodes != turn.end() &&
                         before->is_number_integer() && nodes->is_array();
      if (!whole || before->get<std::int64_t>() < 0 || before->get<std::int64_t>() > count) {
        fail(
            "{}: host_turns: expected \"before\", one of {} instructions or their end, and "
            "\"nodes\", found {}",
            file_of(listing), count, turn.dump());
      }
      for (const auto& node : *nodes) {
        if (node.is_string()) turns[node.get<std::string>()] = before->get<std::int32_t>();
      }
    }
  }
  return turns;
}

const Conv* conv_in(const Instruction& instruction) {
  if (const auto* fused = std::get_if<ConvPool>(&instruction)) return &fused->conv;
  return std::get_if<Conv>(&instruction);
}

Conv* conv_in(Instruction& instruction) {
  if (auto* fused = std::get_if<ConvPool>(&instruction)) return &fused->conv;
  return std::get_if<Conv>(&instruction);
}

}  // namespace workbench::xdnn

#include "sim/xdnn/hazards.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/error.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

HazardMonitor::HazardMonitor(const Program& program, const Machine& machine)
    : program_(program),
      machine_(machine),
      slice0_(machine, 0),
      am_written_(static_cast<std::size_t>(machine.am_words() * machine.word_bytes())),
      am_volume_(static_cast<std::size_t>(machine.am_words() * machine.word_bytes())),
      volume_channels_(program.memory_map.size(), 0),
      races_(races(program, machine)) {
  host_wrote(0, static_cast<std::int64_t>(program.constants.size()));
}

const std::string& HazardMonitor::layer(std::int32_t instruction) const {
  const auto index = program_.info.instruction_layer.at(static_cast<std::size_t>(instruction));
  return program_.info.layers.at(static_cast<std::size_t>(index)).name;
}

void HazardMonitor::raise(Hazard::Kind kind, std::int32_t instruction, std::int32_t other,
                          MemorySpace space, std::int64_t address, std::int64_t time) {
  Hazard hazard{.kind = kind,
                .instruction = instruction,
                .other_instruction = other,
                .layer = layer(instruction),
                .address = address,
                .space = std::string(to_string(space)),
                .time = {time}};
  if (other >= 0) hazard.other_layer = layer(other);
  hazards_.push_back(std::move(hazard));
}

namespace {

// From one buffer of the memory (MathEngine) into the next: there are no words in between.
bool leaves_buffer(const AmRegion& r, const Machine& machine) {
  if (machine.am.buffers == 0 || r.word_begin == r.word_end) return false;
  const std::int64_t words = machine.am_words() / machine.am.buffers;
  return r.word_begin / words != (r.word_end - 1) / words;
}

bool inside_memory(const AmRegion& r, const Machine& machine) {
  return r.word_begin >= 0 && r.word_begin <= r.word_end && r.word_end <= machine.am_words() &&
         r.byte_begin >= 0 && r.byte_end <= machine.word_bytes() && !leaves_buffer(r, machine);
}

}  // namespace

bool HazardMonitor::in_range(std::int32_t instruction, const Footprint& f, std::int64_t time) {
  const std::int64_t ddr = program_.ddr_bytes;
  for (const auto* list : {&f.am_reads, &f.am_writes}) {
    for (const AmRegion& r : *list) {
      if (!inside_memory(r, r.slice == 0 ? slice0_.get() : machine_)) {
        raise(Hazard::Kind::OutOfRange, instruction, -1, MemorySpace::Am,
              r.word_begin < 0 ? r.word_begin : r.word_end - 1, time);
        return false;
      }
    }
  }
  for (const auto* list : {&f.ddr_reads, &f.ddr_writes}) {
    for (const DdrRegion& r : *list) {
      if (r.begin < 0 || r.begin > r.end || r.end > ddr) {
        raise(Hazard::Kind::OutOfRange, instruction, -1, MemorySpace::Ddr,
              r.begin < 0 ? r.begin : r.end - 1, time);
        return false;
      }
    }
  }
  return true;
}

void HazardMonitor::check_written(std::int32_t instruction, const Footprint& f, std::int64_t time) {
  const std::int64_t word_bytes = machine_.word_bytes();
  for (const AmRegion& r : f.am_reads) {
    const auto bytes = static_cast<std::size_t>(r.byte_end - r.byte_begin);
    for (std::int64_t word = r.word_begin; word < r.word_end; ++word) {
      const std::uint8_t* written = am_written_.data() + word * word_bytes + r.byte_begin;
      if (std::memchr(written, 0, bytes) == nullptr) continue;
      raise(Hazard::Kind::UninitializedRead, instruction, -1, MemorySpace::Am, word, time);
      return;  // one report per instruction
    }
  }
  for (const DdrRegion& r : f.ddr_reads) {
    const bool written = std::any_of(
        ddr_written_.begin(), ddr_written_.end(),
        [&](const DdrRegion& known) { return known.begin <= r.begin && r.end <= known.end; });
    if (!written) {
      raise(Hazard::Kind::UninitializedRead, instruction, -1, MemorySpace::Ddr, r.begin, time);
      return;
    }
  }
}

namespace {

std::int64_t first_address(const AmRegion& a, const AmRegion& b) {
  return std::max(a.word_begin, b.word_begin);
}
std::int64_t first_address(const DdrRegion& a, const DdrRegion& b) {
  return std::max(a.begin, b.begin);
}
MemorySpace space_of(const AmRegion&) { return MemorySpace::Am; }
MemorySpace space_of(const DdrRegion&) { return MemorySpace::Ddr; }

}  // namespace

template <typename Region>
void HazardMonitor::check_pair(const Flight& earlier, const Flight& later,
                               const std::vector<Region>& first, const std::vector<Region>& second,
                               Hazard::Kind kind, std::int64_t time) {
  for (const Region& a : first) {
    for (const Region& b : second) {
      if (!overlap(a, b)) continue;
      raise(kind, later.instruction, earlier.instruction, space_of(a), first_address(a, b), time);
      return;
    }
  }
}

void HazardMonitor::check_flights(const Flight& later, std::int64_t time) {
  const Unit unit =
      unit_of(program_.steps[static_cast<std::size_t>(later.instruction)].instruction);
  for (const Flight& earlier : flights_) {
    if (earlier.instruction == later.instruction) continue;
    const Unit other =
        unit_of(program_.steps[static_cast<std::size_t>(earlier.instruction)].instruction);
    if (earlier.writing) {
      check_pair(earlier, later, earlier.am_writes, later.am_reads, Hazard::Kind::ReadAfterWrite,
                 time);
      check_pair(earlier, later, earlier.ddr_writes, later.ddr_reads, Hazard::Kind::ReadAfterWrite,
                 time);
      // One unit's results leave its pipeline in order: the later one stays the last.
      if (unit != other) {
        check_pair(earlier, later, earlier.am_writes, later.am_writes,
                   Hazard::Kind::WriteAfterWrite, time);
        check_pair(earlier, later, earlier.ddr_writes, later.ddr_writes,
                   Hazard::Kind::WriteAfterWrite, time);
      }
    }
    if (earlier.reading) {
      check_pair(earlier, later, earlier.am_reads, later.am_writes, Hazard::Kind::WriteAfterRead,
                 time);
      check_pair(earlier, later, earlier.ddr_reads, later.ddr_writes, Hazard::Kind::WriteAfterRead,
                 time);
    }
  }
}

// Actual overlaps have been reported in more detail.
void HazardMonitor::check_races(std::int32_t instruction, std::int64_t time) {
  const auto first = std::lower_bound(
      races_.begin(), races_.end(), instruction,
      [](const Race& race, std::int32_t number) { return race.instruction < number; });
  for (auto race = first; race != races_.end() && race->instruction == instruction; ++race) {
    const bool told = std::any_of(hazards_.begin(), hazards_.end(), [&](const Hazard& h) {
      return h.instruction == instruction && h.other_instruction == race->other;
    });
    if (told) continue;
    raise(Hazard::Kind::Unsynchronized, instruction, race->other, race->space, race->address, time);
  }
}

void HazardMonitor::begin_tiles(std::int32_t instruction, std::int64_t time) {
  const Step& step = program_.steps[static_cast<std::size_t>(instruction)];
  const Footprint f = footprint(step, machine_);
  // The buffers are filled from here on.
  const auto buffers = static_cast<std::ptrdiff_t>(f.tile_regions);
  Flight flight{instruction, false, true, {}, {f.am_writes.end() - buffers, f.am_writes.end()},
                {},          {}};
  for (const AmRegion& r : flight.am_writes) {
    if (!inside_memory(r, r.slice == 0 ? slice0_.get() : machine_)) return;  // reported by begin()
  }
  check_live(instruction, flight.am_writes, true, time);
  check_buffers(instruction, flight.am_writes, time);
  check_flights(flight, time);
  flights_.push_back(std::move(flight));
}

bool HazardMonitor::begin(std::int32_t instruction, std::int64_t time) {
  const Step& step = program_.steps[static_cast<std::size_t>(instruction)];
  if (const auto address = misaligned_address(step, machine_)) {
    raise(Hazard::Kind::OutOfRange, instruction, -1, MemorySpace::Am, *address, time);
    return false;
  }
  const Footprint f = footprint(step, machine_);
  if (!in_range(instruction, f, time)) return false;
  check_written(instruction, f, time);
  check_reads(instruction, f, time);
  // Tile buffers, the last regions, were checked by begin_tiles().
  const auto scratch = static_cast<std::ptrdiff_t>(f.tile_regions);
  const std::vector<AmRegion> results(f.am_writes.begin(), f.am_writes.end() - scratch);
  if (check_live(instruction, results, false, time)) check_results(instruction, results, time);
  check_concat(instruction, time);
  check_ddr(instruction, f, time);
  Flight flight{instruction, true, true, f.am_reads, f.am_writes, f.ddr_reads, f.ddr_writes};
  check_flights(flight, time);
  check_races(instruction, time);
  flights_.push_back(std::move(flight));
  return true;
}

void HazardMonitor::reads_done(std::int32_t instruction) {
  for (Flight& flight : flights_) {
    if (flight.instruction == instruction) flight.reading = false;
  }
}

void HazardMonitor::end(std::int32_t instruction) {
  for (const Flight& flight : flights_) {
    if (flight.instruction != instruction) continue;
    for (const AmRegion& r : flight.am_writes) {
      if (r.slice == 0) continue;  // tiles, which only their own instruction reads
      mark_written(instruction, r);
    }
    for (const DdrRegion& r : flight.ddr_writes) host_wrote(r.begin, r.end);
  }
  std::erase_if(flights_, [&](const Flight& f) { return f.instruction == instruction; });
}

void HazardMonitor::host_wrote(std::int64_t begin, std::int64_t end) {
  if (begin < end) ddr_written_.push_back({begin, end});
}

void HazardMonitor::channel_off(std::int32_t instruction, std::int64_t time) {
  const Step& step = program_.steps[static_cast<std::size_t>(instruction)];
  raise(Hazard::Kind::ChannelOff, instruction, -1, MemorySpace::Ddr, step.filter_address, time);
}

void HazardMonitor::deadlock(std::int32_t instruction, std::int64_t time) {
  raise(Hazard::Kind::Deadlock, instruction, -1, MemorySpace::Am, 0, time);
}

// --- the memory map ------------------------------------------------------------------------------

// HazardMonitor's checks against the memory map: which tensor each word is meant for, and which one
// it holds. Programs without a map (made by hand) are not checked here.

namespace {

bool inside(const AmRegion& r, const Volume& v) {
  return v.address <= r.word_begin && r.word_end <= v.address + v.words;
}
bool alive(const Volume& v, std::int32_t instruction) {
  return v.first <= instruction && instruction <= v.last;
}

}  // namespace

// A result belongs inside one volume of the memory map; scratch (tile buffers) inside none. What it
// touches of any other volume alive at that instruction belongs to another instruction.
bool HazardMonitor::check_live(std::int32_t instruction, const std::vector<AmRegion>& writes,
                               bool scratch, std::int64_t time) {
  for (const AmRegion& r : writes) {
    if (r.slice == 0) continue;  // the map is that of the main array's memory
    for (const Volume& v : program_.memory_map) {
      if (!alive(v, instruction)) continue;
      const bool touches = r.word_begin < v.address + v.words && v.address < r.word_end;
      if (!touches || (inside(r, v) && !scratch)) continue;
      raise(Hazard::Kind::LiveOverwrite, instruction, -1, MemorySpace::Am,
            std::max(r.word_begin, v.address), time);
      return false;
    }
  }
  return true;
}

// Where an operand and the result of an in-place instruction share words, the result's: it begins
// later.
std::int32_t HazardMonitor::volume_of(std::int32_t instruction, const AmRegion& region) const {
  std::int32_t found = -1;
  for (std::size_t i = 0; i < program_.memory_map.size(); ++i) {
    const Volume& v = program_.memory_map[i];
    if (!alive(v, instruction) || !inside(region, v)) continue;
    const bool later =
        found < 0 || v.first > program_.memory_map[static_cast<std::size_t>(found)].first;
    if (later) found = static_cast<std::int32_t>(i);
  }
  return found;
}

bool HazardMonitor::holds(std::int32_t volume, const AmRegion& r) const {
  for (std::int64_t word = r.word_begin; word < r.word_end; ++word) {
    const std::int32_t* const bytes = am_volume_.data() + word * machine_.word_bytes();
    const bool all = std::all_of(bytes + r.byte_begin, bytes + r.byte_end,
                                 [&](std::int32_t held) { return held == volume + 1; });
    if (!all) return false;
  }
  return true;
}

// An operand is (part of) one tensor alive, and its bytes hold that one: none has written over
// it, and what was there before has been. Other bytes of its words may be a later tensor's already:
// parts of a concat are written beside what is still being read.
void HazardMonitor::check_reads(std::int32_t instruction, const Footprint& f, std::int64_t time) {
  if (program_.memory_map.empty()) return;
  for (const AmRegion& r : f.am_reads) {
    if (r.word_begin >= r.word_end || r.byte_begin >= r.byte_end) continue;
    const std::int64_t first = r.word_begin * machine_.word_bytes() + r.byte_begin;
    const std::int32_t held = am_volume_.data()[first] - 1;
    const bool good =
        held >= 0 && alive(program_.memory_map[static_cast<std::size_t>(held)], instruction) &&
        inside(r, program_.memory_map[static_cast<std::size_t>(held)]) && holds(held, r);
    if (good) continue;
    raise(Hazard::Kind::Stray, instruction, -1, MemorySpace::Am, r.word_begin, time);
    return;
  }
}

void HazardMonitor::check_results(std::int32_t instruction, const std::vector<AmRegion>& writes,
                                  std::int64_t time) {
  if (program_.memory_map.empty()) return;
  for (const AmRegion& r : writes) {
    if (r.slice == 0 || r.word_begin >= r.word_end || volume_of(instruction, r) >= 0) continue;
    raise(Hazard::Kind::Stray, instruction, -1, MemorySpace::Am, r.word_begin, time);
    return;
  }
}

namespace {

// The result is whole rows of the section of the volume that the tail says.
bool rows_of_section(const AmTensor& result, const Tail& t, const Volume& volume,
                     const Machine& machine) {
  const std::int64_t words = result.height * result.width;
  const std::int64_t sections = t.concat_volume.sections();
  if (words < 1 || sections < 1 || am_words(result, machine.geometry()) != words) return false;
  const std::int64_t section = volume.words / sections;
  const std::int64_t first = result.address - volume.address -
                             t.concat_start / machine.geometry().word_channels() * section;
  return first >= 0 && first % result.width == 0 && first + words <= section;
}

}  // namespace

// docs/facts/xdnn.md 1.4: channel s of a concat volume lies in its section s / word_bytes. All that
// write to a volume, parts or not, agree on how many channels it has.
void HazardMonitor::check_concat(std::int32_t instruction, std::int64_t time) {
  const Step& step = program_.steps[static_cast<std::size_t>(instruction)];
  const Tail& t = tail(step.instruction);
  if (t.slice == 0 || machine_.width_aligned() || program_.memory_map.empty()) return;
  const Operands operands = am_operands(step, machine_);
  if (operands.results.empty()) return;
  const AmTensor& result = operands.results[0];
  const std::int64_t words = am_words(result, machine_.geometry());
  const std::int32_t number =
      volume_of(instruction, {result.address, result.address + words, 0, 1, 1});
  if (number < 0) return;  // reported already
  const Volume& volume = program_.memory_map[static_cast<std::size_t>(number)];
  std::int64_t& known = volume_channels_[static_cast<std::size_t>(number)];
  const std::int64_t channels = t.concat_part ? t.concat_channels : result.channels;
  bool agrees = known == 0 || known == channels;
  if (t.concat_part) {
    agrees = agrees &&
             (volume.address == result.address - machine_.geometry().word_of_channel(
                                                     t.concat_start, result.height, result.width) ||
              rows_of_section(result, t, volume, machine_));
  }
  known = channels;
  if (agrees) return;
  raise(Hazard::Kind::Inconsistent, instruction, -1, MemorySpace::Am, result.address, time);
}

// Filters come from the constants, every other access is within one tensor.
void HazardMonitor::check_ddr(std::int32_t instruction, const Footprint& f, std::int64_t time) {
  if (program_.ddr_tensors.empty()) return;
  const Instruction& op = program_.steps[static_cast<std::size_t>(instruction)].instruction;
  const auto constants = static_cast<std::int64_t>(program_.constants.size());
  const auto in_tensor = [&](const DdrRegion& r) {
    return std::any_of(program_.ddr_tensors.begin(), program_.ddr_tensors.end(),
                       [&](const DdrTensor& t) {
                         const std::int64_t bytes =
                             ddr_tensor_bytes(t.channels, t.height, t.width, machine_.geometry());
                         return t.address <= r.begin && r.end <= t.address + bytes;
                       });
  };
  for (const auto* list : {&f.ddr_reads, &f.ddr_writes}) {
    for (const DdrRegion& r : *list) {
      // footprint.cpp: a convolution's filters are the first that it reads.
      const bool filters = unit_of(op) == Unit::Conv && list == &f.ddr_reads && &r == list->data();
      if (filters ? r.end <= constants : in_tensor(r)) continue;
      raise(Hazard::Kind::Stray, instruction, -1, MemorySpace::Ddr, r.begin, time);
      return;
    }
  }
}

// The two tile buffers are as large as the tiles, and where the program has kept room for them.
void HazardMonitor::check_buffers(std::int32_t instruction, const std::vector<AmRegion>& buffers,
                                  std::int64_t time) {
  std::vector<const Volume*> room;
  for (const Volume& v : program_.scratch) {
    if (alive(v, instruction)) room.push_back(&v);
  }
  if (program_.scratch.empty()) return;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const AmRegion& r = buffers[i];
    const bool fits = i < room.size() && room[i]->address == r.word_begin &&
                      room[i]->words == r.word_end - r.word_begin;
    if (fits) continue;
    raise(Hazard::Kind::Stray, instruction, -1, MemorySpace::Am, r.word_begin, time);
    return;
  }
}

// A byte that a tensor writes is no other tensor's any more. A write outside every tensor is
// reported once, and its readers are not.
void HazardMonitor::mark_written(std::int32_t instruction, const AmRegion& r) {
  const std::int32_t volume = volume_of(instruction, r);
  for (std::int64_t word = r.word_begin; word < r.word_end; ++word) {
    const std::int64_t begin = word * machine_.word_bytes() + r.byte_begin;
    const std::int64_t bytes = r.byte_end - r.byte_begin;
    if (volume >= 0) std::fill_n(am_volume_.data() + begin, bytes, volume + 1);
    std::fill_n(am_written_.data() + begin, bytes, std::uint8_t{1});
  }
}

}  // namespace workbench::xdnn

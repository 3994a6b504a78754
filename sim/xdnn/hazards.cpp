#include "sim/xdnn/hazards.h"

#include <algorithm>
#include <cstring>

// HazardMonitor::check_* that compare with the memory map are in memory_map_checks.cpp.
namespace workbench::xdnn {

HazardMonitor::HazardMonitor(const Program& program, const Machine& machine)
    : program_(program),
      machine_(machine),
      slice0_(machine, 0),
      am_written_(static_cast<std::size_t>(machine.am_words() * machine.word_bytes()), 0),
      am_volume_(static_cast<std::size_t>(machine.am_words()), -1),
      volume_channels_(program.memory_map.size(), 0),
      races_(races(program, machine)) {
  host_wrote(0, static_cast<std::int64_t>(program.constants.size()));
}

const std::string& HazardMonitor::layer(std::int32_t instruction) const {
  const auto index = program_.info.instruction_layer.at(static_cast<std::size_t>(instruction));
  return program_.info.layers.at(static_cast<std::size_t>(index)).name;
}

void HazardMonitor::raise(Hazard::Kind kind, std::int32_t instruction, std::int32_t other,
                          const char* space, std::int64_t address, std::int64_t time) {
  Hazard hazard{.kind = kind,
                .instruction = instruction,
                .other_instruction = other,
                .layer = layer(instruction),
                .address = address,
                .space = space,
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
        raise(Hazard::Kind::OutOfRange, instruction, -1, "AM",
              r.word_begin < 0 ? r.word_begin : r.word_end - 1, time);
        return false;
      }
    }
  }
  for (const auto* list : {&f.ddr_reads, &f.ddr_writes}) {
    for (const DdrRegion& r : *list) {
      if (r.begin < 0 || r.begin > r.end || r.end > ddr) {
        raise(Hazard::Kind::OutOfRange, instruction, -1, "DDR", r.begin < 0 ? r.begin : r.end - 1,
              time);
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
      raise(Hazard::Kind::UninitializedRead, instruction, -1, "AM", word, time);
      return;  // one report per instruction says enough
    }
  }
  for (const DdrRegion& r : f.ddr_reads) {
    const bool written = std::any_of(
        ddr_written_.begin(), ddr_written_.end(),
        [&](const DdrRegion& known) { return known.begin <= r.begin && r.end <= known.end; });
    if (!written) {
      raise(Hazard::Kind::UninitializedRead, instruction, -1, "DDR", r.begin, time);
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
const char* space_of(const AmRegion&) { return "AM"; }
const char* space_of(const DdrRegion&) { return "DDR"; }

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

// What really overlapped has been told already, and better.
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
  // The two buffers are the last regions written (footprint.cpp); they are filled from here on.
  Flight flight{instruction, false, true, {}, {f.am_writes.end() - 2, f.am_writes.end()}, {}, {}};
  for (const AmRegion& r : flight.am_writes) {
    if (!inside_memory(r, r.slice == 0 ? slice0_.get() : machine_)) return;  // begin() tells
  }
  check_live(instruction, flight.am_writes, true, time);
  check_buffers(instruction, flight.am_writes, time);
  check_flights(flight, time);
  flights_.push_back(std::move(flight));
}

bool HazardMonitor::begin(std::int32_t instruction, std::int64_t time) {
  const Step& step = program_.steps[static_cast<std::size_t>(instruction)];
  if (const auto address = misaligned_address(step, machine_)) {
    raise(Hazard::Kind::OutOfRange, instruction, -1, "AM", *address, time);
    return false;
  }
  const Footprint f = footprint(step, machine_);
  if (!in_range(instruction, f, time)) return false;
  check_written(instruction, f, time);
  check_reads(instruction, f, time);
  // Tile buffers, the last two regions, were checked by begin_tiles().
  const std::ptrdiff_t scratch = tail(step.instruction).source_in_ddr ? 2 : 0;
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
      if (r.slice == 0) continue;  // tiles, which nobody but their own instruction reads
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
  raise(Hazard::Kind::ChannelOff, instruction, -1, "DDR", step.filter_address, time);
}

void HazardMonitor::deadlock(std::int32_t instruction, std::int64_t time) {
  raise(Hazard::Kind::Deadlock, instruction, -1, "AM", 0, time);
}

}  // namespace workbench::xdnn

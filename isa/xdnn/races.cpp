#include "isa/xdnn/races.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/error.h"
#include "isa/xdnn/footprint.h"

namespace workbench::xdnn {

std::string_view to_string(MemorySpace space) {
  switch (space) {
    case MemorySpace::Am:
      return "AM";
    case MemorySpace::Ddr:
      return "DDR";
  }
  CHECK(false, "space {}", static_cast<int>(space));
}

namespace {

std::optional<std::int64_t> shared(const std::vector<AmRegion>& a, const std::vector<AmRegion>& b) {
  for (const AmRegion& x : a) {
    for (const AmRegion& y : b) {
      if (overlap(x, y)) return std::max(x.word_begin, y.word_begin);
    }
  }
  return std::nullopt;
}
std::optional<std::int64_t> shared(const std::vector<DdrRegion>& a,
                                   const std::vector<DdrRegion>& b) {
  for (const DdrRegion& x : a) {
    for (const DdrRegion& y : b) {
      if (overlap(x, y)) return std::max(x.begin, y.begin);
    }
  }
  return std::nullopt;
}

Race race_at(std::int32_t instruction, const Footprint& later, std::int32_t other,
             const Footprint& earlier) {
  for (const auto& word :
       {shared(earlier.am_writes, later.am_reads), shared(earlier.am_reads, later.am_writes),
        shared(earlier.am_writes, later.am_writes)}) {
    if (word) return {instruction, other, MemorySpace::Am, *word};
  }
  for (const auto& byte :
       {shared(earlier.ddr_writes, later.ddr_reads), shared(earlier.ddr_reads, later.ddr_writes),
        shared(earlier.ddr_writes, later.ddr_writes)}) {
    if (byte) return {instruction, other, MemorySpace::Ddr, *byte};
  }
  return {instruction, other, MemorySpace::Am, 0};
}

// What one dispatcher has handed out.
class Dispatched {
 public:
  Dispatched(const Program& program, const std::vector<Footprint>& footprints)
      : program_(program), footprints_(footprints) {}

  void synchronise() {
    for (auto& unit : open_) unit.clear();
  }

  void dispatch(std::int32_t number, std::vector<Race>& found) {
    const Instruction& instruction = program_.steps[static_cast<std::size_t>(number)].instruction;
    const Footprint& touched = footprints_[static_cast<std::size_t>(number)];
    for (int u = 0; u < kUnits; ++u) {
      auto& unfinished = open_[static_cast<std::size_t>(u)];
      if (waits_for(tail(instruction), static_cast<Unit>(u))) unfinished.clear();
      for (const std::int32_t earlier : unfinished) {
        const Footprint& before = footprints_[static_cast<std::size_t>(earlier)];
        if (!must_wait(before, static_cast<Unit>(u), touched, instruction)) continue;
        found.push_back(race_at(number, touched, earlier, before));
        break;
      }
    }
    open_[static_cast<std::size_t>(unit_of(instruction))].push_back(number);
  }

 private:
  const Program& program_;
  const std::vector<Footprint>& footprints_;
  std::array<std::vector<std::int32_t>, kUnits> open_;  // per unit: maybe unfinished
};

}  // namespace

std::vector<Race> races(const Program& program, const Machine& machine) {
  std::vector<Race> found;
  if (machine.serial()) return found;
  std::vector<Footprint> footprints;
  for (const Step& step : program.steps) footprints.push_back(footprint(step, machine));
  std::array<Dispatched, 2> slices = {Dispatched(program, footprints),
                                      Dispatched(program, footprints)};
  std::size_t next_host_step = 0;
  const auto& host = program.host_steps;
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(program.steps.size()); ++i) {
    while (next_host_step < host.size() && host[next_host_step].before <= i) {
      for (Dispatched& slice : slices) slice.synchronise();
      ++next_host_step;
    }
    const bool first = tail(program.steps[static_cast<std::size_t>(i)].instruction).slice == 0;
    slices[first ? 0 : 1].dispatch(i, found);
  }
  return found;
}

}  // namespace workbench::xdnn

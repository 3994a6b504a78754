#include "sim/pulp/hazards.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/error.h"
#include "isa/pulp/kernels.h"
#include "isa/pulp/mchan.h"

namespace workbench::pulp {

namespace {

std::size_t index(Space space) { return static_cast<std::size_t>(space); }

bool meet(const Box& a, const Box& b) { return a.begin < b.end && b.begin < a.end; }
bool meet(const Boxes& a, const Boxes& b) {
  for (std::size_t s = 0; s < kSpaces; ++s) {
    if (meet(a[s], b[s])) return true;
  }
  return false;
}

const Region* first_met(const std::vector<Region>& earlier, const std::vector<Region>& later) {
  for (const Region& region : later) {
    for (const Region& other : earlier) {
      if (overlap(region, other)) return &region;
    }
  }
  return nullptr;
}

// Where a kernel's results alias its operands. Element-wise kernels may work in place,
// MaxPool does (docs/facts/pulp.md 2.4); the core that reads a partial sum replaces it.
const Region* self_overlap(const Kernel& kernel, const Footprint& touched) {
  const bool in_place = traits(kernel.kind).in_place;
  const auto is_sums = [&](const Region& read) {
    return kernel.sums_in && kernel.sums_out && read.address == kernel.bias &&
           read.length == bias_bytes(kernel) && kernel.in != kernel.bias &&
           kernel.weights != kernel.bias;
  };
  for (const Region& write : touched.writes) {
    for (const Region& read : touched.reads) {
      if (overlap(write, read) && !((in_place || is_sums(read)) && write == read)) return &write;
    }
  }
  return nullptr;
}

bool overlaps(const Volume& volume, const Region& region) {
  return volume.space == region.space && region.address < volume.address + volume.bytes &&
         volume.address < region.end();
}

template <typename Call>
void each_run(const Region& region, Call call) {
  for (std::int64_t i = 0; i < region.count; ++i) {
    if (!call(region.address + i * region.stride)) return;
  }
}

}  // namespace

Boxes boxes(const std::vector<Region>& regions) {
  Boxes result{};
  for (const Region& region : regions) {
    Box& box = result[index(region.space)];
    const bool empty = box.begin >= box.end;
    box.begin = empty ? region.address : std::min(box.begin, region.address);
    box.end = empty ? region.end() : std::max(box.end, region.end());
  }
  return result;
}

std::vector<Region> regions(const TensorPlace& place) {
  const std::int64_t pixel = ceil_div(place.channels * place.bits, 8);
  if (pixel == place.pixel_stride && place.row_stride == pixel * place.width) {
    return {{place.space, place.address, pixel * place.width * place.height, 1, 0}};
  }
  std::vector<Region> result;
  for (std::int64_t y = 0; y < place.height; ++y) {
    result.push_back({place.space, place.address + y * place.row_stride, pixel, place.width,
                      place.pixel_stride});
  }
  return result;
}

HazardMonitor::HazardMonitor(const Program& program, const Machine& machine,
                             const std::array<std::int64_t, kSpaces>& sizes)
    : program_(program),
      machine_(machine),
      used_(program.memory_map.size(), false),
      by_first_(program.memory_map.size()) {
  for (std::size_t s = 0; s < kSpaces; ++s) written_[s].resize(static_cast<std::size_t>(sizes[s]));
  const std::size_t constants =
      std::min(program.constants.size(), written_[index(Space::L3)].size());
  std::fill_n(written_[index(Space::L3)].begin(), constants, std::uint8_t{Written});
  std::iota(by_first_.begin(), by_first_.end(), std::size_t{0});
  std::sort(by_first_.begin(), by_first_.end(), [&](std::size_t a, std::size_t b) {
    return program.memory_map[a].first < program.memory_map[b].first;
  });
  for (const Volume& volume : program.memory_map) has_map_[index(volume.space)] = true;
}

bool HazardMonitor::issue(std::int32_t instruction, std::int64_t time) {
  const Instruction& op = program_.instructions[static_cast<std::size_t>(instruction)];
  if (std::holds_alternative<Barrier>(op)) {
    all_know_what_was_waited_for();
    return true;
  }
  note_wait(op);
  Open now;
  now.instruction = instruction;
  now.touched = footprint(op, machine_);
  const Footprint& touched = now.touched;
  if (touched.reads.empty() && touched.writes.empty()) return true;
  if (!in_range(instruction, touched, time)) return false;
  now.reads = boxes(touched.reads);
  now.writes = boxes(touched.writes);
  for (const Open& earlier : open_) check_pair(earlier, now, time);
  begin_volumes(instruction);
  check_written(instruction, touched.reads, time);
  check_map(instruction, touched, time);
  mark_read(touched.reads);
  begin_refills(touched.writes);
  mark_written(touched.writes);
  if (const auto* kernel = std::get_if<Kernel>(&op)) {
    if (const Region* region = self_overlap(*kernel, touched)) {
      raise(Hazard::Kind::WriteAfterRead, instruction, -1, region->space, region->address, time);
    }
    all_know_what_was_waited_for();  // every kernel ends with a barrier
  } else {
    open_.push_back(std::move(now));
  }
  return true;
}

void HazardMonitor::note_wait(const Instruction& op) {
  const auto* dma_wait = std::get_if<DmaWait>(&op);
  const auto* l3_wait = std::get_if<L3Wait>(&op);
  if (!dma_wait && !l3_wait) return;
  for (Open& open : open_) {
    const Instruction& transfer = program_.instructions[static_cast<std::size_t>(open.instruction)];
    const auto* dma = std::get_if<Dma>(&transfer);
    const auto* l3 = std::get_if<L3Transfer>(&transfer);
    if (dma_wait && dma && dma->id == dma_wait->id) open.waited = true;
    if (l3_wait && l3 && l3->id == l3_wait->id) open.waited = true;
  }
}

void HazardMonitor::all_know_what_was_waited_for() {
  std::erase_if(open_, [](const Open& open) { return open.waited; });
}

bool HazardMonitor::in_range(std::int32_t instruction, const Footprint& touched,
                             std::int64_t time) {
  for (const auto* list : {&touched.reads, &touched.writes}) {
    for (const Region& region : *list) {
      const auto size = static_cast<std::int64_t>(written_[index(region.space)].size());
      if (region.address >= 0 && region.stride >= 0 && region.end() <= size) continue;
      raise(Hazard::Kind::OutOfRange, instruction, -1, region.space,
            region.address < 0 ? region.address : std::max(region.address, size), time);
      return false;
    }
  }
  return true;
}

void HazardMonitor::check_pair(const Open& earlier, const Open& later, std::int64_t time) {
  const Region* met = nullptr;
  auto kind = Hazard::Kind::ReadAfterWrite;
  if (meet(earlier.writes, later.reads))
    met = first_met(earlier.touched.writes, later.touched.reads);
  if (!met && meet(earlier.reads, later.writes)) {
    met = first_met(earlier.touched.reads, later.touched.writes);
    kind = Hazard::Kind::WriteAfterRead;
  }
  if (!met && meet(earlier.writes, later.writes)) {
    met = first_met(earlier.touched.writes, later.touched.writes);
    kind = Hazard::Kind::WriteAfterWrite;
  }
  if (!met) return;
  if (earlier.waited) {  // but the other cores do not know
    if (kept_apart_by_core(earlier.instruction, later.instruction)) return;
    kind = Hazard::Kind::Unsynchronized;
  }
  raise(kind, later.instruction, earlier.instruction, met->space, met->address, time);
}

// A core's own wait orders its own later accesses without a barrier.
bool HazardMonitor::kept_apart_by_core(std::int32_t earlier, std::int32_t later) const {
  const Instruction& first = program_.instructions[static_cast<std::size_t>(earlier)];
  const Instruction& second = program_.instructions[static_cast<std::size_t>(later)];
  const auto of_core = [this](const Instruction& op, std::int64_t core) {
    if (const auto* dma = std::get_if<Dma>(&op)) {
      const auto part = share_of_core(*dma, core, machine_.cluster.cores);
      return part ? footprint(*part, machine_) : Footprint{};
    }
    return core == 0 ? footprint(op, machine_) : Footprint{};
  };
  if (std::holds_alternative<Kernel>(second)) return false;
  for (std::int64_t a = 0; a < machine_.cluster.cores; ++a) {
    const Footprint of_first = of_core(first, a);
    if (of_first.writes.empty() && of_first.reads.empty()) continue;
    for (std::int64_t b = 0; b < machine_.cluster.cores; ++b) {
      if (a == b) continue;
      const Footprint of_second = of_core(second, b);
      if (first_met(of_first.writes, of_second.reads) ||
          first_met(of_first.reads, of_second.writes) ||
          first_met(of_first.writes, of_second.writes)) {
        return false;
      }
    }
  }
  return true;
}

void HazardMonitor::check_written(std::int32_t instruction, const std::vector<Region>& reads,
                                  std::int64_t time) {
  for (const Region& region : reads) {
    const std::uint8_t* bytes = written_[index(region.space)].data();
    std::int64_t missing = -1;
    each_run(region, [&](std::int64_t run) {
      const void* found = std::memchr(bytes + run, 0, static_cast<std::size_t>(region.length));
      if (found != nullptr) missing = static_cast<const std::uint8_t*>(found) - bytes;
      return found == nullptr;
    });
    if (missing < 0) continue;
    raise(Hazard::Kind::UninitializedRead, instruction, -1, region.space, missing, time);
    return;
  }
}

void HazardMonitor::mark_written(const std::vector<Region>& writes) {
  for (const Region& region : writes) {
    std::uint8_t* bytes = written_[index(region.space)].data();
    each_run(region, [&](std::int64_t run) {
      std::memset(bytes + run, Written, static_cast<std::size_t>(region.length));
      return true;
    });
  }
}

// What L1 held before is of another volume.
void HazardMonitor::begin_volumes(std::int32_t instruction) {
  const auto& map = program_.memory_map;
  for (; next_volume_ < by_first_.size(); ++next_volume_) {
    const std::size_t v = by_first_[next_volume_];
    if (map[v].first > instruction) break;
    alive_.push_back(v);
    forget(map[v], true);
  }
  std::erase_if(alive_, [&](std::size_t v) { return map[v].last < instruction; });
}

void HazardMonitor::forget(const Volume& volume, bool all) {
  if (volume.space != Space::L1) return;
  auto& bytes = written_[index(Space::L1)];
  const auto size = static_cast<std::int64_t>(bytes.size());
  const auto begin = std::clamp<std::int64_t>(volume.address, 0, size);
  const auto end = std::clamp<std::int64_t>(volume.address + volume.bytes, begin, size);
  std::for_each(bytes.begin() + begin, bytes.begin() + end, [all](std::uint8_t& byte) {
    if (all || byte == Used) byte = Unwritten;
  });
}

void HazardMonitor::mark_read(const std::vector<Region>& reads) {
  for (const Region& region : reads) {
    if (region.space != Space::L1) continue;
    std::uint8_t* bytes = written_[index(Space::L1)].data();
    each_run(region, [&](std::int64_t run) {
      std::replace(bytes + run, bytes + run + region.length, std::uint8_t{Written},
                   std::uint8_t{Used});
      return true;
    });
    for (const std::size_t v : alive_) {
      if (overlaps(program_.memory_map[v], region)) used_[v] = true;
    }
  }
}

// The first that is written into a volume of which something was read: what was read is over.
void HazardMonitor::begin_refills(const std::vector<Region>& writes) {
  for (const Region& region : writes) {
    if (region.space != Space::L1) continue;
    for (const std::size_t v : alive_) {
      if (!used_[v] || !overlaps(program_.memory_map[v], region)) continue;
      forget(program_.memory_map[v], false);
      used_[v] = false;
    }
  }
}

void HazardMonitor::check_map(std::int32_t instruction, const Footprint& touched,
                              std::int64_t time) {
  if (program_.memory_map.empty()) return;
  for (const Region& region : touched.writes) {
    if (!mapped(instruction, region, true, time)) return;
  }
  for (const Region& region : touched.reads) {
    if (!mapped(instruction, region, false, time)) return;
  }
}

// Inside a live volume; writes touch no other live one.
bool HazardMonitor::mapped(std::int32_t instruction, const Region& region, bool write,
                           std::int64_t time) {
  if (!has_map_[index(region.space)]) return true;
  const bool constant = region.space == Space::L3 &&
                        region.end() <= static_cast<std::int64_t>(program_.constants.size());
  if (constant && !write) return true;
  bool inside = false;
  const Volume* cut = nullptr;
  for (const std::size_t v : alive_) {
    const Volume& volume = program_.memory_map[v];
    const std::int64_t end = volume.address + volume.bytes;
    if (volume.space != region.space || region.address >= end || volume.address >= region.end()) {
      continue;
    }
    const bool contains = volume.address <= region.address && region.end() <= end;
    inside = inside || contains;
    if (!contains) cut = &volume;
  }
  if (constant || (write && cut != nullptr)) {
    raise(Hazard::Kind::LiveOverwrite, instruction, -1, region.space,
          cut == nullptr ? region.address : std::max(region.address, cut->address), time);
    return false;
  }
  if (!inside) raise(Hazard::Kind::Stray, instruction, -1, region.space, region.address, time);
  return inside;
}

void HazardMonitor::result_read(const TensorPlace& place, std::int32_t instruction,
                                std::int64_t time) {
  const std::vector<Region> reads = regions(place);
  for (const Open& open : open_) {
    const Region* met = open.waited ? nullptr : first_met(open.touched.writes, reads);
    if (met == nullptr) continue;
    raise(Hazard::Kind::ReadAfterWrite, instruction, open.instruction, met->space, met->address,
          time);
  }
  check_written(instruction, reads, time);
}

void HazardMonitor::host_wrote(const TensorPlace& place) { mark_written(regions(place)); }

void HazardMonitor::raise(Hazard::Kind kind, std::int32_t instruction, std::int32_t other,
                          Space space, std::int64_t address, std::int64_t time) {
  hazards_.push_back({.kind = kind,
                      .instruction = instruction,
                      .other_instruction = other,
                      .layer = layer(instruction),
                      .other_layer = other < 0 ? "" : layer(other),
                      .address = address,
                      .space = std::string(to_string(space)),
                      .time = {time}});
}

const std::string& HazardMonitor::layer(std::int32_t instruction) const {
  static const std::string none;
  const auto& layers = program_.info.instruction_layer;
  if (instruction < 0 || static_cast<std::size_t>(instruction) >= layers.size()) return none;
  const std::int32_t number = layers[static_cast<std::size_t>(instruction)];
  if (number < 0 || static_cast<std::size_t>(number) >= program_.info.layers.size()) return none;
  return program_.info.layers[static_cast<std::size_t>(number)].name;
}

}  // namespace workbench::pulp

// What HazardMonitor knows from the memory map: which tensor each word is meant for, and which one
// it holds. Programs without a map (made by hand) are not checked here.
#include <algorithm>
#include <cstring>

#include "isa/xdnn/memory.h"
#include "sim/xdnn/hazards.h"

namespace workbench::xdnn {

namespace {

bool inside(const AmRegion& r, const Volume& v) {
  return v.address <= r.word_begin && r.word_end <= v.address + v.words;
}
bool alive(const Volume& v, std::int32_t instruction) {
  return v.first <= instruction && instruction <= v.last;
}

}  // namespace

// A result belongs inside one volume of the memory map; scratch (tile buffers) inside none. What it
// touches of any other volume alive at that instruction is somebody else's.
bool HazardMonitor::check_live(std::int32_t instruction, const std::vector<AmRegion>& writes,
                               bool scratch, std::int64_t time) {
  for (const AmRegion& r : writes) {
    if (r.slice == 0) continue;  // the map is that of the main array's memory
    for (const Volume& v : program_.memory_map) {
      if (!alive(v, instruction)) continue;
      const bool touches = r.word_begin < v.address + v.words && v.address < r.word_end;
      if (!touches || (inside(r, v) && !scratch)) continue;
      raise(Hazard::Kind::LiveOverwrite, instruction, -1, "AM", std::max(r.word_begin, v.address),
            time);
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
  return std::all_of(am_volume_.begin() + r.word_begin, am_volume_.begin() + r.word_end,
                     [&](std::int32_t held) { return held == volume; });
}

// An operand is (part of) one tensor alive, and the words hold that one: nobody has written over
// it, and what was there before has been.
void HazardMonitor::check_reads(std::int32_t instruction, const Footprint& f, std::int64_t time) {
  if (program_.memory_map.empty()) return;
  for (const AmRegion& r : f.am_reads) {
    if (r.word_begin >= r.word_end) continue;
    const std::int32_t held = am_volume_[static_cast<std::size_t>(r.word_begin)];
    const bool good =
        held >= 0 && alive(program_.memory_map[static_cast<std::size_t>(held)], instruction) &&
        inside(r, program_.memory_map[static_cast<std::size_t>(held)]) && holds(held, r);
    if (good) continue;
    raise(Hazard::Kind::Stray, instruction, -1, "AM", r.word_begin, time);
    return;
  }
}

void HazardMonitor::check_results(std::int32_t instruction, const std::vector<AmRegion>& writes,
                                  std::int64_t time) {
  if (program_.memory_map.empty()) return;
  for (const AmRegion& r : writes) {
    if (r.slice == 0 || r.word_begin >= r.word_end || volume_of(instruction, r) >= 0) continue;
    raise(Hazard::Kind::Stray, instruction, -1, "AM", r.word_begin, time);
    return;
  }
}

// xdnn.md 1.4: channel s of a concat volume lies in its section s / word_bytes. All that write to a
// volume, parts or not, agree on how many channels it has.
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
  if (number < 0) return;  // told already
  const Volume& volume = program_.memory_map[static_cast<std::size_t>(number)];
  std::int64_t& known = volume_channels_[static_cast<std::size_t>(number)];
  const std::int64_t channels = t.concat_part ? t.concat_channels : result.channels;
  bool agrees = known == 0 || known == channels;
  if (t.concat_part) {
    agrees = agrees &&
             volume.address == result.address - machine_.geometry().word_of_channel(
                                                    t.concat_start, result.height, result.width);
  }
  known = channels;
  if (agrees) return;
  raise(Hazard::Kind::Inconsistent, instruction, -1, "AM", result.address, time);
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
      raise(Hazard::Kind::Stray, instruction, -1, "DDR", r.begin, time);
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
    raise(Hazard::Kind::Stray, instruction, -1, "AM", r.word_begin, time);
    return;
  }
}

// A word that a new tensor writes forgets what the one before left there. What is written outside
// every tensor has been told once; its readers need not tell it again.
void HazardMonitor::mark_written(std::int32_t instruction, const AmRegion& r) {
  const std::int32_t volume = volume_of(instruction, r);
  for (std::int64_t word = r.word_begin; word < r.word_end; ++word) {
    std::uint8_t* written = am_written_.data() + word * machine_.word_bytes();
    std::int32_t& held = am_volume_[static_cast<std::size_t>(word)];
    if (volume >= 0 && held != volume) {
      std::memset(written, 0, static_cast<std::size_t>(machine_.word_bytes()));
      held = volume;
    }
    std::memset(written + r.byte_begin, 1, static_cast<std::size_t>(r.byte_end - r.byte_begin));
  }
}

}  // namespace workbench::xdnn

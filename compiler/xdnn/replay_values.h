// Where a replayed program keeps the network's values: every read and write of an instruction is
// held against what the network says it must be.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/xdnn/replay_match.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// Throws Error "WHERE: OPCODE 'name': ...".
[[noreturn]] void refuse(const Entry& entry, const std::string& what);
// Throws Error unless the network's number is the program's.
void agree(const Entry& entry, const char* field, std::int64_t network, std::int64_t found);

class ReplayValues {
 public:
  // Adds volumes and probes to `program`, remarks to `notes`.
  ReplayValues(const Listing& listing, const Graph& graph, const Machine& machine, Program& program,
               std::vector<std::string>& notes);

  // The next instruction of the program reads `value` at `address`, in instructions' units.
  void reads(const Entry& entry, ValueId value, std::int64_t address, const ChannelLayout& layout);
  // It writes `target` there; sets the tail's concat fields.
  void writes(const Entry& entry, const ReplayTarget& target, std::int64_t address,
              std::int64_t channels, Tail& tail);
  // The value that was written there last, with that many channels; kNoValue: none.
  ValueId value_at(const Entry& entry, std::int64_t address, std::int64_t channels) const;
  bool is_at(ValueId value, std::int64_t address) const;
  void forget(ValueId value) { held_.erase(value); }

  // When all instructions are there: where each value can be read.
  void add_probes();

 private:
  struct Held {
    std::int64_t word = 0;  // AM word of its first channel
    ChannelLayout layout;
    std::int64_t start = 0;  // channel of the first word that it begins with
    std::size_t volume = 0;  // of the memory map
    std::vector<std::int32_t> writers;
    std::int64_t channels_written = 0;
  };

  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }
  std::int32_t now() const { return static_cast<std::int32_t>(program_.steps.size()); }
  std::int64_t word_of(const Entry& entry, std::int64_t address) const;
  std::size_t new_volume(ValueId value, std::int64_t word, const ChannelLayout& layout);
  void set_concat(const Entry& entry, const ReplayTarget& target, Tail& tail);

  const Listing& listing_;
  const Graph& graph_;
  const Machine& machine_;
  Geometry geometry_;
  Program& program_;
  std::vector<std::string>& notes_;
  std::map<ValueId, Held> held_;
  std::int64_t taken_starts_ = 0;  // concat parts whose place only the network tells
};

}  // namespace workbench::xdnn

// Which tensors a replayed program keeps in DDR, and which of them an address of the listing means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/xdnn/replay_surroundings.h"
#include "core/graph.h"
#include "isa/xdnn/instructions.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

class ReplayDdr {
 public:
  // Adds tensors to `program`, remarks to `notes`.
  ReplayDdr(const Listing& listing, const Graph& graph, Program& program,
            std::vector<std::string>& notes);

  // The host makes the value of an input.
  bool from_host(ValueId value) const;
  bool has(ValueId value) const { return tensors_.contains(value); }
  // Values of that shape that the host makes.
  std::vector<ValueId> inputs_like(const Shape& wanted) const;

  // The next instruction of the program reads the tensor of `value` as its operand number
  // `operand`.
  void reads(ValueId value, std::size_t operand = 0);
  // It is tiled and reads the network's `value` at a DDR address: what lies there is read.
  void reads_tiles(const Entry& entry, const Tail& tail, ValueId value, std::int64_t address,
                   std::size_t operand);
  // It writes the value there, or to the image queue.
  void writes(const Tail& tail, ValueId value, std::int64_t address);
  bool is_at(ValueId value, std::int64_t address) const;

  // What a gather brings: what was stored there, what slice 0 left in the queue, or an input.
  ValueId gathered(const Entry& entry, const Gather& op);

  // For place_replay_tensors().
  const std::vector<ReplayDdrUse>& uses() const { return uses_; }
  std::ptrdiff_t between() const;

 private:
  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }
  std::size_t tensor_of(ValueId value);
  void use(ValueId value, std::size_t operand, bool result);
  ValueId input_at(const Entry& entry, const Gather& op, const Shape& wanted);
  // Where the program has put it; the least of several.
  std::optional<std::int64_t> address_of(ValueId value) const;
  bool is_called(ValueId value, const std::string& name) const;

  const Listing& listing_;
  const Graph& graph_;
  Program& program_;
  std::vector<std::string>& notes_;
  std::map<ValueId, std::size_t> tensors_;                    // index into Program::ddr_tensors
  std::map<std::int64_t, ValueId> stored_;                    // by the listing's DDR address
  std::map<std::pair<std::int64_t, Shape>, ValueId> inputs_;  // likewise
  ValueId between_ = kNoValue;                                // what slice 0 leaves to slice 1
  std::vector<ReplayDdrUse> uses_;
};

}  // namespace workbench::xdnn

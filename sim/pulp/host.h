// The host's part of a PULP program: conversions at the edges and the steps no kernel can run.
#pragma once

#include <map>
#include <span>
#include <string>

#include "core/tensor.h"
#include "isa/pulp/program.h"
#include "isa/pulp/semantics.h"
#include "sim/common/host_values.h"
#include "sim/pulp/hazards.h"

namespace workbench::pulp {

class Host {
 public:
  Host(const Program& program, Memory& memory, HazardMonitor& hazards,
       std::span<const Tensor> inputs, int threads);

  // Runs the nodes of one step at `time`: operands that are codes come from the memories, results
  // go there.
  void run(const HostStep& step, std::int64_t time);
  // A host step's reads of the memories, for timing-only runs.
  void check(const HostStep& step, std::int64_t time);

  const sim::HostValues& values() const { return values_; }

 private:
  const TensorPlace* place_of(ValueId id) const;

  const Program& program_;
  Memory& memory_;
  HazardMonitor& hazards_;
  int threads_;
  std::map<std::string, const TensorPlace*> places_;
  sim::HostValues values_;
};

// Tensors of the network in the modelled memories: codes [height][width][channels], packed where
// they are narrower than a byte, to and from [1, C, H, W].

// Uint8, Int8 or, at 32 bits, Int32; [1, C, H, W]. The place is inside the memory (CHECKed).
Tensor read_tensor(const Memory& memory, const TensorPlace& place);
// `tensor`: integers of any type and shape with as many elements, C, H, W in this order.
void write_tensor(Memory& memory, const TensorPlace& place, const Tensor& tensor);

// A place in memory is a map; what the host reads of it has the shape that the network says.
void name_shapes(const Graph& host, std::map<std::string, Tensor>& tensors);

// Puts a piece where it belongs in the tensor, which the first piece makes.
void put_piece(const Probe& probe, const Tensor& piece, Tensor& whole);

}  // namespace workbench::pulp

// The host's part of a program: conversions at the edges and the steps no engine can run.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/program.h"
#include "sim/common/host_values.h"
#include "sim/xdnn/hazards.h"

namespace workbench::xdnn {

class Host {
 public:
  Host(const Program& program, Memory& memory, HazardMonitor& hazards,
       std::span<const Tensor> inputs, int threads);

  // Runs the nodes of one step: operands that are codes come from DDR, results go there.
  void run(const HostStep& step);

  const sim::HostValues& values() const { return values_; }

 private:
  const Program& program_;
  Memory& memory_;
  HazardMonitor& hazards_;
  int threads_;
  std::map<std::string, const DdrTensor*> in_ddr_;
  sim::HostValues values_;
};

// Codes [height][width][channels], their width told by the number of bytes, as a [1, C, H, W]
// tensor, and back.
Tensor nchw_from_pixels(std::span<const std::int8_t> pixels, std::int64_t channels,
                        std::int64_t height, std::int64_t width);
// What nchw_from_pixels makes of read_am().
Tensor nchw_from_am(const Memory& memory, const AmTensor& tensor);
std::vector<std::int8_t> pixels_from_nchw(const Tensor& tensor);

}  // namespace workbench::xdnn

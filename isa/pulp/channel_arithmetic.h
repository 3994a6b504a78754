// From accumulators to codes (pulp.md 2.2), a block of channels at a time: what conv, linear,
// depthwise and requantize have in common.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/int8_matrix.h"
#include "isa/pulp/codes.h"
#include "isa/pulp/instructions.h"

namespace workbench::pulp {

// Bounds of a result's codes.
struct CodeRange {
  std::int32_t low = 0, high = 255;
};
CodeRange result_range(const Kernel& kernel);

// Constants of a kernel's output channels, padded to whole blocks of kTileColumns.
class ChannelArithmetic {
 public:
  ChannelArithmetic(const Kernel& kernel, const Bytes8& l1);
  // Where accumulators start: the bias, or 0.
  const std::vector<std::int32_t>& starts() const { return starts_; }
  // Codes of channels [kTileColumns * block, + kTileColumns) from their accumulators.
  void finish(const TileRow& sums, std::int64_t block, std::uint8_t* codes) const;

 private:
  bool wide_;
  int shift_;
  CodeRange range_;
  std::vector<std::int32_t> starts_;
  std::vector<std::int32_t> kappa_, lambda_;
  std::vector<std::int64_t> wide_kappa_, wide_lambda_;
};

}  // namespace workbench::pulp

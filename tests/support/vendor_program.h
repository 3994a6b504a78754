// Random programs of another compiler: JSON in the dialect of the vendor's files, written entry by
// entry without our compiler, with the features that his programs have.
#pragma once

#include <cstdint>
#include <string>

#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

enum class VendorStyle {
  V3,          // xdnn_kv, tiles, replication, concats by their fields
  Throughput,  // V3 with the first layer on slice 0
  V2,          // row pieces and gathers
  V2Text       // version 0.1.4: instructions as text alone
};

// A legal program for `machine` (V3 or V2), of a dozen instructions.
std::string vendor_program(std::uint64_t seed, VendorStyle style, const Machine& machine);

}  // namespace workbench::xdnn

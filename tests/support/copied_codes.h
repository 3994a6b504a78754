// A program whose host makes codes, and real numbers of what the cluster has copied.
#pragma once

#include "isa/pulp/program.h"

namespace workbench::pulp {

// Around four instructions that copy 64 bytes of L2 from 0 to 5000: x [1, 2, 4, 8], made codes xc
// in steps of 1 before the first; their copy yc, made real numbers y behind the last.
inline void put_host_around_copy(Program& program) {
  Quantization ones;
  ones.is_signed = false;
  ones.thresholds = {255};
  Graph& host = program.host;
  const auto value = [&](const char* name, ElementType type) {
    Value v;
    v.name = name, v.shape = {1, 2, 4, 8}, v.type = type;
    if (type == ElementType::Uint8) v.quantization = ones;
    return host.add_value(v);
  };
  const ValueId x = value("x", ElementType::Float32), x_codes = value("xc", ElementType::Uint8);
  const ValueId y_codes = value("yc", ElementType::Uint8), y = value("y", ElementType::Float32);
  host.nodes.resize(2);
  host.nodes[0].op = Quantize{}, host.nodes[0].inputs = {x}, host.nodes[0].outputs = {x_codes};
  host.nodes[1].op = Dequantize{}, host.nodes[1].inputs = {y_codes}, host.nodes[1].outputs = {y};
  host.inputs = {x}, host.outputs = {y};
  program.host_steps = {{.before = 0, .nodes = {0}}, {.before = 4, .nodes = {1}}};
  program.inputs = {
      {.value = "xc", .channels = 2, .height = 4, .width = 8, .pixel_stride = 2, .row_stride = 16}};
  program.outputs = program.inputs;
  program.outputs[0].value = "yc";
  program.outputs[0].address = 5000;
}

}  // namespace workbench::pulp

// What an instruction costs with no contention: the numbers from which the analytic tier, the
// compiler's choices and the simulator's engines all start. Cycles are of the report clock.
#pragma once

#include <vector>

#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// The array's side of a convolution (docs/facts/xdnn.md 1.5, 5.2). One pass: one slab of filters,
// one sweep over the output pixels, `steps` cycles each.
struct ConvCost {
  std::int64_t steps = 0, passes = 0;
  std::int64_t step_pixels = 1;   // pixels of a row computed side by side
  std::int64_t rows = 0;          // output rows of a pass; a row is the unit of port arbitration
  Cycles row_cycles;              // array time of one row of one pass
  std::int64_t row_writes = 0;    // AM words written per row of a pass (partial words count)
  Bytes slab;                     // filters of one pass
  std::int64_t slab_buffers = 1;  // filter buffers one slab occupies
  Cycles drain;                   // last operand in -> last result in AM
  // Array time of `columns` pixels of a row, one pass.
  Cycles stretch(std::int64_t columns) const { return {ceil_div(columns, step_pixels) * steps}; }
  Cycles compute() const { return row_cycles * (rows * passes); }
};
ConvCost conv_cost(const Conv& conv, std::int64_t result_pixels, const Machine& machine);
ConvCost conv_cost(const Instruction& instruction, const Machine& machine);  // Conv or ConvPool

// The parts a convolution's time is made of, memory and ports to itself.
struct ConvWork {
  Cycles first_load;       // latency and the first filter slab
  Cycles later_loads;      // the other slabs, back to back
  Cycles compute;          // array streaming, all passes
  Cycles last_pass;        // what remains to be streamed when the last slab has come, at least
  Cycles inputs;           // tiles from DDR, latency included; 0 when the source is in the AM
  Cycles results;          // to DDR, latency included; 0 when the result goes to the AM
  bool overlapped = true;  // ping-pong: later loads run beside computing
};
ConvWork conv_work(const Instruction& instruction, const Machine& machine);

// Hardware-assisted tiling: the output is cut in tiles, left to right, top to bottom.
struct TileCost {
  std::int64_t out_rows = 0, out_cols = 0;  // conv output of this tile
  std::int64_t in_rows = 0;
  Cycles in_row_words;   // AM words of a row of its input, one a cycle
  Bytes ddr;             // input brought from DDR
  Bytes result;          // streamed to DDR; 0 when it goes to the AM
  Cycles result_groups;  // of 8 channels of a pixel: one leaves a cycle
};
std::vector<TileCost> tile_costs(const Instruction& instruction, const Geometry& geometry);
// Bytes that a convolution streams to DDR, tiled or not; 0 when its result goes to the AM.
Bytes result_bytes(const Instruction& instruction, const Geometry& geometry);
// The whole map as one tile, of a convolution whose input lies in the AM.
TileCost untiled_cost(const Instruction& instruction, const Geometry& geometry);

// Pool, eltwise, upsample, gather, scatter: words streaming through an engine, row by row.
struct StreamTile {
  std::int64_t rows = 0;  // of the input
  Cycles row_cycles;
  Bytes ddr, result;  // brought from DDR, streamed to it
  Cycles result_groups;
};
struct StreamCost {
  std::int64_t rows = 0;
  Cycles row_cycles;                             // engine time of one row
  std::int64_t read_ports = 0, write_ports = 0;  // AM ports taken meanwhile
  Bytes ddr;                                     // moved in all
  // Of a pool or sum with operands or result in DDR; then the words of each pass through the AM.
  std::vector<StreamTile> tiles;
};
StreamCost stream_cost(const Instruction& instruction, const Machine& machine);

// Report cycles in which the DDR moves `bytes`; cumulative, so that bursts do not each round up.
Cycles ddr_cycles(Bytes bytes, const Machine& machine);

// Lower bound on the duration from start to completion, memory and ports to itself.
Cycles duration(const Step& step, const Machine& machine);

// --- whole programs ------------------------------------------------------------------------------

// The analytic tier: when each instruction would start and finish if engines and dispatcher worked
// as they do, without contention for ports and DDR. No SystemC, microseconds per
// program; by construction a lower bound on what the transaction tier says.

struct EarliestTimes {
  std::vector<Cycles> finish;  // per instruction: results in memory at the earliest
  Cycles end;                  // of the whole program, host steps excluded
};

EarliestTimes earliest_times(const Program& program, const Machine& machine);

// End of the program with the one contention that is foreseen, no bound but what the compiler
// chooses by: beside a sum that takes all read ports the array has to wait.
Cycles likely_end(const Program& program, const Machine& machine);

// Per instruction: its filters are in the buffers already and are not loaded again. So it is with a
// convolution of one pass behind another of one pass that has its filters from the same address, in
// the same shape, where no instruction of the program writes there and neither has its input
// brought by tiles (assumed: docs/xdnn-model.md). Channel-aligned machines only.
std::vector<bool> kept_filters(const Program& program, const Machine& machine);

}  // namespace workbench::xdnn

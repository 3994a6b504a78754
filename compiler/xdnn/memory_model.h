// The memory planner's view of a Lowered network: which op touches which channels of which volume,
// which rows of its operands a range of rows of its result needs, and what moving and computing
// costs. A volume counts as one piece of memory however many maps lie in it.
#pragma once

#include <optional>
#include <vector>

#include "compiler/xdnn/lower.h"

namespace workbench::xdnn {

// Ops, volumes, pieces and states are numbered by int.
inline std::size_t at(int index) { return static_cast<std::size_t>(index); }

// [begin, end) of rows or channels.
struct Span {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  friend bool operator==(const Span&, const Span&) = default;
};

// Channels of a volume.
struct Access {
  int volume = -1;
  Span channels;
};

// A scatter begins at a word of `granule` channels, counted from channel `base`: each run of
// adjacent ones that are written does.
bool runs_begin_at_words(std::vector<Span> written, std::int64_t base, std::int64_t granule);

// One spatial window in the direction of the rows.
struct RowWindow {
  std::int64_t reach = 1, stride = 1, pad = 0;  // reach: rows under the kernel, dilation included
};

struct PlanOp {
  LoweredKind kind = LoweredKind::Conv;
  bool download = false, upload = false;  // from and for the host
  bool tiled = false;                     // hardware-assisted: the source is read from DDR
  bool only_tiled = false;                // its filters fit with the copies that tiles have alone
  bool channelwise = false;  // result channel c depends on channel c of the operands alone
  bool chunkable = false;    // can be done for some output channels at a time
  std::vector<Access> reads;
  Access write;            // volume -1: none
  RowWindow window, pool;  // pool: fused behind a convolution
  bool transposed = false;
  std::int64_t upsample = 1;
  std::int64_t in_rows = 0, middle_rows = 0, out_rows = 0;  // middle: before the fused pool
  std::int64_t scratch_words = 0;                           // smallest tile buffers
  double compute = 0, filters = 0;                          // cycles: array, filters from DDR
};

// Uses of a volume, as positions in MemoryModel::ops.
struct PlanVolume {
  std::int64_t channels = 0, height = 0, width = 0, words = 0;
  int first = -1, last = -1;  // first writer (-1: in DDR from the beginning), last use
  int writers = 0;
  // Kept in DDR as one tensor that cannot be read or written by channels: the host's, on a machine
  // whose DDR format does not put channels one behind the other.
  bool atomic = false;
  // Some part begins where DDR has no address of its own (groups of 8 channels): parts are written
  // to tensors of their own, and whatever is read is brought back whole.
  bool ragged = false;
  bool read_whole() const { return atomic || ragged; }
  bool host_storage = false;  // the tensor that the host reads can serve as its place in DDR
  std::int64_t row_unit = 1;  // rows are written in multiples of this (upsampling)
};

struct MemoryModel {
  MemoryModel(Lowered& lowered, const Machine& machine);

  // Rows of the operand that rows `out` of the result need; nothing when no row would do (a band
  // that lies in the padding alone).
  std::optional<Span> rows_needed(const PlanOp& op, Span out) const;

  // From the first channel of the word that the first one lies in.
  Span aligned(Span channels) const;
  std::int64_t words(int volume, Span channels, std::int64_t rows) const;
  double ddr_cost(int volume, Span channels, std::int64_t rows) const;  // cycles, one way
  double overhead() const { return overhead_; }                         // cycles per instruction
  // What is written of the volume before op `position` can be stored: where words hold channels, a
  // scatter begins at a word, and all channels from there on must have been written.
  bool storable(int volume, int position) const;
  bool host_step_between(int begin, int end) const;  // a host step runs between ops of [begin, end)

  // How much of the budget a piece takes: its words, or one buffer.
  std::int64_t weight(std::int64_t piece_words) const { return bucket_words > 0 ? 1 : piece_words; }
  bool fits_alone(std::int64_t piece_words) const {
    return bucket_words == 0 || piece_words <= bucket_words;
  }

  const Machine& machine;
  Geometry geometry;
  std::int64_t bucket_words = 0;  // MathEngine: words of a buffer
  std::vector<PlanOp> ops;
  std::vector<PlanVolume> volumes;
  std::vector<int> tiled_volume;  // lowered map -> volume that stands for a tensor only in DDR

 private:
  void add_op(Lowered& lowered, const LoweredOp& op);
  void set_rows(const Lowered& lowered, const LoweredOp& op, PlanOp& plan) const;
  void set_costs(const Lowered& lowered, const LoweredOp& op, PlanOp& plan) const;
  void set_uses();
  void set_storable();
  int volume_in_ddr(Lowered& lowered, int map);

  double overhead_ = 0;
  std::vector<std::int32_t> host_before_;
  // Of each volume, the ops that write it, and whether what they have written by then is storable.
  struct Written {
    int op;
    bool storable;
  };
  std::vector<std::vector<Written>> written_;
};

}  // namespace workbench::xdnn

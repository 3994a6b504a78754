#include "sim/xdnn/units.h"

#include <algorithm>

#include "sim/common/kernel.h"

namespace workbench::xdnn {

// --- convolution ---------------------------------------------------------------------------------

using sc_core::SC_ZERO_TIME;
using sim::now;

namespace {

constexpr auto kUnit = static_cast<std::size_t>(Unit::Conv);
constexpr std::size_t kStack = 8 << 20;  // the arithmetic runs on the thread's own stack
constexpr std::size_t kResultTiles = 2;  // on their way to DDR: one is written, one collected

}  // namespace

ConvUnit::ConvUnit(sc_core::sc_module_name name, Overlay& overlay)
    : sc_module(name),
      overlay_(overlay),
      kept_(kept_filters(overlay.program, overlay.engine.machine)),
      hands_on_(kept_.size()),
      free_buffers_(overlay.machine.filters.buffers) {
  std::size_t before = 0;
  for (const std::int32_t instruction : overlay.instructions) {
    const auto i = static_cast<std::size_t>(instruction);
    if (unit_of(overlay.step(instruction).instruction) != Unit::Conv) continue;
    if (kept_[i]) hands_on_[before] = true;
    before = i;
  }
  SC_HAS_PROCESS(ConvUnit);
  SC_THREAD(accept);
  SC_THREAD(load_filters);
  SC_THREAD(load_tiles);
  SC_THREAD(compute);
  if (overlay.engine.number == 0) set_stack_size(kStack);
  SC_THREAD(drain);
  SC_THREAD(write_results);
}

ConvUnit::Command ConvUnit::make_command(std::int32_t instruction) const {
  const Instruction& in = overlay_.step(instruction).instruction;
  Command command;
  command.instruction = instruction;
  command.cost = conv_cost(in, overlay_.machine);
  command.tiled = tail(in).source_in_ddr;
  command.kept = kept_[static_cast<std::size_t>(instruction)];
  command.hands_on = hands_on_[static_cast<std::size_t>(instruction)];
  if (command.kept) command.slabs_loaded = command.cost.passes;
  if (command.tiled) {
    command.tiles = tile_costs(in, overlay_.machine.geometry());
  } else {
    command.tiles = {untiled_cost(in, overlay_.machine.geometry())};
  }
  const std::int64_t needed = command.cost.passes * command.cost.slab_buffers;
  command.resident = command.tiles.size() > 1 && needed <= overlay_.machine.filters.buffers;
  return command;
}

void ConvUnit::accept() {
  auto& queue = overlay_.queue[kUnit];
  while (true) {
    while (queue.empty()) wait(overlay_.given[kUnit]);
    const std::int32_t instruction = queue.front();
    queue.pop_front();
    commands_.push_back(make_command(instruction));
    ++accepted_;
    accepted_event_.notify(SC_ZERO_TIME);
  }
}

void ConvUnit::load_filters() {
  for (std::int64_t number = 0;; ++number) {
    while (accepted_ <= number) wait(accepted_event_);
    Command& command = commands_[static_cast<std::size_t>(number - streamed_)];
    if (command.kept) continue;
    const std::int64_t rounds =
        command.resident ? 1 : static_cast<std::int64_t>(command.tiles.size());
    const std::int64_t begin = now();
    sim::wait_until(now() + overlay_.machine.ddr.latency_cycles);
    overlay_.recorder.record(overlay_.resources.filters, command.instruction, begin, begin, now(),
                             Cause::WeightLoad);
    std::int64_t moved = 0;
    for (std::int64_t slab = 0; slab < rounds * command.cost.passes; ++slab) {
      load_slab(command, moved);
    }
  }
}

void ConvUnit::load_slab(Command& command, std::int64_t& moved) {
  const std::int64_t asked = now();
  while (free_buffers_ < command.cost.slab_buffers) wait(buffer_event_);
  free_buffers_ -= command.cost.slab_buffers;
  const std::int64_t begin = now();
  overlay_.recorder.record(overlay_.resources.filters, command.instruction, asked, asked, begin,
                           Cause::WaitEngine, 0, overlay_.resources.conv);
  command.ddr_waited +=
      overlay_.transfer(command.instruction, Client::ConvFilters, command.cost.slab.value, moved);
  overlay_.recorder.record(overlay_.resources.filters, command.instruction, begin, begin, now(),
                           Cause::Work);
  ++command.slabs_loaded;
  slab_event_.notify(SC_ZERO_TIME);
}

void ConvUnit::load_tiles() {
  for (std::int64_t number = 0;; ++number) {
    while (accepted_ <= number) wait(accepted_event_);
    Command& command = commands_[static_cast<std::size_t>(number - streamed_)];
    if (!command.tiled) continue;
    overlay_.begin_tiles(command.instruction);
    sim::wait_until(now() + overlay_.machine.ddr.latency_cycles);
    std::int64_t moved = 0;
    const auto count = static_cast<std::int64_t>(command.tiles.size());
    for (std::int64_t tile = 0; tile < count; ++tile) {
      while (command.tiles_loaded - command.tiles_used >= 2) wait(buffer_event_);
      const TileCost& cost = command.tiles[static_cast<std::size_t>(tile)];
      for (std::int64_t row = 0; row < cost.in_rows; ++row) load_row(command, cost, row, moved);
      ++command.tiles_loaded;
      tile_event_.notify(SC_ZERO_TIME);
    }
  }
}

// A row of a tile's input: the port is held while its words go into the AM, one a cycle, as long as
// the DDR is not slower.
void ConvUnit::load_row(const Command& command, const TileCost& tile, std::int64_t row,
                        std::int64_t& moved) {
  const std::int64_t asked = now(), words = tile.in_row_words.value;
  const auto client = static_cast<int>(Client::ConvTiles);
  const std::int64_t begin = overlay_.write_ports.acquire(client, 1, words);
  overlay_.recorder.record(overlay_.resources.tiles, command.instruction, asked, asked, begin,
                           Cause::PortStall);
  const std::int64_t bytes =
      tile.ddr.value * (row + 1) / tile.in_rows - tile.ddr.value * row / tile.in_rows;
  overlay_.transfer(command.instruction, Client::ConvTiles, bytes, moved);
  sim::wait_until(begin + words);
  overlay_.recorder.record(overlay_.resources.tiles, command.instruction, asked, begin, now(),
                           Cause::Work);
}

void ConvUnit::wait_for_tile(Command& command, std::int64_t tile) {
  const std::int64_t begin = now();
  while (command.tiles_loaded <= tile) wait(tile_event_);
  overlay_.recorder.record(overlay_.resources.conv, command.instruction, begin, begin, now(),
                           Cause::MemoryWait, 0, overlay_.resources.tiles);
}

// A stall for filters is a weight load, except for the part of it in which the loader itself had to
// wait for other users of the DDR.
void ConvUnit::wait_for_slab(Command& command, std::int64_t slab) {
  const std::int64_t begin = now();
  while (command.slabs_loaded <= slab) wait(slab_event_);
  const std::int64_t stall = now() - begin;
  const std::int64_t contended = std::min(stall, command.ddr_waited - command.ddr_accounted);
  command.ddr_accounted = command.ddr_waited;
  const auto record = [&](std::int64_t from, std::int64_t to, Cause cause, int on) {
    overlay_.recorder.record(overlay_.resources.conv, command.instruction, begin, from, to, cause,
                             0, on);
  };
  record(begin, now() - contended, Cause::WeightLoad, overlay_.resources.filters);
  record(now() - contended, now(), Cause::MemoryWait, overlay_.resources.ddr);
}

void ConvUnit::stream_row(const Command& command, const TileCost& tile) {
  const std::int64_t asked = now();
  const std::int64_t cycles = command.cost.stretch(tile.out_cols).value;
  const auto client = static_cast<int>(Client::ConvArray);
  overlay_.read_ports.acquire(client, 1, cycles);
  // Results leave one by one while operands stream: the write port is busy a `steps`-th of the
  // time.
  const std::int64_t writes =
      std::min(cycles, ceil_div(command.cost.row_writes * cycles, command.cost.row_cycles.value));
  const std::int64_t begin = overlay_.write_ports.acquire(client, 1, writes);
  overlay_.recorder.record(overlay_.resources.conv, command.instruction, asked, asked, begin,
                           Cause::PortStall);
  sim::wait_until(begin + cycles);
  overlay_.recorder.record(overlay_.resources.conv, command.instruction, asked, begin, now(),
                           Cause::Work);
}

void ConvUnit::run_pass(Command& command, const TileCost& tile, std::int64_t slab) {
  wait_for_slab(command, slab);
  for (std::int64_t row = 0; row < tile.out_rows; ++row) stream_row(command, tile);
  if (!command.resident && !command.hands_on) {
    free_buffers_ += command.cost.slab_buffers;
    buffer_event_.notify(SC_ZERO_TIME);
  }
}

void ConvUnit::compute() {
  while (true) {
    while (commands_.empty()) wait(accepted_event_);
    overlay_.take(Unit::Conv);
    Command& command = commands_.front();
    const auto tiles = static_cast<std::int64_t>(command.tiles.size());
    const std::int64_t passes = command.cost.passes;
    Result result;
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      if (command.tiled) wait_for_tile(command, tile);
      for (std::int64_t pass = 0; pass < passes; ++pass) {
        const std::int64_t slab = command.resident ? pass : tile * passes + pass;
        if (tile == 0 && pass == 0) {
          wait_for_slab(command, 0);
          result = overlay_.start(command.instruction);
        }
        run_pass(command, command.tiles[static_cast<std::size_t>(tile)], slab);
      }
      ++command.tiles_used;
      buffer_event_.notify(SC_ZERO_TIME);
      hand_to_ddr(command, static_cast<std::size_t>(tile));
    }
    if (command.resident) free_buffers_ += passes * command.cost.slab_buffers;
    overlay_.reads_done(command.instruction);
    const std::int64_t leaves = now() + command.cost.drain.value;
    overlay_.recorder.record_tail(overlay_.resources.conv, command.instruction, now(), leaves,
                                  Cause::FillDrain);
    const bool to_ddr = command.tiles.front().result.value > 0;
    leaving_.push_back({command.instruction, leaves, std::move(result), to_ddr ? tiles : 0});
    commands_.pop_front();
    ++streamed_;
    leaving_event_.notify(SC_ZERO_TIME);
    buffer_event_.notify(SC_ZERO_TIME);
  }
}

// The result of a tile that the array is done with; holds the array up while there is no room.
void ConvUnit::hand_to_ddr(const Command& command, std::size_t tile) {
  const TileCost& cost = command.tiles[tile];
  if (cost.result.value == 0) return;
  const std::int64_t begin = now();
  while (streaming_.size() >= kResultTiles) wait(written_event_);
  overlay_.recorder.record(overlay_.resources.conv, command.instruction, begin, begin, now(),
                           Cause::MemoryWait, 0, overlay_.resources.results);
  streaming_.push_back(
      {command.instruction, cost.result.value, cost.result_groups.value, tile == 0});
  streaming_event_.notify(SC_ZERO_TIME);
}

void ConvUnit::write_results() {
  std::int64_t moved = 0;
  while (true) {
    while (streaming_.empty()) wait(streaming_event_);
    const Streaming tile = streaming_.front();
    if (tile.first) {
      moved = 0;
      const std::int64_t begin = now();
      sim::wait_until(begin + overlay_.machine.ddr.latency_cycles);
      overlay_.recorder.record(overlay_.resources.results, tile.instruction, begin, begin, now(),
                               Cause::MemoryWait, 0, overlay_.resources.ddr);
    }
    const std::int64_t begin = now();
    overlay_.transfer(tile.instruction, Client::ConvResults, tile.bytes, moved);
    sim::wait_until(begin + tile.groups);
    overlay_.recorder.record(overlay_.resources.results, tile.instruction, begin, begin, now(),
                             Cause::Work);
    streaming_.pop_front();
    ++tiles_written_;
    written_event_.notify(SC_ZERO_TIME);
  }
}

void ConvUnit::drain() {
  while (true) {
    while (leaving_.empty()) wait(leaving_event_);
    sim::wait_until(leaving_.front().at);
    tiles_left_ += leaving_.front().tiles_to_ddr;
    while (tiles_written_ < tiles_left_) wait(written_event_);
    overlay_.finish(leaving_.front().instruction, leaving_.front().result);
    leaving_.pop_front();
  }
}

// --- streams -------------------------------------------------------------------------------------

using sim::now;

StreamUnit::StreamUnit(sc_core::sc_module_name name, Overlay& overlay, Unit unit, Client client)
    : sc_module(name),
      overlay_(overlay),
      unit_(unit),
      client_(client),
      resource_(overlay.resources.unit[static_cast<std::size_t>(unit)]) {
  SC_HAS_PROCESS(StreamUnit);
  SC_THREAD(run);
  set_stack_size(1 << 20);
  if (!has_tiles()) return;
  SC_THREAD(load_tiles);
  SC_THREAD(write_results);
}

void StreamUnit::run() {
  const auto unit = static_cast<std::size_t>(unit_);
  auto& queue = overlay_.queue[unit];
  while (true) {
    while (queue.empty()) wait(overlay_.given[unit]);
    const std::int32_t instruction = queue.front();
    queue.pop_front();
    overlay_.take(unit_);
    const StreamCost cost = stream_cost(overlay_.step(instruction).instruction, overlay_.machine);
    if (!cost.tiles.empty()) {
      const Result result = run_tiles(instruction, cost);
      overlay_.finish(instruction, result);
      continue;
    }
    const Result result = overlay_.start(instruction);
    if (cost.ddr.value > 0) {
      const std::int64_t begin = now();
      sim::wait_until(begin + overlay_.machine.ddr.latency_cycles);
      overlay_.recorder.record(resource_, instruction, begin, begin, now(), Cause::MemoryWait, 0,
                               overlay_.resources.ddr);
    }
    std::int64_t moved = 0;
    for (std::int64_t row = 0; row < cost.rows; ++row) {
      if (cost.ddr.value == 0) {
        stream_row(instruction, cost);
      } else {
        transfer_row(instruction, cost,
                     cost.ddr.value * (row + 1) / cost.rows - cost.ddr.value * row / cost.rows,
                     moved);
      }
    }
    overlay_.finish(instruction, result);
  }
}

// Until `count` of the tiled instruction is `until`.
void StreamUnit::wait_for_tiles(const std::size_t& count, std::size_t until) {
  const std::int64_t begin = now();
  while (count < until) wait(tiled_event_);
  overlay_.recorder.record(resource_, tiled_->instruction, begin, begin, now(), Cause::MemoryWait,
                           0, overlay_.resources.ddr);
}

Result StreamUnit::run_tiles(std::int32_t instruction, StreamCost cost) {
  const bool reads = tail(overlay_.step(instruction).instruction).source_in_ddr;
  if (reads) overlay_.begin_tiles(instruction);
  tiled_ = Tiled{.instruction = instruction, .cost = std::move(cost)};
  tiled_event_.notify(SC_ZERO_TIME);
  Result result;
  for (std::size_t i = 0; i < tiled_->cost.tiles.size(); ++i) {
    wait_for_tiles(tiled_->loaded, i + 1);
    if (i == 0) result = overlay_.start(instruction);
    StreamCost rows = tiled_->cost;
    rows.row_cycles = tiled_->cost.tiles[i].row_cycles;
    for (std::int64_t row = 0; row < tiled_->cost.tiles[i].rows; ++row) {
      stream_row(instruction, rows);
    }
    ++tiled_->used;
    tiled_event_.notify(SC_ZERO_TIME);
    // One result is written while the next is collected.
    if (i >= kResultTiles) wait_for_tiles(tiled_->written, i + 1 - kResultTiles);
  }
  wait_for_tiles(tiled_->written, tiled_->cost.tiles.size());
  tiled_.reset();
  return result;
}

void StreamUnit::move(std::int32_t instruction, Client client, Bytes bytes, std::int64_t& moved,
                      bool first) {
  if (bytes.value == 0) return;
  if (first) {
    moved = 0;
    sim::wait_until(now() + overlay_.machine.ddr.latency_cycles);
  }
  overlay_.transfer(instruction, client, bytes.value, moved);
}

void StreamUnit::load_tiles() {
  const Client client = unit_ == Unit::Pool ? Client::PoolTiles : Client::EltwiseTiles;
  std::int64_t moved = 0;
  while (true) {
    while (!tiled_ || tiled_->loaded == tiled_->cost.tiles.size() ||
           tiled_->loaded - tiled_->used >= 2) {
      wait(tiled_event_);
    }
    const StreamTile& tile = tiled_->cost.tiles[tiled_->loaded];
    move(tiled_->instruction, client, tile.ddr, moved, tiled_->loaded == 0);
    ++tiled_->loaded;
    tiled_event_.notify(SC_ZERO_TIME);
  }
}

void StreamUnit::write_results() {
  const Client client = unit_ == Unit::Pool ? Client::PoolResults : Client::EltwiseResults;
  std::int64_t moved = 0;
  while (true) {
    while (!tiled_ || tiled_->written == tiled_->used) wait(tiled_event_);
    const StreamTile& tile = tiled_->cost.tiles[tiled_->written];
    const std::int64_t begin = now();
    move(tiled_->instruction, client, tile.result, moved, tiled_->written == 0);
    sim::wait_until(begin + tile.result_groups.value);
    ++tiled_->written;
    tiled_event_.notify(SC_ZERO_TIME);
  }
}

void StreamUnit::stream_row(std::int32_t instruction, const StreamCost& cost) {
  const std::int64_t asked = now();
  const auto client = static_cast<int>(client_);
  overlay_.read_ports.acquire(client, cost.read_ports, cost.row_cycles.value);
  const std::int64_t begin =
      overlay_.write_ports.acquire(client, cost.write_ports, cost.row_cycles.value);
  overlay_.recorder.record(resource_, instruction, asked, asked, begin, Cause::PortStall);
  sim::wait_until(begin + cost.row_cycles.value);
  overlay_.recorder.record(resource_, instruction, asked, begin, now(), Cause::Work);
}

// A row between DDR and AM: the port is held while the words pass, which takes as long as the
// slower side.
void StreamUnit::transfer_row(std::int32_t instruction, const StreamCost& cost, std::int64_t bytes,
                              std::int64_t& moved) {
  const std::int64_t asked = now();
  auto& ports = cost.read_ports > 0 ? overlay_.read_ports : overlay_.write_ports;
  const std::int64_t begin = ports.acquire(static_cast<int>(client_), 1, cost.row_cycles.value);
  overlay_.recorder.record(resource_, instruction, asked, asked, begin, Cause::PortStall);
  overlay_.transfer(instruction, client_, bytes, moved);
  sim::wait_until(begin + cost.row_cycles.value);
  overlay_.recorder.record(resource_, instruction, asked, begin, now(), Cause::Work);
}

}  // namespace workbench::xdnn

// The units of an overlay, a SystemC module each.
#pragma once

#include <deque>
#include <optional>
#include <systemc>
#include <vector>

#include "sim/xdnn/overlay.h"

namespace workbench::xdnn {

// --- convolution ---------------------------------------------------------------------------------

// The convolution unit: a loader that streams filter slabs into two buffers, a loader that brings
// input tiles when the source is in DDR, the systolic array, and the pipeline behind it that drains
// into the AM. Loaders look one command ahead, so a command that need not wait for the one before
// has its first filters ready when the array is free.

class ConvUnit : public sc_core::sc_module {
 public:
  ConvUnit(sc_core::sc_module_name name, Overlay& overlay);

 private:
  // A command as the loaders and the array see it.
  struct Command {
    std::int32_t instruction = -1;
    ConvCost cost;
    std::vector<TileCost> tiles;  // one that covers everything when the source is in the AM
    bool tiled = false;
    bool resident = false;  // all slabs fit the buffers at once: loaded once, not per tile
    bool kept = false;      // its slab is there already, of the command before
    bool hands_on = false;  // the next command keeps its slab
    std::int64_t slabs_loaded = 0, tiles_loaded = 0, tiles_used = 0;
    std::int64_t ddr_waited = 0;     // cycles the filter loader waited for other DDR clients
    std::int64_t ddr_accounted = 0;  // of those, already charged to a stall of the array
  };
  struct Leaving {  // results on their way through the pipeline
    std::int32_t instruction;
    std::int64_t at;
    Result result;
    std::int64_t tiles_to_ddr;  // to be written before the command has finished
  };
  struct Streaming {  // the result of a tile on its way to DDR
    std::int32_t instruction;
    std::int64_t bytes, groups;
    bool first;  // tile of its command
  };

  void accept();         // SC_THREAD: queue -> commands_
  void load_filters();   // SC_THREAD
  void load_tiles();     // SC_THREAD
  void compute();        // SC_THREAD: the array
  void drain();          // SC_THREAD
  void write_results();  // SC_THREAD: what streams to DDR

  Command make_command(std::int32_t instruction) const;
  void load_slab(Command& command, std::int64_t& moved);
  void run_pass(Command& command, const TileCost& tile, std::int64_t slab);
  void wait_for_tile(Command& command, std::int64_t tile);
  void wait_for_slab(Command& command, std::int64_t slab);
  void stream_row(const Command& command, const TileCost& tile);
  void load_row(const Command& command, const TileCost& tile, std::int64_t row,
                std::int64_t& moved);
  void hand_to_ddr(const Command& command, std::size_t tile);

  Overlay& overlay_;
  std::vector<bool> kept_, hands_on_;  // per instruction
  std::deque<Command> commands_;  // accepted, not yet streamed; stable addresses for the loaders
  std::int64_t accepted_ = 0, streamed_ = 0;  // running counts: commands_[0] is number streamed_
  std::int64_t free_buffers_;
  std::deque<Leaving> leaving_;
  std::deque<Streaming> streaming_;
  std::int64_t tiles_written_ = 0, tiles_left_ = 0;  // running counts: to DDR, of finished commands
  sc_core::sc_event accepted_event_, slab_event_, tile_event_, buffer_event_, leaving_event_;
  sc_core::sc_event streaming_event_, written_event_;
};

// --- streams -------------------------------------------------------------------------------------

// The engines through which words simply stream: pool, eltwise, upsample, download, upload. One
// command at a time, row by row.

class StreamUnit : public sc_core::sc_module {
 public:
  StreamUnit(sc_core::sc_module_name name, Overlay& overlay, Unit unit, Client client);

 private:
  // A pool or sum with operands or result in DDR, while it runs: tiles are fetched ahead into two
  // buffers and leave behind it.
  struct Tiled {
    std::int32_t instruction = 0;
    StreamCost cost;
    std::size_t loaded = 0, used = 0, written = 0;
  };

  void run();            // SC_THREAD
  void load_tiles();     // SC_THREAD, of units with tiles
  void write_results();  // SC_THREAD, likewise
  bool has_tiles() const { return unit_ == Unit::Pool || unit_ == Unit::Eltwise; }
  Result run_tiles(std::int32_t instruction, StreamCost cost);
  void wait_for_tiles(const std::size_t& count, std::size_t until);
  void move(std::int32_t instruction, Client client, Bytes bytes, std::int64_t& moved, bool first);
  void stream_row(std::int32_t instruction, const StreamCost& cost);
  void transfer_row(std::int32_t instruction, const StreamCost& cost, std::int64_t bytes,
                    std::int64_t& moved);

  Overlay& overlay_;
  Unit unit_;
  Client client_;
  int resource_;
  std::optional<Tiled> tiled_;
  sc_core::sc_event tiled_event_;  // it begins, or one of its counts has changed
};

}  // namespace workbench::xdnn

#include "compiler/pulp/layer_code.h"

#include <algorithm>

#include "compiler/pulp/constants.h"
#include "compiler/pulp/search_steps.h"
#include "compiler/pulp/tiling.h"
#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/check.h"

namespace workbench::pulp {
namespace {

bool empty(const Block& b) { return b.c0 >= b.c1 || b.y0 >= b.y1 || b.x0 >= b.x1; }

std::string text(const char* what, const Block& b) {
  return fmt::format("{} [{{{}}}:{{{}}}, {{{}}}:{{{}}}, {{{}}}:{{{}}}]", what, b.c0, b.c1, b.y0,
                     b.y1, b.x0, b.x1);
}

}  // namespace

void refuse_instructions(const std::string& layer) {
  fail(
      "{}: with it, the program has over {} instructions: its tiles are too small for its maps "
      "(more L1: --l1)",
      layer, kMostInstructions);
}

Nest::Nest(const Block& all, const Cut& cut, LoopOrder order, const NestLoops& loops)
    : all_(all), cut_(cut), order_(order) {
  const std::int64_t channels = ceil_div(all.c1 - all.c0, cut.out_c),
                     rows = ceil_div(all.y1 - all.y0, cut.out_h),
                     columns = ceil_div(all.x1 - all.x0, cut.out_w);
  if (order == LoopOrder::ChannelsOuter) {
    trips_ = {channels, rows, columns};
    over_ = {loops.channels, loops.rows, loops.columns};
  } else {
    trips_ = {rows, columns, channels};
    over_ = {loops.rows, loops.columns, loops.channels};
  }
}

std::size_t Nest::size() const {
  return static_cast<std::size_t>(trips_[0] * trips_[1] * trips_[2]);
}

Block Nest::operator[](std::size_t i) const {
  const auto at = static_cast<std::int64_t>(i);
  const std::int64_t outer = at / (trips_[1] * trips_[2]), middle = at / trips_[2] % trips_[1],
                     inner = at % trips_[2];
  const bool channels_outer = order_ == LoopOrder::ChannelsOuter;
  Block block;
  block.c0 = all_.c0 + (channels_outer ? outer : inner) * cut_.out_c;
  block.y0 = all_.y0 + (channels_outer ? middle : outer) * cut_.out_h;
  block.x0 = all_.x0 + (channels_outer ? inner : middle) * cut_.out_w;
  block.c1 = std::min(block.c0 + cut_.out_c, all_.c1);
  block.y1 = std::min(block.y0 + cut_.out_h, all_.y1);
  block.x1 = std::min(block.x0 + cut_.out_w, all_.x1);
  return block;
}

void Listing::add(const Instruction& instruction, const std::string& what) {
  std::string text = fmt::format("{} {}{}", opcode(instruction), name, what.empty() ? "" : " ");
  std::vector<TextNumber> numbers;
  for (const char c : what) {
    if (c == '{') {
      numbers.push_back({text.size(), 0});
    } else if (c == '}') {
      numbers.back().end = text.size();
    } else {
      text += c;
    }
  }
  Program& program = to.program;
  if (std::ssize(program.instructions) == kMostInstructions) refuse_instructions(name);
  program.instructions.push_back(instruction);
  program.info.instruction_layer.push_back(layer);
  program.info.instruction_text.push_back(std::move(text));
  program.text_numbers.push_back(std::move(numbers));
}

LayerCode::LayerCode(const Network& network, const Layer& of, const LayerPlan& its_plan,
                     const std::vector<Home>& homes, const Machine& its_machine)
    : layer(of),
      plan(its_plan),
      tiling(its_plan.tiling),
      machine(its_machine),
      slices({0, of.call.out_c, 0, of.call.out_h, 0, of.call.out_w}, its_plan.tiling.slice,
             its_plan.tiling.slice_order, kSliceLoops),
      network_(network),
      homes_(homes) {
  const auto passes = [&](std::int32_t a) {
    return a >= 0 && homes[static_cast<std::size_t>(a)].space == Space::L3;
  };
  input_by_slice = passes(layer.in);
  second_by_slice = passes(layer.in2);
  output_by_slice = passes(layer.out);
  for (std::size_t s = 0; s < slices.size(); ++s) {
    tiles.emplace_back(slices[s], tiling.tile, tiling.order, kTileLoops);
  }
}

Block LayerCode::input_of(const Block& out) const {
  const InputSpan rows = input_rows(layer.call, out.y0, out.y1);
  const InputSpan columns = input_columns(layer.call, out.x0, out.x1);
  Block in{0, layer.call.in_c, rows.begin, rows.end, columns.begin, columns.end};
  if (traits(layer.family).by_channel) in.c0 = out.c0, in.c1 = out.c1;
  if (traits(layer.family).vector) in = {0, layer.call.in_c, 0, 1, 0, 1};
  return in;
}

// No higher than the highest slice: buffers have room for that.
Block LayerCode::input_of_slice(std::size_t s) const {
  Block in = input_of(slices[s]);
  if (!tiling.as_dory || traits(layer.family).vector) return in;
  const std::int64_t whole = slices.size() == 1 ? in.y1 : layer.call.in_h;
  const std::int64_t rows = row_extent(layer, tiling.slice.out_h, tiling.slice.out_h).data;
  in.y1 = std::max(in.y1, std::min(in.y0 + rows, whole));
  return in;
}

Block LayerCode::input_of_tile(std::size_t s, const Block& tile) const {
  Block in = input_of(tile);
  const bool last = tile.y1 == slices[s].y1;
  if (!tiling.as_dory || !traits(layer.family).planes || last) return in;
  const std::int64_t end = input_by_slice ? input_of_slice(s).y1 : layer.call.in_h;
  in.y1 = std::max(in.y1, std::min(in.y0 + inner_rows(layer.call, tiling.tile.out_h), end));
  return in;
}

std::size_t LayerCode::part_of(const Block& slice) const {
  for (std::size_t p = 0; p < plan.constants.size(); ++p) {
    const ConstantPart& part = plan.constants[p];
    if (part.first <= slice.c0 && slice.c1 <= part.first + part.channels) return p;
  }
  CHECK(false, "{}: no constants of channels {} to {}", layer.name, slice.c0, slice.c1);
}

// --- areas --------------------------------------------------------------------------------------

Area LayerCode::home_area(std::int32_t activation, std::int64_t channels, std::int64_t width,
                          std::int64_t bits) const {
  const FeatureMap& a = network_.activations[static_cast<std::size_t>(activation)];
  const Home& home = homes_[static_cast<std::size_t>(activation)];
  Area area{.space = home.space, .base = home.address, .bits = bits};
  area.pixel_stride = code_bytes(channels, bits);
  if (a.whole >= 0) {
    const FeatureMap& whole = network_.activations[static_cast<std::size_t>(a.whole)];
    area.pixel_stride = code_bytes(whole.channels, bits);
    area.base += a.first_channel * bits / 8;
  }
  area.row_stride = width * area.pixel_stride;
  return area;
}

Area LayerCode::input_area(bool second) const {
  return home_area(second ? layer.in2 : layer.in, layer.call.in_c, layer.call.in_w,
                   layer.call.in_bits);
}

Area LayerCode::output_area() const {
  return home_area(layer.out, layer.call.out_c, layer.call.out_w, layer.call.out_bits);
}

// A slice in an L2 buffer, closely packed.
Area LayerCode::slice_area(const Area& home, std::int64_t address, const Block& block) const {
  Area area{.space = Space::L2, .base = address, .bits = home.bits};
  area.pixel_stride = code_bytes(block.c1 - block.c0, home.bits);
  area.row_stride = (block.x1 - block.x0) * area.pixel_stride;
  area.c0 = block.c0, area.y0 = block.y0, area.x0 = block.x0;
  return area;
}

// --- L3 -----------------------------------------------------------------------------------------

void LayerCode::load_constants(Listing& to, std::size_t part, std::size_t b, std::int64_t id,
                               std::int64_t id_step) const {
  const std::vector<ConstantPart::Piece>& pieces = plan.constants.at(part).pieces;
  to.loop(LoopOver::Pieces, std::ssize(pieces), [&](std::int64_t p) {
    const ConstantPart::Piece& piece = pieces[static_cast<std::size_t>(p)];
    to.add(L3Transfer{.to_l2 = true,
                      .l3 = piece.l3,
                      .l2 = plan.constants_l2[b] + piece.offset,
                      .length = piece.bytes,
                      .id = id + p * id_step},
           fmt::format("constants {{{}}}", part));
  });
}

// Runs as long as both sides allow.
void LayerCode::move_slice(Listing& to, const Area& home, std::int64_t address, const Block& block,
                           bool to_l2, std::int64_t id) const {
  const Area slice = slice_area(home, address, block);
  const std::int64_t pixel = slice.pixel_stride, rows = block.y1 - block.y0,
                     columns = block.x1 - block.x0;
  L3Transfer transfer{.to_l2 = to_l2, .length = pixel, .id = id};
  const auto at = [&](std::int64_t y) {
    transfer.l3 = home.address(block.c0, y, block.x0);
    transfer.l2 = slice.address(block.c0, y, block.x0);
    to.add(transfer, text(to_l2 ? "in slice" : "out slice", block));
  };
  const bool whole_rows = home.row_stride == columns * home.pixel_stride;
  if (home.pixel_stride == pixel && whole_rows) {
    transfer.length = rows * columns * pixel;
    return at(block.y0);
  }
  if (home.pixel_stride == pixel) {
    transfer.length = columns * pixel;
    transfer.rows = rows;
    transfer.l3_stride = home.row_stride, transfer.l2_stride = slice.row_stride;
    return at(block.y0);
  }
  transfer.l3_stride = home.pixel_stride, transfer.l2_stride = pixel;
  transfer.rows = whole_rows ? rows * columns : columns;
  if (whole_rows) return at(block.y0);
  to.loop(LoopOver::Lines, rows, [&](std::int64_t y) { at(block.y0 + y); });
}

void LayerCode::load_slice(Listing& to, std::size_t s, std::size_t b, std::int64_t id) const {
  const Block in = input_of_slice(s);
  if (empty(in)) return;
  if (input_by_slice) move_slice(to, input_area(false), plan.in_l2[b], in, true, id);
  if (second_by_slice) move_slice(to, input_area(true), plan.in2_l2[b], in, true, id);
}

void LayerCode::store_slice(Listing& to, std::size_t s, std::size_t b, std::int64_t id) const {
  if (output_by_slice) move_slice(to, output_area(), plan.out_l2[b], slices[s], false, id);
}

// --- L1 -----------------------------------------------------------------------------------------

// A tile [rows][columns][channels]: commands of one row, or of one pixel where the tile has not all
// channels; with 2-D commands, of as much as strides allow.
Dma LayerCode::move_tile(const Area& l2, std::int64_t l1, const Block& block, bool to_l1,
                         std::int64_t id) const {
  const std::int64_t pixel = code_bytes(block.c1 - block.c0, l2.bits);
  const std::int64_t rows = block.y1 - block.y0, columns = block.x1 - block.x0;
  Dma dma{.to_l1 = to_l1, .l2 = l2.address(block.c0, block.y0, block.x0), .l1 = l1, .id = id};
  dma.length = pixel, dma.lines = columns, dma.rows = rows;
  dma.l2_line_stride = l2.pixel_stride, dma.l1_line_stride = pixel;
  dma.l2_row_stride = l2.row_stride, dma.l1_row_stride = columns * pixel;
  if (l2.pixel_stride == pixel || columns == 1) {
    dma.length = columns * pixel, dma.lines = 1;
    dma.l2_line_stride = dma.l1_line_stride = 0;
  }
  if (!tiling.commands_2d) return dma;
  const bool one_command = rows * columns * pixel <= machine.dma.length_max;
  if (dma.lines > 1) {
    dma.two_d = true;
    if (one_command && l2.row_stride == columns * l2.pixel_stride) {
      dma.lines = rows * columns, dma.rows = 1;
      dma.l2_row_stride = dma.l1_row_stride = 0;
    }
  } else if (one_command && rows > 1) {
    if (l2.row_stride == dma.length) {
      dma.length *= rows;
    } else {
      dma.two_d = true;
      dma.lines = rows;
      dma.l2_line_stride = dma.l2_row_stride, dma.l1_line_stride = dma.l1_row_stride;
    }
    dma.rows = 1;
    dma.l2_row_stride = dma.l1_row_stride = 0;
  }
  return dma;
}

// A tile [channels][rows][columns] of a map that lies pixel by pixel: lines of one byte, one
// command per channel (docs/facts/pulp.md 3.6), or per channel and row where the tile is narrower
// than the map.
Dma LayerCode::turn_tile(const Area& l2, std::int64_t l1, const Block& block,
                         std::int64_t id) const {
  const std::int64_t rows = block.y1 - block.y0, columns = block.x1 - block.x0;
  Dma dma{.to_l1 = true, .l2 = l2.address(block.c0, block.y0, block.x0), .l1 = l1, .length = 1};
  dma.two_d = true;
  dma.id = id;
  dma.l2_line_stride = l2.pixel_stride, dma.l1_line_stride = 1;
  if (l2.row_stride == columns * l2.pixel_stride || rows == 1) {
    dma.lines = rows * columns;
    dma.rows = block.c1 - block.c0;
    dma.l2_row_stride = 1, dma.l1_row_stride = rows * columns;
    return dma;
  }
  dma.lines = columns, dma.rows = rows, dma.planes = block.c1 - block.c0;
  dma.l2_row_stride = l2.row_stride, dma.l1_row_stride = columns;
  dma.l2_plane_stride = 1, dma.l1_plane_stride = rows * columns;
  return dma;
}

// Rows that lie one behind the other: a command each in DORY's code, one for all else.
Dma LayerCode::move_run(std::int64_t l2, std::int64_t l1, std::int64_t rows, std::int64_t row_bytes,
                        bool split, std::int64_t id) const {
  Dma dma{.to_l1 = true, .l2 = l2, .l1 = l1, .length = row_bytes, .rows = rows, .split = split};
  dma.l2_row_stride = dma.l1_row_stride = row_bytes;
  dma.id = id;
  const bool merge = tiling.commands_2d || !split;
  if (rows == 1 || (merge && rows * row_bytes <= machine.dma.length_max)) {
    dma.length = rows * row_bytes, dma.rows = 1;
    dma.l2_row_stride = dma.l1_row_stride = 0;
  }
  return dma;
}

// The weights [channel][tap][input channel] of the pass's input channels, closely packed.
Dma LayerCode::move_pass_weights(std::int64_t l2, std::int64_t l1, std::int64_t channels,
                                 const Pass& pass, std::int64_t id) const {
  const std::int64_t bits = layer.call.weight_bits;
  const std::int64_t taps = layer.call.kernel_h * layer.call.kernel_w;
  const std::int64_t row = weight_row_bytes(layer),
                     length = code_bytes(pass.end - pass.begin, bits);
  Dma dma{.l2 = l2 + pass.begin * bits / 8, .l1 = l1, .length = length, .two_d = true};
  dma.id = id;
  dma.lines = taps, dma.rows = channels;
  dma.l2_line_stride = row / taps, dma.l1_line_stride = length;
  dma.l2_row_stride = row, dma.l1_row_stride = taps * length;
  if (channels * taps * length > machine.dma.length_max) return dma;
  dma.lines = channels * taps, dma.rows = 1;
  dma.l2_row_stride = dma.l1_row_stride = 0;
  return dma;
}

std::vector<Pass> LayerCode::passes(const Block& tile) const {
  return passes_of(tiling.passes, call_of(tile));
}

Block LayerCode::input_of_pass(std::size_t s, const Block& tile, const Pass& pass) const {
  Block in = input_of_tile(s, tile);
  switch (tiling.passes.over) {
    case PassOver::Nothing:
      return in;
    case PassOver::Channels:
      in.c1 = in.c0 + pass.end, in.c0 += pass.begin;
      return in;
    case PassOver::Rows:
      in.y1 = in.y0 + pass.end, in.y0 += pass.begin;
      return in;
    case PassOver::Columns:
      in.x1 = in.x0 + pass.end, in.x0 += pass.begin;
      return in;
  }
  CHECK(false, "passes over {}", static_cast<int>(tiling.passes.over));
}

void LayerCode::load_input(Listing& to, std::size_t s, const Block& tile, const Buffers& b,
                           std::int64_t id, const Pass& pass) const {
  const Block in = input_of_pass(s, tile, pass);
  if (empty(in)) return;
  for (const bool second : {false, true}) {
    if (second && layer.in2 < 0) continue;
    Area area = input_area(second);
    if (second ? second_by_slice : input_by_slice) {
      const std::int64_t address = (second ? plan.in2_l2 : plan.in_l2)[b.slice];
      area = slice_area(area, address, input_of(slices[s]));
    }
    const std::int64_t l1 = (second ? tiling.map.in2 : tiling.map.in)[b.in];
    const Dma dma = traits(tiling.kernel).planes ? turn_tile(area, l1, in, id)
                                                 : move_tile(area, l1, in, true, id);
    to.add(dma, text(second ? "in 2" : "in", in));
  }
}

void LayerCode::load_weights(Listing& to, std::size_t s, const Block& tile, const Buffers& b,
                             std::int64_t id, const Pass& pass) const {
  const std::int64_t row = weight_row_bytes(layer);
  if (row == 0) return;
  const ConstantPart& part = plan.constants[part_of(slices[s])];
  const std::int64_t from = plan.constants_l2[b.constants] + part.weights;
  if (tiling.passes.over == PassOver::Channels) {
    to.add(move_pass_weights(from + (tile.c0 - part.first) * row, tiling.map.weights[b.weights],
                             tile.c1 - tile.c0, pass, id),
           fmt::format("weights [{{{}}}:{{{}}}, {{{}}}:{{{}}}]", tile.c0, tile.c1, pass.begin,
                       pass.end));
    return;
  }
  Dma dma = move_run(from + (tile.c0 - part.first) * row, tiling.map.weights[b.weights],
                     tile.c1 - tile.c0, row, true, id);
  if (tiling.as_dory && traits(layer.family).planes) {
    dma.length = 1, dma.lines = row;
    dma.l2_line_stride = dma.l1_line_stride = 1;
  }
  to.add(dma, fmt::format("weights [{{{}}}:{{{}}}]", tile.c0, tile.c1));
}

void LayerCode::load_norm(Listing& to, std::size_t s, const Block& tile, const Buffers& b,
                          std::int64_t id, const Pass& pass) const {
  if (!has_constants()) return;
  const ConstantPart& part = plan.constants[part_of(slices[s])];
  const auto load = [&](const char* what, std::int64_t offset, std::int64_t each,
                        const std::int64_t(&l1)[2]) {
    const std::int64_t from = plan.constants_l2[b.constants] + offset;
    to.add(move_run(from + (tile.c0 - part.first) * each, l1[b.weights], tile.c1 - tile.c0, each,
                    false, id),
           fmt::format("{} [{{{}}}:{{{}}}]", what, tile.c0, tile.c1));
  };
  if (layer.call.norm && pass.last) {
    load("kappa", part.kappa, layer.call.norm_bits / 8, tiling.map.kappa);
    load("lambda", part.lambda, layer.call.norm_bits / 8, tiling.map.lambda);
  }
  if (layer.call.has_bias && pass.first) load("bias", part.bias, 4, tiling.map.bias);
}

void LayerCode::store_output(Listing& to, std::size_t s, const Block& tile, const Buffers& b,
                             std::int64_t id) const {
  Area area = output_area();
  if (output_by_slice) area = slice_area(area, plan.out_l2[b.slice], slices[s]);
  to.add(move_tile(area, tiling.map.out[b.out], tile, false, id), text("out", tile));
}

Kernel LayerCode::call_of(const Block& tile) const {
  const Cut cut{tile.c1 - tile.c0, tile.y1 - tile.y0, tile.x1 - tile.x0};
  Kernel call = tile_call(layer, tiling.kernel, tile.c0, tile.y0, tile.x0, cut);
  call.cores = tiling.cores;
  return call;
}

Kernel LayerCode::kernel(std::size_t s, const Block& tile, const Buffers& b,
                         const Pass& pass) const {
  Kernel call = pass_call(call_of(tile), tiling.passes, pass);
  if (tiling.as_dory && traits(layer.family).planes) {
    const Block in = input_of_tile(s, tile);
    call.in_h = in.y1 - in.y0;
    const bool bottom = tile.y1 == layer.call.out_h;
    if (bottom) call.pad_bottom = std::max(call.pad_bottom, layer.pad_bottom);
  }
  const L1Map& map = tiling.map;
  call.in = map.in[b.in];
  if (layer.in2 >= 0) call.in2 = map.in2[b.in];
  if (!layer.weights.empty()) call.weights = map.weights[b.weights];
  if (call.has_bias) call.bias = map.bias[b.weights];
  if (call.norm) call.kappa = map.kappa[b.weights], call.lambda = map.lambda[b.weights];
  call.out = pass.last ? map.out[b.out] : map.sums;
  if (call.sums_in) call.bias = map.sums;
  call.scratch = map.scratch;
  return without_decoration(call);
}

}  // namespace workbench::pulp

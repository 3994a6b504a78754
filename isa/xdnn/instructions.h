// The xDNN V3 instruction set (docs/facts/xdnn.md 2.4): one struct per instruction, fields under
// the vendor's template names and in the vendor's order, so that assembly, JSON and equality follow
// from the field lists. Addresses are AM words unless an srcAddDDR/dstAddDDR flag says DDR bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "core/fields.h"

namespace workbench::xdnn {

// How C channels of a pixel lie in AM words (docs/facts/xdnn.md 1.5): `full` words of one channel
// per byte, then `repl_sections` words each holding `repl_width` channels, `repl_units` copies of
// them.
struct ChannelLayout {
  std::int64_t full = 0, repl_sections = 0, repl_units = 0, repl_width = 0;
  std::int64_t sections() const { return full + repl_sections; }  // words per pixel
  bool replicated() const { return repl_sections > 0; }
  friend bool operator==(const ChannelLayout&, const ChannelLayout&) = default;
};

// The control tail that every compute instruction carries (REPL in docs/facts/xdnn.md 2.4).
struct Tail {
  std::int64_t slice = 1;
  ChannelLayout source, destination;
  bool concat_part = false;     // the result is part of a concat volume
  ChannelLayout concat_volume;  // layout of that whole volume
  std::int64_t concat_start = 0, concat_channels = 0;
  // Do not start until that unit's previous command has finished.
  bool wait_download = false, wait_upload = false, wait_conv = false, wait_pool = false,
       wait_eltwise = false, wait_upsample = false;
  bool parallel_read = false;  // eltwise: operands in different AM partitions
  bool pre_relu = false;
  bool pingpong_weight = false;  // filter slabs alternate between the two buffers
  bool half_rate = false;        // half the output channels per pass
  bool inline_maxpool = false;
  bool source_from_image_queue = false, destination_from_image_queue = false;
  bool source_in_ddr = false, destination_in_ddr = false;
  std::int64_t tile_width = 0, tile_height = 0;  // output tile of hardware-assisted tiling
  bool tiling = false;                           // HAT
  std::int64_t source_buffer_0 = 0, source_buffer_1 = 0, destination_offset = 0;

  static constexpr void fields(auto& self, auto&& visit) {
    visit("slice", self.slice);
    visit("src_full_sect_num", self.source.full);
    visit("src_repl_sect_num", self.source.repl_sections);
    visit("src_repl_unit_num", self.source.repl_units);
    visit("src_repl_unit_width", self.source.repl_width);
    visit("dst_full_sect_num", self.destination.full);
    visit("dst_repl_sect_num", self.destination.repl_sections);
    visit("dst_repl_unit_num", self.destination.repl_units);
    visit("dst_repl_unit_width", self.destination.repl_width);
    visit("concat_i_am_your_father", self.concat_part);
    visit("concat_full_sect_num", self.concat_volume.full);
    visit("concat_repl_sect_num", self.concat_volume.repl_sections);
    visit("concat_repl_unit_num", self.concat_volume.repl_units);
    visit("concat_repl_unit_width", self.concat_volume.repl_width);
    visit("concat_starting_ch", self.concat_start);
    visit("concat_channels", self.concat_channels);
    visit("wait_download", self.wait_download);
    visit("wait_upload", self.wait_upload);
    visit("wait_conv", self.wait_conv);
    visit("wait_pool", self.wait_pool);
    visit("wait_ew", self.wait_eltwise);
    visit("wait_upsmpl", self.wait_upsample);
    visit("parallel_read", self.parallel_read);
    visit("prerelu", self.pre_relu);
    visit("en_pingpong_weight", self.pingpong_weight);
    visit("en_halfrate_mode", self.half_rate);
    visit("en_inlinemaxpool", self.inline_maxpool);
    visit("srcAddrReadFromImgQ", self.source_from_image_queue);
    visit("destAddrReadFromImgQ", self.destination_from_image_queue);
    visit("srcAddDDR", self.source_in_ddr);
    visit("dstAddDDR", self.destination_in_ddr);
    visit("tile_width", self.tile_width);
    visit("tile_height", self.tile_height);
    visit("HAT", self.tiling);
    visit("SRCAM-Buffer_0", self.source_buffer_0);
    visit("SRCAM-Buffer_1", self.source_buffer_1);
    visit("DEST_AM-Buffer_Offset", self.destination_offset);
  }
};

// The engines an instruction can run on, in the order of the wait bits (docs/facts/xdnn.md 2.7).
enum class Unit { Download, Upload, Conv, Pool, Eltwise, Upsample };
inline constexpr int kUnits = 6;

// XNConv; XNDeconv when `transposed` (same fields). Zero outside the input; the padding at the far
// sides follows from the output size.
struct Conv {
  static constexpr std::string_view kOpcode = "XNConv";
  static constexpr Unit kUnit = Unit::Conv;
  bool transposed = false;
  std::int64_t kernel_w = 1, kernel_h = 1, stride_w = 1, stride_h = 1, pad_w = 0, pad_h = 0,
               dilation_w = 1, dilation_h = 1;
  std::int64_t preshift = 16, scale = 26, postshift = 2;  // placeholders, docs/facts/xdnn.md 2.2:
                                                          // the real ones are per channel, in DDR
  bool relu = false, prelu = false, bias = false;
  std::int64_t inaddr = 0, in_w = 0, in_h = 0, in_ch = 0;
  std::int64_t outaddr = 0, out_w = 0, out_h = 0, out_ch = 0;
  std::int64_t bypass = 0;  // V2 only; always 0, meaning unknown (docs/facts/xdnn.md 2.2)
  std::int64_t weights_bit = 1;
  Tail tail;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("kernel_w", self.kernel_w);
    visit("kernel_h", self.kernel_h);
    visit("strides_w", self.stride_w);
    visit("strides_h", self.stride_h);
    visit("padding_w", self.pad_w);
    visit("padding_h", self.pad_h);
    visit("dilation_w", self.dilation_w);
    visit("dilation_h", self.dilation_h);
    visit("preshift", self.preshift);
    visit("scale", self.scale);
    visit("postshift", self.postshift);
    visit("relu", self.relu);
    visit("prelu", self.prelu);
    visit("bias", self.bias);
    visit("inaddr", self.inaddr);
    visit("insize_w", self.in_w);
    visit("insize_h", self.in_h);
    visit("inchan", self.in_ch);
    visit("outaddr", self.outaddr);
    visit("outsize_w", self.out_w);
    visit("outsize_h", self.out_h);
    visit("outchan", self.out_ch);
    visit("Bypass_Perf_Opt", self.bypass);
    visit("weights_bit", self.weights_bit);
    Tail::fields(self.tail, visit);
  }
};

// XNMaxPool, or XNAvgPool when `average`. Padding cells never win and add nothing to a sum.
struct Pool {
  static constexpr std::string_view kOpcode = "XNMaxPool";
  static constexpr Unit kUnit = Unit::Pool;
  bool average = false;
  std::int64_t kernel_w = 1, kernel_h = 1, stride_w = 1, stride_h = 1, pad_w = 0, pad_h = 0;
  std::int64_t fcmode = 0;  // average pool only; changes nothing here (docs/facts/xdnn.md 2.2)
  std::int64_t inaddr = 0, in_w = 0, in_h = 0, channels = 0;
  std::int64_t outaddr = 0, out_w = 0, out_h = 0;
  std::int64_t bypass = 0;  // V2 only
  std::int64_t weights_bit = 0;
  Tail tail;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("kernel_w", self.kernel_w);
    visit("kernel_h", self.kernel_h);
    visit("strides_w", self.stride_w);
    visit("strides_h", self.stride_h);
    visit("paddings_w", self.pad_w);
    visit("paddings_h", self.pad_h);
    visit("fcmode", self.fcmode);
    visit("inaddr", self.inaddr);
    visit("insize_w", self.in_w);
    visit("insize_h", self.in_h);
    visit("inchan", self.channels);
    visit("outaddr", self.outaddr);
    visit("outsize_w", self.out_w);
    visit("outsize_h", self.out_h);
    visit("Bypass_Perf_Opt", self.bypass);
    visit("weights_bit", self.weights_bit);
    Tail::fields(self.tail, visit);
  }
};

// XNMaxPoolPipelined: a convolution whose result streams through the in-line max pool. `conv`
// keeps the addresses, sizes and tail; its out_w x out_h is what enters the pool.
struct ConvPool {
  static constexpr std::string_view kOpcode = "XNMaxPoolPipelined";
  static constexpr Unit kUnit = Unit::Conv;
  std::int64_t kernel_w = 1, kernel_h = 1, stride_w = 1, stride_h = 1, pad_w = 0, pad_h = 0;
  std::int64_t out_w = 0, out_h = 0;  // after the pool; written to conv.outaddr
  std::int64_t conv_outsize_w = 0;    // out_w once more, for the vendor's runtime
  Conv conv;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("kernel_w", self.kernel_w);
    visit("kernel_h", self.kernel_h);
    visit("strides_w", self.stride_w);
    visit("strides_h", self.stride_h);
    visit("paddings_w", self.pad_w);
    visit("paddings_h", self.pad_h);
    visit("inaddr", self.conv.inaddr);
    visit("insize_w", self.conv.in_w);
    visit("insize_h", self.conv.in_h);
    visit("inchan", self.conv.in_ch);
    visit("outaddr", self.conv.outaddr);
    visit("outsize_w", self.out_w);
    visit("outsize_h", self.out_h);
    visit("weights_bit", self.conv.weights_bit);
    Tail::fields(self.conv.tail, visit);
    visit("conv_kernel_w", self.conv.kernel_w);
    visit("conv_kernel_h", self.conv.kernel_h);
    visit("conv_strides_w", self.conv.stride_w);
    visit("conv_strides_h", self.conv.stride_h);
    visit("conv_padding_w", self.conv.pad_w);
    visit("conv_padding_h", self.conv.pad_h);
    visit("conv_dilation_w", self.conv.dilation_w);
    visit("conv_dilation_h", self.conv.dilation_h);
    visit("conv_relu", self.conv.relu);
    visit("conv_prelu", self.conv.prelu);
    visit("conv_bias", self.conv.bias);
    visit("pool_insize_w", self.conv.out_w);
    visit("pool_insize_h", self.conv.out_h);
    visit("pool_inchan", self.conv.out_ch);
    visit("conv_outsize_w", self.conv_outsize_w);
  }
};

// XNEltwise: out = relu(clamp(rr((a + b) * scale, postshift))).
struct Eltwise {
  static constexpr std::string_view kOpcode = "XNEltwise";
  static constexpr Unit kUnit = Unit::Eltwise;
  bool add = true, bn = false, relu = false, prelu = false;
  std::int64_t inaddr_a = 0, inaddr_b = 0, width = 0, height = 0, channels = 0, outaddr = 0;
  std::int64_t bypass = 0;  // V2 only
  std::int64_t weights_bit = 1;
  std::int64_t second_source_offset = 0;  // of the second operand in the tile buffers (tiling)
  Tail tail;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("add", self.add);
    visit("bn", self.bn);
    visit("relu", self.relu);
    visit("prelu", self.prelu);
    visit("inaddrA", self.inaddr_a);
    visit("inaddrB", self.inaddr_b);
    visit("insize_w", self.width);
    visit("insize_h", self.height);
    visit("inchan", self.channels);
    visit("outaddr", self.outaddr);
    visit("Bypass_Perf_Opt", self.bypass);
    visit("weights_bit", self.weights_bit);
    Tail::fields(self.tail, visit);
    visit("EWA_2nd-Src_AM", self.second_source_offset);
  }
};

// XNUpsample, nearest neighbour by whole factors.
struct Upsample {
  static constexpr std::string_view kOpcode = "XNUpsample";
  static constexpr Unit kUnit = Unit::Upsample;
  std::int64_t factor_h = 1, factor_w = 1;
  std::int64_t inaddr = 0, in_h = 0, in_w = 0, channels = 0;
  std::int64_t outaddr = 0, out_w = 0, out_h = 0;
  std::int64_t method = 0;  // 0: nearest
  std::int64_t weights_bit = 0;
  Tail tail;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("kernel_h", self.factor_h);
    visit("kernel_w", self.factor_w);
    visit("inaddr", self.inaddr);
    visit("insize_h", self.in_h);
    visit("insize_w", self.in_w);
    visit("inchan", self.channels);
    visit("outaddr", self.outaddr);
    visit("outsize_w", self.out_w);
    visit("outsize_h", self.out_h);
    visit("method", self.method);
    visit("weights_bit", self.weights_bit);
    Tail::fields(self.tail, visit);
  }
};

// XNGather (download): rows [start_row, end_row], both included, of a DDR tensor into the AM.
struct Gather {
  static constexpr std::string_view kOpcode = "XNGather";
  static constexpr Unit kUnit = Unit::Download;
  std::int64_t am_address = 0, ddr_address = 0, width = 0, height = 0, channels = 0;
  std::int64_t a0 = 0, b1 = 1, c1 = 1;  // always 0 1 1, meaning unknown (docs/facts/xdnn.md 2.2)
  std::int64_t start_row = 0, end_row = 0;
  Tail tail;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("uram_dest", self.am_address);
    visit("ddr_src", self.ddr_address);
    visit("insize_w", self.width);
    visit("insize_h", self.height);
    visit("inchan", self.channels);
    visit("a0", self.a0);
    visit("b1", self.b1);
    visit("c1", self.c1);
    visit("start_row", self.start_row);
    visit("end_row", self.end_row);
    Tail::fields(self.tail, visit);
  }
};

// XNScatter (upload): rows of an AM volume into a DDR tensor.
struct Scatter {
  static constexpr std::string_view kOpcode = "XNScatter";
  static constexpr Unit kUnit = Unit::Upload;
  std::int64_t am_address = 0, ddr_address = 0, width = 0, height = 0, channels = 0;
  std::int64_t a0 = 0, b1 = 1, c1 = 1;
  std::int64_t start_row = 0, end_row = 0;
  Tail tail;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("uram_src", self.am_address);
    visit("ddr_dest", self.ddr_address);
    visit("outsize_w", self.width);
    visit("outsize_h", self.height);
    visit("outchan", self.channels);
    visit("a0", self.a0);
    visit("b1", self.b1);
    visit("c1", self.c1);
    visit("start_row", self.start_row);
    visit("end_row", self.end_row);
    Tail::fields(self.tail, visit);
  }
};

using Instruction = std::variant<Conv, Pool, ConvPool, Eltwise, Upsample, Gather, Scatter>;

std::string_view to_string(Unit unit);
Unit unit_of(const Instruction& instruction);

std::string_view opcode(const Instruction& instruction);  // "XNConv", "XNDeconv", "XNAvgPool", ...
// The inverse, all fields at their defaults; none for opcodes no unit of the model executes.
std::optional<Instruction> blank_instruction(std::string_view opcode);
const Tail& tail(const Instruction& instruction);
Tail& tail(Instruction& instruction);

bool waits_for(const Tail& tail, Unit unit);
void set_wait(Tail& tail, Unit unit, bool wait);

bool operator==(const Instruction& a, const Instruction& b);

}  // namespace workbench::xdnn

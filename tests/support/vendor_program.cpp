#include "tests/support/vendor_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "isa/xdnn/listing.h"
#include "isa/xdnn/memory.h"
#include "tests/support/random_xdnn.h"

namespace workbench::xdnn {

namespace {

using Json = nlohmann::ordered_json;
using Fields = std::vector<std::pair<std::string, std::string>>;

std::string text(std::int64_t value) { return std::to_string(value); }
std::string hex(std::int64_t value) { return fmt::format("{:#x}", value); }

// A map in the AM (address in words) or in DDR.
struct Place {
  std::int64_t c = 0, h = 0, w = 0;
  std::int64_t address = 0;
  ChannelLayout layout;
  bool in_ddr = false, in_queue = false;
};

class Writing {
 public:
  Writing(std::uint64_t seed, VendorStyle style, const Machine& machine)
      : random_(seed * 4 + static_cast<std::uint64_t>(style)),
        style_(style),
        machine_(machine),
        geometry_(machine.geometry()),
        dialect_(v2() ? Dialect::V2 : Dialect::V3) {}

  std::string run() {
    Place x = style_ == VendorStyle::Throughput ? first_layer_apart() : first_map();
    const std::int64_t layers = between(random_, 2, 6);
    for (std::int64_t i = 0; i < layers; ++i) x = layer(x);
    if (ends_joined_) x = convolution(x);  // what only moves a concat is the host's
    if (x.in_ddr) x = gathered(x);
    if (random_() % 4 != 0) scatter(x, 0, true);  // else it stays in the AM
    bookkeeping();
    Json file{{"version", "2.1.1"}, {"ops", 1.0}, {"count", 3}, {"network", entries_}};
    if (random_() % 2 == 0) {
      file["inputs"] = Json::array({{{"input_address", 0}, {"input_name", "picture"}}});
    }
    return file.dump(1);
  }

 private:
  bool v2() const { return style_ == VendorStyle::V2 || style_ == VendorStyle::V2Text; }
  bool flip(std::uint64_t of = 2) { return random_() % of == 0; }
  std::string name(const char* kind) { return fmt::format("{}_{}", kind, ++count_); }

  // --- memory ---------------------------------------------------------------------------------

  Place room(std::int64_t c, std::int64_t h, std::int64_t w) {
    return room(c, h, w, v2() ? ChannelLayout{} : random_layout(c));
  }
  Place room(std::int64_t c, std::int64_t h, std::int64_t w, const ChannelLayout& layout) {
    const Place place{c, h, w, end_, layout};
    end_ += geometry_.words(c, h, w, layout);
    return place;
  }
  // Beside `like`: in the same memory, with the same layout.
  Place room_like(const Place& like) {
    return like.in_ddr ? ddr_room(like.c, like.h, like.w)
                       : room(like.c, like.h, like.w, like.layout);
  }
  ChannelLayout random_layout(std::int64_t c) {
    const std::int64_t rest = c % 96;
    if (rest == 0 || flip()) return plain_layout(c, geometry_);
    const std::int64_t units = flip() ? 3 : 2;
    return {c / 96, ceil_div(rest, 96 / units), units, 96 / units};
  }
  Place ddr_room(std::int64_t c, std::int64_t h, std::int64_t w) {
    Place place{c, h, w, ddr_end_, {}, true};
    ddr_end_ += 0x10000;
    return place;
  }
  std::string address(const Place& place) const {
    return hex(place.in_ddr ? place.address : place.address * machine_.word_addresses());
  }

  // --- entries --------------------------------------------------------------------------------

  // What the vendor writes where nothing depends on it (compiler/xdnn/replay_fields.cpp).
  static std::string unless_given(std::string_view key, const std::string& opcode) {
    if (key == "preshift") return "16";
    if (key == "scale") return "26";
    if (key == "postshift") return "2";
    const bool weights = opcode == "XNConv" || opcode == "XNDeconv" || opcode == "XNEltwise" ||
                         opcode == "XNMaxPoolPipelined";
    return key.starts_with("wait_") || (key == "weights_bit" && weights) ? "1" : "0";
  }

  // As xdnn_kv or as a line, every field of the template.
  void entry(const std::string& opcode, const Fields& fields) {
    const bool moves = opcode == "XNGather" || opcode == "XNScatter" || opcode == "XNMaxPool" ||
                       opcode == "XNUpsample";
    if (!moves) ends_joined_ = false;
    Json kv{{"XNOp", opcode}, {"id", text(static_cast<std::int64_t>(entries_.size()))}};
    std::string line = fmt::format("{} {}", entries_.size(), opcode);
    for (const std::string_view key : template_of(dialect_, opcode)) {
      std::string value = unless_given(key, opcode);
      for (const auto& [name, given] : fields) {
        if (name == key) value = given;
      }
      line += " " + value;
      if (flip(40) && value == "0") {
        kv[std::string(key)] = 0;  // some writers give numbers
      } else {
        kv[std::string(key)] = value;
      }
    }
    Json made{{"name", kv.contains("name") ? kv["name"] : Json(nullptr)}, {"active", 1}};
    made["xdnn_instr"] = line;
    if (style_ == VendorStyle::V2Text) {
      made.erase("active");
    } else {
      made["xdnn_kv"] = kv;
    }
    entries_.push_back(made);
  }

  // What programs hold beside instructions.
  void bookkeeping() {
    entries_.push_back({{"name", "all"}, {"xdnn_instr", "# 9 XNConcat all 0x0 0x10 16"}});
    if (style_ == VendorStyle::V2Text) return;
    Json concat{{"XNOp", "XNConcat"}, {"id", "9"}, {"name", "all"}, {"pound", "#"}, {"size", "9"}};
    entries_.push_back({{"name", "all"}, {"active", 0}, {"xdnn_kv", concat}});
    Json inner{{"XNOp", "XNInner"}, {"name", "fc"}, {"matrixwidthh", 1024}};
    entries_.push_back({{"name", "fc"}, {"active", 0}, {"xdnn_kv", inner}});
  }

  Fields tail(const Place& from, const Place& to) const {
    if (v2()) return {};
    Fields fields{{"slice", "1"}};
    const auto layout = [&](const std::string& side, const ChannelLayout& l) {
      fields.emplace_back(side + "_full_sect_num", text(l.full));
      fields.emplace_back(side + "_repl_sect_num", text(l.repl_sections));
      fields.emplace_back(side + "_repl_unit_num", text(l.repl_units));
      fields.emplace_back(side + "_repl_unit_width", text(l.repl_width));
    };
    layout("src", from.in_ddr ? plain_layout(from.c, geometry_) : from.layout);
    layout("dst", to.in_ddr ? plain_layout(to.c, geometry_) : to.layout);
    fields.emplace_back("srcAddDDR", from.in_ddr ? "1" : "0");
    fields.emplace_back("dstAddDDR", to.in_ddr ? "1" : "0");
    fields.emplace_back("srcAddrReadFromImgQ", from.in_queue ? "1" : "0");
    fields.emplace_back("destAddrReadFromImgQ", to.in_queue ? "1" : "0");
    if (!from.in_ddr) return fields;
    fields.emplace_back("HAT", "1");
    fields.emplace_back("tile_width", text(tile_));
    fields.emplace_back("tile_height", text(tile_ / 2));
    fields.emplace_back("SRCAM-Buffer_0", text(kBuffer));
    fields.emplace_back("SRCAM-Buffer_1", text(kBuffer + 0x2000));
    fields.emplace_back("EWA_2nd-Src_AM", text(0x1000));
    return fields;
  }

  void add_window(Fields& fields, const char* pad, std::int64_t k, std::int64_t s, std::int64_t p) {
    fields.insert(fields.end(), {{"kernel_w", text(k)},
                                 {"kernel_h", text(k)},
                                 {"strides_w", text(s)},
                                 {"strides_h", text(s)},
                                 {std::string(pad) + "_w", text(p)},
                                 {std::string(pad) + "_h", text(p)}});
  }
  static void add_map(Fields& fields, const char* side, std::int64_t h, std::int64_t w) {
    fields.emplace_back(std::string(side) + "_h", text(h));
    fields.emplace_back(std::string(side) + "_w", text(w));
  }

  // --- how maps come and go -------------------------------------------------------------------

  Place first_map() {
    const std::int64_t c = between(random_, 1, 20), h = between(random_, 8, 20);
    const std::int64_t w = between(random_, 8, 20);
    if (flip(3)) return room(c, h, w);  // it lies in the AM
    Place input{c, h, w, 0, {}, true, style_ != VendorStyle::V2Text};
    ddr_end_ = 0x20000;
    return !v2() && flip() ? input : gathered(input);
  }

  // Slice 0 leaves its result in the queue, slice 1 finds it there.
  Place first_layer_apart() {
    const std::int64_t c = between(random_, 3, 20), h = between(random_, 8, 20);
    Place input{c, h, h, 0, {}, true, true};
    Place between_slices{between(random_, 1, 70), h, h, 0, {}, true, true};
    tile_ = 4;
    const bool pooled = flip();
    if (pooled) between_slices.h = between_slices.w = (h - 2) / 2 + 1;
    const std::size_t first = entries_.size();
    pooled ? fused(input, between_slices, 2) : convolution(input, between_slices, 3, 1, 1);
    auto& kv = entries_[first]["xdnn_kv"];
    kv["slice"] = "0";
    kv["SRCAM-Buffer_0"] = "0", kv["SRCAM-Buffer_1"] = "1000";
    const bool units = c <= 3;
    kv["src_full_sect_num"] = units ? "0" : "1";
    kv["src_repl_sect_num"] = units ? "1" : "0";
    kv["src_repl_unit_num"] = units ? "7" : "0";
    kv["src_repl_unit_width"] = units ? "3" : "0";
    // The older form of the flags: tiling and the queue say it all.
    if (flip()) kv.erase("srcAddDDR"), kv.erase("dstAddDDR");
    entries_.push_back({{"name", "interbuf"},
                        {"active", 0},
                        {"xdnn_kv", {{"XNOp", "XNThroughputInterbuf"}, {"name", "interbuf"}}}});
    return flip() ? between_slices : gathered(between_slices);
  }

  Place gathered(const Place& from) {
    Place to = room(from.c, from.h, from.w);
    gather(from, to, 0, from.h - 1);
    return to;
  }

  void gather(const Place& from, const Place& to, std::int64_t first, std::int64_t last) {
    Fields fields{{"uram_dest", address(to)}, {"ddr_src", address(from)}, {"inchan", text(from.c)}};
    add_map(fields, "insize", from.h, from.w);
    add_transfer(fields, first, last, to, "srcAddrReadFromImgQ", from.in_queue);
    entry("XNGather", fields);
  }

  void scatter(const Place& from, std::int64_t ddr, bool queue) {
    Place to{from.c, from.h, from.w, ddr, {}, true};
    scatter(from, to, 0, from.h - 1, queue);
  }
  void scatter(const Place& from, const Place& to, std::int64_t first, std::int64_t last,
               bool queue) {
    Fields fields{{"uram_src", address(from)}, {"ddr_dest", address(to)}, {"outchan", text(to.c)}};
    add_map(fields, "outsize", to.h, to.w);
    add_transfer(fields, first, last, from, "destAddrReadFromImgQ", queue);
    entry("XNScatter", fields);
  }

  void add_transfer(Fields& fields, std::int64_t first, std::int64_t last, const Place& am,
                    const char* flag, bool queue) {
    fields.insert(fields.end(), {{"b1", "1"},
                                 {"c1", "1"},
                                 {"start_row", text(first)},
                                 {"end_row", text(last)},
                                 {"slice", v2() ? "0" : "1"},
                                 {"full_sect_num", text(am.layout.full)},
                                 {"repl_sect_num", text(am.layout.repl_sections)},
                                 {"repl_unit_num", text(am.layout.repl_units)},
                                 {"repl_unit_width", text(am.layout.repl_width)},
                                 {flag, queue ? "1" : "0"}});
  }

  // --- layers ---------------------------------------------------------------------------------

  Place layer(Place x) {
    tile_ = 2 * between(random_, 1, 6);
    if (v2() && x.in_ddr) x = gathered(x);
    switch (random_() % 10) {
      case 0:
        return pool(x, "XNMaxPool");
      case 1:
        return pool(x, "XNAvgPool");
      case 2:
        return sum(x);
      case 3:
        return v2() ? rows(x) : pooled_convolution(x);
      case 4:
        return joined(x);
      case 5:
        return spilled(x);
      case 6:
        return v2() ? rows(x) : resampled(x);
      default:
        return convolution(x);
    }
  }

  // To the AM, or streamed to DDR.
  Place somewhere(std::int64_t c, std::int64_t h, std::int64_t w) {
    return !v2() && flip(4) ? ddr_room(c, h, w) : room(c, h, w);
  }

  Place convolution(const Place& x) {
    const std::int64_t k = 1 + 2 * between(random_, 0, 1),
                       s = x.h >= 4 ? between(random_, 1, 2) : 1;
    const std::int64_t p = k / 2;
    const Place to = somewhere(between(random_, 1, v2() ? 50 : 130), (x.h + 2 * p - k) / s + 1,
                               (x.w + 2 * p - k) / s + 1);
    convolution(x, to, k, s, p);
    return to;
  }

  void convolution(const Place& x, const Place& to, std::int64_t k, std::int64_t s, std::int64_t p,
                   const std::string& opcode = "XNConv") {
    Fields fields{{"name", name("conv")},
                  {"relu", text(between(random_, 0, 1))},
                  {"bias", text(between(random_, 0, 1))},
                  {"dilation_w", "1"},
                  {"dilation_h", "1"},
                  {"inaddr", address(x)},
                  {"inchan", text(x.c)},
                  {"outaddr", address(to)},
                  {"outchan", text(to.c)}};
    add_window(fields, "padding", k, s, p);
    add_map(fields, "insize", x.h, x.w);
    add_map(fields, "outsize", to.h, to.w);
    for (const auto& field : tail(x, to)) fields.push_back(field);
    if (!v2()) fields.emplace_back("en_pingpong_weight", "1");
    entry(opcode, fields);
  }

  Place pooled_convolution(const Place& x) {
    const std::int64_t k = between(random_, 2, 3);
    if (x.h < k || x.w < k) return convolution(x);
    const Place to = somewhere(between(random_, 1, 130), (x.h - k) / 2 + 1, (x.w - k) / 2 + 1);
    fused(x, to, k);
    return to;
  }

  // A 3x3 convolution that keeps the size, and a pool of stride 2 behind it.
  void fused(const Place& x, const Place& to, std::int64_t pool) {
    Fields fields{{"name", name("pool")},
                  {"conv_name", name("conv")},
                  {"inaddr", address(x)},
                  {"inchan", text(x.c)},
                  {"outaddr", address(to)},
                  {"pool_inchan", text(to.c)},
                  {"conv_kernel_w", "3"},
                  {"conv_kernel_h", "3"},
                  {"conv_strides_w", "1"},
                  {"conv_strides_h", "1"},
                  {"conv_padding_w", "1"},
                  {"conv_padding_h", "1"},
                  {"conv_dilation_w", "1"},
                  {"conv_dilation_h", "1"},
                  {"conv_relu", "1"},
                  {"conv_bias", "1"},
                  {"en_inlinemaxpool", "1"},
                  {"en_pingpong_weight", "1"},
                  {"conv_outsize_w", text(to.w)}};
    add_window(fields, "paddings", pool, 2, 0);
    add_map(fields, "insize", x.h, x.w);
    add_map(fields, "pool_insize", x.h, x.w);
    add_map(fields, "outsize", to.h, to.w);
    for (const auto& field : tail(x, to)) fields.push_back(field);
    entry("XNMaxPoolPipelined", fields);
  }

  Place pool(const Place& x, const std::string& opcode) {
    const std::int64_t k = between(random_, 2, 3), p = between(random_, 0, 1);
    const std::int64_t s = between(random_, 1, 2);
    if (x.h + 2 * p < k || x.w + 2 * p < k) return convolution(x);
    Place to = somewhere(x.c, (x.h + 2 * p - k) / s + 1, (x.w + 2 * p - k) / s + 1);
    pool(x, to, opcode, name("pool"), k, s, p, p);
    return to;
  }

  void pool(const Place& x, const Place& to, const std::string& opcode, const std::string& called,
            std::int64_t k, std::int64_t s, std::int64_t p, std::int64_t above) {
    Fields fields{
        {"name", called}, {"inaddr", address(x)}, {"inchan", text(x.c)}, {"outaddr", address(to)}};
    add_window(fields, "paddings", k, s, p);
    for (auto& [key, value] : fields) {
      if (key == "paddings_h") value = text(above);
    }
    add_map(fields, "insize", x.h, x.w);
    add_map(fields, "outsize", to.h, to.w);
    for (const auto& field : tail(x, to)) fields.push_back(field);
    entry(opcode, fields);
  }

  // x + a convolution of x, which may take the place of x.
  Place sum(const Place& x) {
    if (x.in_queue) return convolution(x);  // the flag is of both operands
    const Place other = room_like(x);
    convolution(x, other, 3, 1, 1);
    const Place to = flip() ? other : flip() && !x.in_ddr ? x : room_like(x);
    Fields fields{{"name", name("sum")},
                  {"add", "1"},
                  {"relu", text(between(random_, 0, 1))},
                  {"inaddrA", address(x)},
                  {"inaddrB", address(other)},
                  {"outaddr", address(to)},
                  {"inchan", text(x.c)}};
    if (flip()) std::swap(fields[3].second, fields[4].second);
    add_map(fields, "insize", x.h, x.w);
    for (const auto& field : tail(x, to)) fields.push_back(field);
    entry("XNEltwise", fields);
    return to;
  }

  // Two convolutions side by side in one volume.
  Place joined(const Place& x) {
    const std::int64_t most = v2() ? 25 : 100;
    const std::int64_t a = between(random_, 1, most), b = between(random_, 1, most);
    const Place to = room(a + b, x.h, x.w, plain_layout(a + b, geometry_));
    for (const auto& [start, channels] : {std::pair(std::int64_t{0}, a), std::pair(a, b)}) {
      Place part = to;
      part.c = channels;
      part.layout = plain_layout(channels, geometry_);
      part.address += geometry_.word_of_channel(start, x.h, x.w);
      convolution(x, part, 1, 1, 0);
      if (v2()) continue;
      auto& kv = entries_.back()["xdnn_kv"];
      kv["concat_i_am_your_father"] = "1";
      kv["concat_full_sect_num"] = text(to.layout.full);
      kv["concat_starting_ch"] = text(start);
      kv["concat_channels"] = text(a + b);
    }
    ends_joined_ = true;
    return to;
  }

  // To DDR and back, where another map may have been before.
  Place spilled(const Place& x) {
    if (x.in_ddr) return gathered(x);
    scatter(x, spill_, false);
    Place stored{x.c, x.h, x.w, spill_, {}, true};
    if (!v2() && flip()) return convolution(stored);
    return gathered(stored);
  }

  Place resampled(const Place& x) {
    if (x.in_ddr || x.h > 12 || x.w > 12) return convolution(x);
    Place to = room(x.c, 2 * x.h, 2 * x.w);
    if (flip()) {
      convolution(x, to, 2, 2, 0, "XNDeconv");
      return to;
    }
    Fields fields{{"name", name("up")},   {"kernel_w", "2"},     {"kernel_h", "2"},
                  {"inaddr", address(x)}, {"inchan", text(x.c)}, {"outaddr", address(to)},
                  {"method", "nearest"}};
    add_map(fields, "insize", x.h, x.w);
    add_map(fields, "outsize", to.h, to.w);
    for (const auto& field : tail(x, to)) fields.push_back(field);
    entry("XNUpsample", fields);
    return to;
  }

  // V2: a convolution, pool or sum of maps in DDR, cut in rows (docs/facts/xdnn.md 2.3, 4.6).
  Place rows(const Place& x) {
    if (x.h < 4) return convolution(x);  // every piece would read the whole map
    const Place from = ddr_room(x.c, x.h, x.w);
    scatter(x, from.address, false);
    const std::int64_t kind = between(random_, 0, 2);
    if (kind == 2) return sum_of_rows(from);
    const std::int64_t k = 3, s = between(random_, 1, 2), p = 1;
    const Place whole = ddr_room(kind == 0 ? between(random_, 1, 60) : x.c,
                                 (x.h + 2 * p - k) / s + 1, (x.w + 2 * p - k) / s + 1);
    const std::int64_t pieces = std::min<std::int64_t>(whole.h, between(random_, 2, 3));
    const std::string called = name(kind == 0 ? "conv" : "pool");
    const std::string relu = text(between(random_, 0, 1));
    for (std::int64_t i = 0; i < pieces; ++i) {
      const std::int64_t each = whole.h / pieces, first = i * each;
      const std::int64_t count = i + 1 == pieces ? whole.h - first : each;
      const std::int64_t top = std::max<std::int64_t>(0, first * s - p);
      const std::int64_t bottom = std::min(x.h, (first + count - 1) * s - p + k);
      const Place in = room(x.c, bottom - top, x.w), out = room(whole.c, count, whole.w);
      gather(from, in, top, bottom - 1);
      const std::int64_t above = i == 0 ? p : 0;
      const std::string piece = fmt::format("{}#{}", called, i);
      if (kind == 0) {
        row_convolution(in, out, piece, relu, s, p, above);
      } else {
        pool(in, out, "XNMaxPool", piece, k, s, p, above);
      }
      scatter(out, whole, first, first + count - 1, false);
    }
    return gathered(whole);
  }

  void row_convolution(const Place& in, const Place& out, const std::string& called,
                       const std::string& relu, std::int64_t s, std::int64_t p,
                       std::int64_t above) {
    Fields fields{{"name", called},
                  {"relu", relu},
                  {"bias", "1"},
                  {"dilation_w", "1"},
                  {"dilation_h", "1"},
                  {"inaddr", address(in)},
                  {"inchan", text(in.c)},
                  {"outaddr", address(out)},
                  {"outchan", text(out.c)},
                  {"padding_w", text(p)},
                  {"padding_h", text(above)},
                  {"kernel_w", "3"},
                  {"kernel_h", "3"},
                  {"strides_w", text(s)},
                  {"strides_h", text(s)}};
    add_map(fields, "insize", in.h, in.w);
    add_map(fields, "outsize", out.h, out.w);
    entry("XNConv", fields);
  }

  // Half of the rows after the other, printed with the height of the whole.
  Place sum_of_rows(const Place& from) {
    if (from.h < 2) return gathered(from);
    const Place whole = ddr_room(from.c, from.h, from.w);
    const std::string called = name("sum");
    const std::int64_t half = from.h / 2;
    for (std::int64_t i = 0; i < 2; ++i) {
      const std::int64_t first = i * half, last = i == 0 ? half - 1 : from.h - 1;
      const Place a = room(from.c, last - first + 1, from.w), b = room(a.c, a.h, a.w);
      gather(from, a, first, last);
      gather(from, b, first, last);
      Fields fields{{"name", called},        {"add", "1"},
                    {"relu", "1"},           {"inaddrA", address(a)},
                    {"inaddrB", address(b)}, {"outaddr", address(b)},
                    {"inchan", text(a.c)}};
      add_map(fields, "insize", from.h, from.w);
      entry("XNEltwise", fields);
      scatter(b, whole, first, last, false);
    }
    return gathered(whole);
  }

  static constexpr std::int64_t kBuffer = 0x10000;  // behind all maps: the two tile buffers

  std::mt19937_64 random_;
  VendorStyle style_;
  const Machine& machine_;
  Geometry geometry_;
  Dialect dialect_;
  Json entries_ = Json::array();
  bool ends_joined_ = false;  // the last joined volume was only moved since
  std::int64_t end_ = 0, ddr_end_ = 0x20000, spill_ = 0x8000, tile_ = 4, count_ = 0;
};

}  // namespace

std::string vendor_program(std::uint64_t seed, VendorStyle style, const Machine& machine) {
  return Writing(seed, style, machine).run();
}

}  // namespace workbench::xdnn

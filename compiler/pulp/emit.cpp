#include "compiler/pulp/emit.h"

#include <algorithm>

#include "compiler/pulp/constants.h"
#include "compiler/pulp/emit_orders.h"
#include "compiler/pulp/layer_code.h"
#include "compiler/pulp/search_steps.h"
#include "compiler/pulp/tiling.h"
#include "core/error.h"
#include "core/units.h"

namespace workbench::pulp {
namespace {

// First and last instruction of each layer.
struct Span {
  std::int32_t first = 0, last = 0;
};

std::string window_text(const Kernel& call) {
  std::string text = fmt::format(" {}x{}", call.kernel_w, call.kernel_h);
  const std::int64_t stride = std::max(call.stride_x, call.stride_y);
  const std::int64_t dilation = std::max(call.dilation_x, call.dilation_y);
  if (stride > 1) text += fmt::format("/{}", stride);
  if (dilation > 1) text += fmt::format(" dilated {}", dilation);
  return text;
}

std::string layer_text(const Layer& layer) {
  std::string text(to_string(layer.family));
  const bool windowed = traits(layer.family).window;
  if (windowed) text += window_text(layer.call);
  if (layer.call.norm && layer.call.clamped) return text + " +BN32 clamped";
  if (layer.call.norm) text += fmt::format(" +BN{}", layer.call.norm_bits);
  return text;
}

LayerInfo layer_info(const Network& network, const Layer& layer) {
  const FeatureMap& out = network.activations[static_cast<std::size_t>(layer.out)];
  LayerInfo info;
  info.name = layer.name;
  info.op = layer_text(layer);
  info.shape = {1, out.channels, out.height, out.width};
  info.merged = {layer.name};
  info.merged.insert(info.merged.end(), layer.merged.begin(), layer.merged.end());
  info.macs = layer.macs;
  info.ops = layer.ops;
  info.result_words = out.bytes();
  return info;
}

LayerTiling layer_tiling(const LayerCode& code, std::int32_t index) {
  const Kernel& call = code.layer.call;
  LayerTiling tiling;
  tiling.layer = index;
  tiling.kernel = to_string(code.tiling.kernel);
  tiling.cores = code.tiling.cores;
  if (!code.layer.wide_norm.empty()) {
    tiling.wide_norm =
        fmt::format("{}: {}", call.norm_bits == 64 ? "64 bits" : "32 bits of clamped accumulators",
                    code.layer.wide_norm);
  }
  const auto input = [&](const Cut& cut) -> std::array<std::int64_t, 3> {
    const auto reach = [](std::int64_t out, std::int64_t stride, std::int64_t dilation,
                          std::int64_t kernel, std::int64_t in) {
      return std::min((out - 1) * stride + dilation * (kernel - 1) + 1, in);
    };
    return {traits(code.layer.family).by_channel ? cut.out_c : call.in_c,
            reach(cut.out_h, call.stride_y, call.dilation_y, call.kernel_h, call.in_h),
            reach(cut.out_w, call.stride_x, call.dilation_x, call.kernel_w, call.in_w)};
  };
  const auto output = [](const Cut& cut) -> std::array<std::int64_t, 3> {
    return {cut.out_c, cut.out_h, cut.out_w};
  };
  tiling.l1_in = input(code.tiling.tile), tiling.l1_out = output(code.tiling.tile);
  const auto [over, size] = code.tiling.passes;
  if (over != PassOver::Nothing) {
    std::int64_t& cut = tiling.l1_in[static_cast<std::size_t>(over) - 1];
    cut = std::min(cut, size);
  }
  tiling.l2_in = input(code.tiling.slice), tiling.l2_out = output(code.tiling.slice);
  tiling.l1_tiles = 0;
  for (const Nest& tiles : code.tiles) {
    for (std::size_t t = 0; t < tiles.size(); ++t) {
      tiling.l1_tiles += std::ssize(code.passes(tiles[t]));
    }
  }
  tiling.l2_slices = static_cast<std::int64_t>(code.slices.size());
  tiling.l1_bytes = code.tiling.map.end;
  tiling.l2_bytes = code.plan.l2_bytes;
  tiling.double_buffered = code.tiling.double_buffered;
  return tiling;
}

class Emitter {
 public:
  Emitter(const Graph& graph, const Network& network, const MemoryPlan& plan,
          const std::vector<HostTurn>& turns, const HostUses& uses, Tiler tiler,
          const Machine& machine)
      : graph_(graph),
        network_(network),
        plan_(plan),
        turns_(turns),
        uses_(uses),
        tiler_(tiler),
        machine_(machine) {}

  LoopedProgram run() {
    program_.l2_bytes = plan_.l2_bytes;
    program_.l3_bytes = plan_.l3_bytes;
    HostGraph host = host_graph(graph_, turns_);
    program_.host = std::move(host.graph);
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      add_host_steps(i, host.turn_nodes);
      add_layer(i);
    }
    add_host_steps(network_.layers.size(), host.turn_nodes);
    add_places();
    add_probes();
    add_volumes();
    return std::move(emitted_);
  }

 private:
  LayerCode code_of(std::size_t i) const {
    return {network_, network_.layers[i], plan_.layers[i], plan_.homes, machine_};
  }

  void add_host_steps(std::size_t layer, const std::vector<std::vector<std::size_t>>& nodes) {
    for (std::size_t t = 0; t < turns_.size(); ++t) {
      if (turns_[t].before != static_cast<std::int32_t>(layer)) continue;
      program_.host_steps.push_back(
          {static_cast<std::int32_t>(program_.instructions.size()), nodes[t]});
    }
  }

  // DORY's code asks for all constants of a layer at once.
  std::int64_t id_step() const { return tiler_ == Tiler::Dory ? 0 : 1; }

  // Later layers' first constants, where they are to come from this one on.
  std::vector<Instruction> prefetch_behind(std::size_t i) const {
    LoopedProgram scratch;
    Listing listing{scratch, 0, {}};
    for (std::size_t j = i + 1; j < network_.layers.size() && j <= i + kMostAhead; ++j) {
      if (plan_.layers[j].ahead != static_cast<std::int64_t>(j - i)) continue;
      code_of(j).load_constants(listing, 0, 0, first_piece(j), id_step());
    }
    return std::move(scratch.program.instructions);
  }

  void add_layer(std::size_t i) {
    const Layer& layer = network_.layers[i];
    const LayerPlan& plan = plan_.layers[i];
    const LayerCode code = code_of(i);
    Listing to{emitted_, static_cast<std::int32_t>(i), layer.name};
    const std::int32_t first = to.next();
    // Constants that come slice by slice are loaded in the body.
    if (plan.constants.size() == 1 && plan.ahead == 0) {
      code.load_constants(to, 0, 0, first_piece(i), id_step());
    }
    if (plan.ahead > 0 || plan.constants.size() == 1) to.add(L3Wait{first_piece(i)});
    const std::vector<Instruction> prefetch = prefetch_behind(i);
    if (tiler_ == Tiler::Dory) {
      add_prefetch(to, prefetch);
      // Its own slices come from L3, too: DORY waits for one thing at a time
      // (docs/facts/pulp.md 3.6).
      if (!prefetch.empty() && code.slices.size() > 1) to.add(L3Wait{first_piece(i + 1)});
    }
    to.add(Barrier{});
    to.add(CounterStart{});
    if (tiler_ == Tiler::Optimal) {
      emit_overlapped(code, to, prefetch, first_piece(i));
    } else if (code.tiling.passes.over == PassOver::Nothing) {
      emit_dory(code, to);
    } else {  // which DORY has not
      emit_overlapped(code, to, {}, first_piece(i));
    }
    to.add(CounterStop{});
    spans_.push_back({first, to.next() - 1});
    program_.info.layers.push_back(layer_info(network_, layer));
    program_.tilings.push_back(layer_tiling(code, to.layer));
    program_.l1_bytes = std::max(program_.l1_bytes, code.tiling.map.end);
    add_l1_volumes(code, spans_.back());
  }

  void add_l1_volumes(const LayerCode& code, const Span& span) {
    const Tiling& tiling = code.tiling;
    const L1Map& map = tiling.map;
    const TileBytes bytes = tile_bytes(code.layer, tiling, machine_);
    const auto add = [&](const char* what, std::int64_t address, std::int64_t size) {
      if (size == 0) return;
      program_.memory_map.push_back({fmt::format("{} {}", code.layer.name, what), Space::L1,
                                     address, size, span.first, span.last});
    };
    const auto add_both = [&](const char* what, const std::int64_t(&at)[2], std::int64_t size) {
      add(what, at[0], size);
      if (at[1] != at[0]) add(what, at[1], size);
    };
    add_both("in", map.in, bytes.in);
    add_both("in2", map.in2, bytes.in2);
    add_both("out", map.out, bytes.out);
    add_both("weights", map.weights, bytes.weights);
    add_both("kappa", map.kappa, bytes.norm);
    add_both("lambda", map.lambda, bytes.norm);
    add_both("bias", map.bias, bytes.bias);
    add("sums", map.sums, bytes.sums);
    add("scratch", map.scratch, bytes.scratch);
  }

  TensorPlace place_of(ValueId value, std::int32_t activation) const {
    const FeatureMap& a = network_.activations[static_cast<std::size_t>(activation)];
    const FeatureMap& root =
        network_.activations[static_cast<std::size_t>(root_of(network_, activation))];
    const Home& home = plan_.homes[static_cast<std::size_t>(activation)];
    TensorPlace place;
    place.value = graph_.value(value).name;
    place.space = home.space;
    place.address = home.address + (a.whole >= 0 ? a.first_channel * a.bits / 8 : 0);
    place.channels = a.channels, place.height = a.height, place.width = a.width;
    place.pixel_stride = code_bytes(root.channels, a.bits);
    place.row_stride = a.width * place.pixel_stride;
    place.bits = a.bits, place.is_signed = a.is_signed;
    return place;
  }

  void add_places() {
    for (const HostUse& use : uses_.writes) {
      program_.inputs.push_back(place_of(use.value, use.activation));
    }
    for (const HostUse& use : uses_.reads) {
      TensorPlace place = place_of(use.value, use.activation);
      const auto known = std::find(program_.outputs.begin(), program_.outputs.end(), place);
      if (known == program_.outputs.end()) program_.outputs.push_back(std::move(place));
    }
  }

  // The last layer that writes channels of the activation; -1: only the host does.
  std::ptrdiff_t last_writer(std::int32_t activation) const {
    for (auto i = static_cast<std::ptrdiff_t>(network_.layers.size()); i-- > 0;) {
      if (overlap(network_.layers[static_cast<std::size_t>(i)].out, activation)) return i;
    }
    return -1;
  }

  // Whether two activations have channels of one tensor in common.
  bool overlap(std::int32_t one, std::int32_t other) const {
    if (root_of(network_, one) != root_of(network_, other)) return false;
    const FeatureMap& a = network_.activations[static_cast<std::size_t>(one)];
    const FeatureMap& b = network_.activations[static_cast<std::size_t>(other)];
    const std::int64_t first = a.whole >= 0 ? a.first_channel : 0;
    const std::int64_t begin = b.whole >= 0 ? b.first_channel : 0;
    return begin < first + a.channels && first < begin + b.channels;
  }

  // The instruction after which the activation is whole; -1: there is none. What the host writes
  // is there when the first instruction behind its turn is done.
  std::int32_t whole_after(std::int32_t activation) const {
    const std::ptrdiff_t writer = last_writer(activation);
    if (writer < 0) return -1;
    std::int32_t after = spans_[static_cast<std::size_t>(writer)].last;
    for (const HostUse& use : uses_.writes) {
      const auto turn = static_cast<std::size_t>(turns_[use.turn].before);
      if (!overlap(use.activation, activation)) continue;
      if (turn >= spans_.size()) return -1;
      after = std::max(after, spans_[turn].first);
    }
    return after;
  }

  void add_probes() {
    for (const auto& [value, activation] : network_.values) {
      const std::int32_t after = whole_after(activation);
      if (after < 0) continue;
      Probe probe;
      probe.place = place_of(value, activation);
      probe.after = after;
      probe.value_height = probe.place.height;
      probe.value_channels = probe.place.channels;
      program_.probes.push_back(std::move(probe));
    }
    std::stable_sort(program_.probes.begin(), program_.probes.end(),
                     [](const Probe& a, const Probe& b) { return a.after < b.after; });
  }

  void add_volumes() {
    if (spans_.empty()) return;
    const auto layer = [&](std::int64_t i) {
      return spans_[static_cast<std::size_t>(
          std::clamp<std::int64_t>(i, 0, static_cast<std::int64_t>(spans_.size()) - 1))];
    };
    for (const PlannedVolume& v : plan_.volumes) {
      program_.memory_map.push_back(
          {v.name, v.space, v.address, v.bytes, layer(v.begin).first, layer(v.end - 1).last});
    }
  }

  const Graph& graph_;
  const Network& network_;
  const MemoryPlan& plan_;
  const std::vector<HostTurn>& turns_;
  const HostUses& uses_;
  Tiler tiler_;
  const Machine& machine_;
  LoopedProgram emitted_;
  Program& program_ = emitted_.program;
  std::vector<Span> spans_;
};

std::int64_t tiles_along(std::int64_t size, std::int64_t slice, std::int64_t tile) {
  return size / slice * ceil_div(slice, tile) + ceil_div(size % slice, tile);
}

// Each tile is a kernel call with a barrier before it, at least.
std::int64_t least_instructions(const Layer& layer, const Tiling& tiling) {
  const Kernel& call = layer.call;
  const Cut &slice = tiling.slice, &tile = tiling.tile;
  return 2 * tiles_along(call.out_c, slice.out_c, tile.out_c) *
         tiles_along(call.out_h, slice.out_h, tile.out_h) *
         tiles_along(call.out_w, slice.out_w, tile.out_w);
}

}  // namespace

const Layer* layer_too_long(const Network& network, const MemoryPlan& plan) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    count += least_instructions(network.layers[i], plan.layers[i].tiling);
    if (count > kMostInstructions) return &network.layers[i];
  }
  return nullptr;
}

LoopedProgram emit_without_constants(const Graph& quantized, const Network& network,
                                     const MemoryPlan& plan, const std::vector<HostTurn>& turns,
                                     const HostUses& uses, Tiler tiler, const Machine& machine) {
  if (const Layer* layer = layer_too_long(network, plan)) refuse_instructions(layer->name);
  return Emitter(quantized, network, plan, turns, uses, tiler, machine).run();
}

void add_constants(const Network& network, const MemoryPlan& plan, Program& program) {
  program.constants = constants_image(network, plan);
  for (LayerTiling& tiling : program.tilings) {
    tiling.weight_checksum =
        weight_checksum(network.layers[static_cast<std::size_t>(tiling.layer)]);
  }
}

LoopedProgram emit(const Graph& quantized, const Network& network, const MemoryPlan& plan,
                   const std::vector<HostTurn>& turns, const HostUses& uses, Tiler tiler,
                   const Machine& machine) {
  LoopedProgram looped =
      emit_without_constants(quantized, network, plan, turns, uses, tiler, machine);
  add_constants(network, plan, looped.program);
  return looped;
}

}  // namespace workbench::pulp

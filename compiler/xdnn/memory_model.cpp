#include "compiler/xdnn/memory_model.h"

#include <algorithm>
#include <numeric>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/layout.h"
#include "compiler/xdnn/place.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"

namespace workbench::xdnn {

namespace {

RowWindow row_window(const Window& window) {
  return {(window.kernel[0] - 1) * window.dilations[0] + 1, window.strides[0],
          window.pads_begin[0]};
}

Span channels_of(const Map& map) { return {map.start, map.start + map.channels}; }

}  // namespace

MemoryModel::MemoryModel(Lowered& lowered, const Machine& m) : machine(m), geometry(m.geometry()) {
  if (machine.am.buffers > 0) bucket_words = machine.am_words() / machine.am.buffers;
  overhead_ = static_cast<double>(machine.control.issue_cycles + machine.drain_cycles().value);
  tiled_volume.assign(lowered.maps.size(), -1);
  for (const LoweredOp& op : lowered.ops) add_op(lowered, op);
  for (const HostStep& step : lowered.host_steps) host_before_.push_back(step.before);
  volumes.resize(lowered.volumes.size());
  for (std::size_t v = 0; v < volumes.size(); ++v) {
    const LoweredVolume& from = lowered.volumes[v];
    volumes[v].channels = from.channels;
    volumes[v].height = from.height;
    volumes[v].width = from.width;
    volumes[v].words = words(static_cast<int>(v), {0, from.channels}, from.height);
  }
  set_uses();
  set_storable();
}

// Of a tensor that an op reads straight from DDR; it may be brought to the AM later, for others.
int MemoryModel::volume_in_ddr(Lowered& lowered, int map) {
  const Map& m = lowered.maps[static_cast<std::size_t>(map)];
  int& volume = tiled_volume[static_cast<std::size_t>(map)];
  if (volume < 0) {
    lowered.volumes.push_back(
        {m.name, m.channels, m.height, m.width, plain_layout(m.channels, geometry)});
    volume = static_cast<int>(lowered.volumes.size()) - 1;
  }
  return volume;
}

void MemoryModel::add_op(Lowered& lowered, const LoweredOp& op) {
  PlanOp plan{.kind = op.kind};
  plan.download = op.kind == LoweredKind::Gather;
  plan.upload = op.kind == LoweredKind::Scatter;
  plan.tiled = op.source_in_ddr;
  const bool conv = op.kind == LoweredKind::Conv;
  plan.channelwise = !conv && !plan.download && !plan.upload;
  plan.chunkable = plan.channelwise || (conv && !op.blocked);
  if (!plan.download) {
    for (const int source : op.sources) {
      const Map& map = lowered.maps[static_cast<std::size_t>(source)];
      Span channels = channels_of(map);
      if (conv) channels = {map.start + op.block.in_begin, map.start + op.block.in_end};
      if (plan.tiled) channels = {0, map.channels};
      const int volume = plan.tiled ? volume_in_ddr(lowered, source) : map.volume;
      plan.reads.push_back({volume, channels});
    }
  }
  if (op.result >= 0) {
    const Map& map = lowered.maps[static_cast<std::size_t>(op.result)];
    Span channels = channels_of(map);
    if (conv) channels = {map.start + op.block.out_begin, map.start + op.block.out_end};
    plan.write = {map.volume, channels};
    plan.out_rows = map.height;
  }
  set_rows(lowered, op, plan);
  if (conv) set_costs(lowered, op, plan);
  ops.push_back(std::move(plan));
}

void MemoryModel::set_rows(const Lowered& lowered, const LoweredOp& op, PlanOp& plan) const {
  plan.in_rows = lowered.maps[static_cast<std::size_t>(op.sources[0])].height;
  if (op.result < 0) plan.out_rows = plan.in_rows;
  plan.middle_rows = plan.out_rows;
  if (op.node < 0) return;
  const Graph& graph = *lowered.graph;
  const Node& node = graph.nodes[static_cast<std::size_t>(op.node)];
  if (std::holds_alternative<Resize>(node.op)) plan.upsample = plan.out_rows / plan.in_rows;
  if (const auto* conv = std::get_if<workbench::Conv>(&node.op)) {
    plan.window = row_window(conv->window);
  } else if (const auto* transpose = std::get_if<ConvTranspose>(&node.op)) {
    plan.window = row_window(transpose->window);
    plan.transposed = true;
  } else if (const auto* max = std::get_if<MaxPool>(&node.op)) {
    plan.window = row_window(max->window);
  } else if (const auto* average = std::get_if<AveragePool>(&node.op)) {
    plan.window = row_window(average->window);
  }
  if (op.fused_pool < 0) return;
  const Node& pool = graph.nodes[static_cast<std::size_t>(op.fused_pool)];
  plan.pool = row_window(std::get<MaxPool>(pool.op).window);
  plan.middle_rows = graph.value(node.outputs[0]).shape[2];
}

void MemoryModel::set_costs(const Lowered& lowered, const LoweredOp& op, PlanOp& plan) const {
  LoweredOp probe = op;
  const Map& result = lowered.maps[static_cast<std::size_t>(op.result)];
  if (op.source_in_ddr) {
    const Map& source = lowered.maps[static_cast<std::size_t>(op.sources[0])];
    probe.ddr_layout = plain_layout(source.channels, geometry);
    if (!plain_filters_fit(lowered, op, machine)) {
      plan.only_tiled = true;
      const Shape& weights =
          lowered.graph->value(lowered.graph->nodes[static_cast<std::size_t>(op.node)].inputs[1])
              .shape;
      probe.ddr_layout = ddr_source_layout(source.channels, weights[2], weights[3], machine);
    }
    probe.tile_width = std::min<std::int64_t>(8, result.width), probe.tile_height = 1;
  }
  const Instruction instruction = instruction_of(lowered, probe, machine);
  if (op.source_in_ddr) plan.scratch_words = 2 * tile_buffer_words(instruction);
  const ConvCost cost = conv_cost(instruction, machine);
  plan.compute = static_cast<double>(cost.compute().value);
  plan.filters = static_cast<double>(ddr_cycles(cost.slab * cost.passes, machine).value);
}

void MemoryModel::set_uses() {
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const auto at = static_cast<int>(i);
    PlanOp& op = ops[i];
    for (const Access& read : op.reads) {
      PlanVolume& v = volumes[static_cast<std::size_t>(read.volume)];
      v.last = at;
      const bool whole = read.channels == Span{0, v.channels};
      if (op.upload && whole) v.host_storage = true;
      if (op.tiled && geometry.width_aligned()) v.atomic = true;
    }
    if (op.write.volume < 0) continue;
    PlanVolume& v = volumes[static_cast<std::size_t>(op.write.volume)];
    if (v.writers++ == 0) v.first = at;
    v.last = at;
    v.row_unit = std::lcm(v.row_unit, op.upsample);
    if (op.download && geometry.width_aligned()) v.atomic = true;
  }
  // The host's tensor serves as storage where every writer can reach its channels of it.
  for (const PlanOp& op : ops) {
    if (op.write.volume < 0) continue;
    PlanVolume& v = volumes[static_cast<std::size_t>(op.write.volume)];
    const bool reachable =
        geometry.width_aligned() ? v.writers == 1 : op.write.channels.begin % 8 == 0;
    if (!reachable || op.download) v.host_storage = false;
    if (!geometry.width_aligned() && op.write.channels.begin % 8 != 0) v.ragged = true;
  }
  for (PlanVolume& v : volumes) {
    if (v.host_storage && geometry.width_aligned()) v.atomic = true;
  }
}

std::optional<Span> MemoryModel::rows_needed(const PlanOp& op, Span out) const {
  if (op.upsample > 1) {
    if (out.begin % op.upsample != 0 || out.end % op.upsample != 0) return std::nullopt;
    return Span{out.begin / op.upsample, out.end / op.upsample};
  }
  const auto through = [](const RowWindow& w, Span rows, std::int64_t height) {
    return Span{std::max<std::int64_t>(0, rows.begin * w.stride - w.pad),
                std::min(height, (rows.end - 1) * w.stride - w.pad + w.reach)};
  };
  Span need;
  if (op.transposed) {
    const RowWindow& w = op.window;
    need = {ceil_div(std::max<std::int64_t>(0, out.begin + w.pad - w.reach + 1), w.stride),
            std::min(op.in_rows, (out.end - 1 + w.pad) / w.stride + 1)};
    need.begin = std::min(need.begin, op.in_rows - 1);
    need.end = std::max(need.end, need.begin + 1);
  } else {
    const Span middle = through(op.pool, out, op.middle_rows);
    if (middle.size() <= 0) return std::nullopt;
    need = through(op.window, middle, op.in_rows);
  }
  if (need.size() <= 0) return std::nullopt;
  return need;
}

Span MemoryModel::aligned(Span channels) const {
  return {channels.begin / geometry.channel_granule() * geometry.channel_granule(), channels.end};
}

std::int64_t MemoryModel::words(int volume, Span channels, std::int64_t rows) const {
  const std::int64_t count = channels.size();
  const PlanVolume& v = volumes[static_cast<std::size_t>(volume)];
  return geometry.words(count, rows, v.width, plain_layout(count, geometry));
}

double MemoryModel::ddr_cost(int volume, Span channels, std::int64_t rows) const {
  const PlanVolume& v = volumes[static_cast<std::size_t>(volume)];
  const std::int64_t bytes = ddr_tensor_bytes(channels.size(), rows, v.width, geometry);
  return static_cast<double>(bytes) / machine.ddr_bytes_per_cycle() +
         static_cast<double>(machine.ddr.latency_cycles + machine.control.issue_cycles);
}

bool runs_begin_at_words(std::vector<Span> written, std::int64_t base, std::int64_t granule) {
  std::sort(written.begin(), written.end(),
            [](const Span& a, const Span& b) { return a.begin < b.begin; });
  std::int64_t run = -1;  // end of the run so far
  for (const Span& span : written) {
    if (span.begin > run && (span.begin - base) % granule != 0) return false;
    run = std::max(run, span.end);
  }
  return true;
}

void MemoryModel::set_storable() {
  const std::int64_t granule = geometry.channel_granule();
  written_.resize(volumes.size());
  std::vector<std::vector<Span>> spans(volumes.size());
  for (std::size_t i = 0; i < ops.size(); ++i) {
    if (ops[i].write.volume < 0) continue;
    const auto volume = static_cast<std::size_t>(ops[i].write.volume);
    spans[volume].push_back(ops[i].write.channels);
    const bool storable = runs_begin_at_words(spans[volume], 0, granule);
    written_[volume].push_back({static_cast<int>(i), storable});
  }
}

bool MemoryModel::storable(int volume, int position) const {
  const std::vector<Written>& written = written_[static_cast<std::size_t>(volume)];
  const auto later = std::lower_bound(written.begin(), written.end(), position,
                                      [](const Written& w, int before) { return w.op < before; });
  return later == written.begin() || std::prev(later)->storable;
}

bool MemoryModel::host_step_between(int begin, int end) const {
  return std::any_of(host_before_.begin(), host_before_.end(),
                     [&](std::int32_t before) { return begin < before && before < end; });
}

}  // namespace workbench::xdnn

#include "compiler/xdnn/stack_images.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/layout.h"
#include "compiler/xdnn/mapping.h"
#include "isa/xdnn/cost.h"

namespace workbench::xdnn {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

// Channels of a map.
struct Channels {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
};

// Of a map, those in each section of its volume.
std::vector<Channels> sections(const Map& map, std::int64_t granule) {
  std::vector<Channels> list;
  for (std::int64_t begin = 0; begin < map.channels;) {
    const std::int64_t room = granule - (map.start + begin) % granule;
    const std::int64_t end = std::min(map.channels, begin + room);
    list.push_back({begin, end});
    begin = end;
  }
  return list;
}

Channels both(Channels a, Channels b) {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

// The graph's node whose window the op moves over its source; null: it works pixel by pixel.
const Window* window_of(const Lowered& lowered, const LoweredOp& op) {
  if (op.node < 0 || op.kind == LoweredKind::Eltwise) return nullptr;
  const Op& node = lowered.graph->nodes[static_cast<std::size_t>(op.node)].op;
  if (const auto* conv = std::get_if<workbench::Conv>(&node)) return &conv->window;
  if (const auto* pool = std::get_if<MaxPool>(&node)) return &pool->window;
  if (const auto* pool = std::get_if<AveragePool>(&node)) return &pool->window;
  return nullptr;
}

bool is_max_pool(const Lowered& lowered, const LoweredOp& op) {
  return op.kind == LoweredKind::Stream && op.node >= 0 &&
         std::holds_alternative<MaxPool>(
             lowered.graph->nodes[static_cast<std::size_t>(op.node)].op);
}

bool has_relu(const Lowered& lowered, const LoweredOp& op, const Machine& machine) {
  if (op.node < 0) return false;
  const Node& node = lowered.graph->nodes[static_cast<std::size_t>(op.node)];
  const bool slopes = node.requantize && !node.requantize->negative_scale.empty();
  return !slopes && layer_of(*lowered.graph, node, nullptr, machine).relu;
}

std::vector<bool> nonnegative_volumes(const Lowered& lowered, const Ops& ops,
                                      const Machine& machine) {
  std::vector<bool> result(lowered.volumes.size(), true);
  for (const LoweredOp& op : ops) {
    const int written = volume_written(lowered, op);
    if (written < 0) continue;
    const bool pooled =
        is_max_pool(lowered, op) && result[at(lowered.maps[at(op.sources[0])].volume)];
    if (!pooled && !has_relu(lowered, op, machine)) result[at(written)] = false;
  }
  return result;
}

}  // namespace

// --- where images can be stacked -----------------------------------------------------------------

Stack::Stack(const Lowered& in_turn, const std::vector<Ops>& images, const Machine& machine)
    : in_turn_(in_turn),
      images_(images),
      machine_(machine),
      laid_out_(in_turn),
      nonnegative_(nonnegative_volumes(in_turn, images.front(), machine)) {
  CHECK(!machine.width_aligned());
  for (LoweredVolume& volume : laid_out_.volumes) {
    volume.layout = plain_layout(volume.channels, machine.geometry());
  }
}

bool Stack::all_stacked(const LoweredOp& op, const std::vector<bool>& stacked) const {
  const std::vector<int> read = volumes_read(in_turn_, op);
  return !read.empty() &&
         std::all_of(read.begin(), read.end(), [&](int v) { return v >= 0 && stacked[at(v)]; });
}

bool Stack::any_stacked(const LoweredOp& op, const std::vector<bool>& stacked) const {
  const std::vector<int> read = volumes_read(in_turn_, op);
  const int written = volume_written(in_turn_, op);
  return (written >= 0 && stacked[at(written)]) ||
         std::any_of(read.begin(), read.end(), [&](int v) { return v >= 0 && stacked[at(v)]; });
}

// Rows beyond its own that an image's edge needs.
std::int64_t Stack::reach(const LoweredOp& op) const {
  const Window* window = window_of(in_turn_, op);
  if (window == nullptr) return 0;
  const std::int64_t above = window->pads_begin[0];
  return std::max(above, (window->kernel[0] - 1) * window->dilations[0] - above);
}

// One instruction for all images: rows of the result are as far apart as those of the source, and
// zeros are as good as padding.
bool Stack::can_be_joint(const LoweredOp& op) const {
  if (op.result < 0 || op.source_in_ddr || op.destination_in_ddr || op.slice == 0) return false;
  const Map& source = map(op.sources[0]);
  if (map(op.result).height != source.height || op.fused_pool >= 0) return false;
  if (op.kind == LoweredKind::Eltwise || op.node < 0) return op.kind != LoweredKind::Gather;
  const Window* window = window_of(in_turn_, op);
  const Op& node = in_turn_.graph->nodes[static_cast<std::size_t>(op.node)].op;
  if (window == nullptr) return std::holds_alternative<Activate>(node);
  if (window->strides[0] != 1) return false;
  return !is_max_pool(in_turn_, op) || reach(op) == 0 || nonnegative_[at(source.volume)];
}

bool Stack::works_by_section(const LoweredOp& op, const std::vector<bool>& stacked) const {
  const std::int64_t granule = machine_.geometry().channel_granule();
  if (op.kind == LoweredKind::Gather || op.destination_in_ddr || op.slice == 0) return false;
  if (op.kind == LoweredKind::Conv) {
    const int read = op.source_in_ddr ? -1 : map(op.sources[0]).volume;
    return read < 0 || !stacked[at(read)];
  }
  for (const int source : op.sources) {
    if (map(source).start % granule != 0) return false;
  }
  return op.result < 0 || map(op.result).start % granule == 0;
}

bool Stack::fits(const Plan& plan) const {
  const auto count = static_cast<std::int64_t>(images_.size());
  for (std::size_t v = 0; v < plan.stacked.size(); ++v) {
    const std::int64_t height = in_turn_.volumes[v].height;
    if (!plan.stacked[v]) continue;
    if (plan.gap > height) return false;  // what the zeros are made of
    if (count * (height + plan.gap) > machine_.limits.side_max) return false;
  }
  return true;
}

bool Stack::plan(std::size_t cut, Plan& plan) const {
  const Ops& ops = images_.front();
  std::vector<bool> before(in_turn_.volumes.size(), false);
  for (std::size_t i = 0; i < cut; ++i) {
    if (const int v = volume_written(in_turn_, ops[i]); v >= 0) before[at(v)] = true;
  }
  plan = {std::vector<bool>(in_turn_.volumes.size(), false), {}, 0};
  for (std::size_t i = cut; i < ops.size(); ++i) {
    for (const int v : volumes_read(in_turn_, ops[i])) {
      if (v >= 0 && before[at(v)]) plan.stacked[at(v)] = true;
    }
  }
  const auto joint = [&](std::size_t i) {
    return i >= cut && all_stacked(ops[i], plan.stacked) && can_be_joint(ops[i]);
  };
  for (bool changed = true; std::exchange(changed, false);) {
    for (std::size_t i = cut; i < ops.size(); ++i) {
      const int v = joint(i) ? volume_written(in_turn_, ops[i]) : -1;
      if (v >= 0 && !plan.stacked[at(v)]) plan.stacked[at(v)] = changed = true;
    }
  }
  bool any = false;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    Part part = Part::Alone;
    if (joint(i)) {
      part = Part::Joint;
      any = any || ops[i].kind == LoweredKind::Conv;
      plan.gap = std::max(plan.gap, reach(ops[i]));
    } else if (any_stacked(ops[i], plan.stacked)) {
      part = Part::BySection;
      if (!works_by_section(ops[i], plan.stacked)) return false;
    }
    plan.parts.push_back(part);
  }
  return any && fits(plan);
}

// What the array and its loader save, about, when a convolution is one instruction for all images
// instead of one for each of them: of those only the last hides the load of a slab. In exchange
// nothing hides the first slab, since there is no other image to work for.
Cycles Stack::gain(const LoweredOp& op, std::int64_t gap) const {
  LoweredOp at_rate = op;
  ConvCost cost = conv_cost(instruction_of(laid_out_, at_rate, machine_), machine_);
  if (cost.slab_buffers == machine_.filters.buffers && !op.half_rate) {
    at_rate.half_rate = true;
    const ConvCost half = conv_cost(instruction_of(laid_out_, at_rate, machine_), machine_);
    if (half.slab_buffers < machine_.filters.buffers) cost = half;
  }
  const auto images = static_cast<std::int64_t>(images_.size());
  const Cycles slab = ddr_cycles(cost.slab, machine_), pass = cost.row_cycles * cost.rows;
  const Cycles all = cost.row_cycles * (images * (cost.rows + gap) - gap);
  const Cycles apart = (pass * (images - 1) + std::max(pass, slab)) * cost.passes;
  const Cycles together = std::max(all, slab) * cost.passes + slab + cost.drain;
  return apart - together;
}

std::vector<std::size_t> Stack::cuts(std::size_t count) const {
  const Ops& ops = images_.front();
  std::vector<std::pair<Cycles, std::size_t>> found;
  std::set<std::vector<Part>> known;
  Plan plan;
  for (std::size_t cut = 1; cut < ops.size(); ++cut) {
    if (!this->plan(cut, plan) || !known.insert(plan.parts).second) continue;
    Cycles sum;
    for (std::size_t i = 0; i < ops.size(); ++i) {
      if (plan.parts[i] != Part::Joint || ops[i].kind != LoweredKind::Conv) continue;
      sum += gain(ops[i], plan.gap);
    }
    found.emplace_back(sum, cut);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return b.first < a.first; });
  std::vector<std::size_t> list;
  for (const auto& [sum, cut] : found) {
    if (list.size() < count) list.push_back(cut);
  }
  return list;
}

// --- stacking them -------------------------------------------------------------------------------

class Stack::Build {
 public:
  Build(const Stack& stack, const Plan& plan, std::size_t cut)
      : stack_(stack),
        plan_(plan),
        cut_(cut),
        granule_(stack.machine_.geometry().channel_granule()) {
    out_.lowered = stack.in_turn_;
    out_.lowered.ops.clear();
    add_volumes();
  }

  StackedImages run() {
    const Ops& first = stack_.images_.front();
    for (std::size_t image = 0; image < stack_.images_.size(); ++image) {
      Ops& head = out_.heads.emplace_back();
      for (std::size_t i = 0; i < cut_; ++i) add_of_image(image, i, head);
    }
    for (std::size_t i = cut_; i < first.size(); ++i) {
      if (plan_.parts[i] == Part::Joint) {
        add_joint(i);
        continue;
      }
      for (std::size_t image = 0; image < stack_.images_.size(); ++image) {
        add_of_image(image, i, out_.tail);
      }
    }
    move_maps();
    return std::move(out_);
  }

 private:
  // Of the rows between the images, channel by channel.
  enum class Gap : char { Unwritten, Written, Zero };

  const Ops& ops(std::size_t image = 0) const { return stack_.images_[image]; }
  Map& map(int id) { return out_.lowered.maps[at(id)]; }
  const Map& old(int id) const { return stack_.map(id); }

  // --- volumes and maps -------------------------------------------------------------------------

  void add_volumes() {
    const auto images = static_cast<std::int64_t>(stack_.images_.size());
    for (std::size_t image = 0; image < stack_.images_.size(); ++image) {
      for (std::size_t i = 0; i < ops().size(); ++i) {
        const LoweredOp& one = ops()[i];
        const LoweredOp& same = ops(image)[i];
        for (std::size_t s = 0; s < one.sources.size(); ++s) {
          note(image, one.sources[s], same.sources[s]);
        }
        if (one.result >= 0) note(image, one.result, same.result);
      }
    }
    for (std::size_t v = 0; v < plan_.stacked.size(); ++v) {
      if (!plan_.stacked[v]) continue;
      LoweredVolume volume = stack_.in_turn_.volumes[v];
      volume.height = images * (volume.height + plan_.gap) - plan_.gap;
      volume.layout = layout_of(static_cast<int>(v));
      together_[static_cast<int>(v)] = static_cast<int>(out_.lowered.volumes.size());
      gaps_[static_cast<int>(v)].assign(static_cast<std::size_t>(volume.channels), Gap::Unwritten);
      out_.lowered.volumes.push_back(std::move(volume));
    }
  }

  // Copies of channels where convolutions read and write all of them, in one section: there rows of
  // one image lie together still.
  ChannelLayout layout_of(int v) const {
    const LoweredVolume& volume = stack_.in_turn_.volumes[at(v)];
    const Machine& machine = stack_.machine_;
    ChannelLayout best = plain_layout(volume.channels, machine.geometry());
    const auto whole = [&](int id) {
      return old(id).volume != v || (old(id).start == 0 && old(id).channels == volume.channels);
    };
    for (const LoweredOp& op : ops()) {
      const bool conv = op.kind == LoweredKind::Conv && !op.blocked;
      const bool writes = volume_written(stack_.in_turn_, op) == v;
      const std::vector<int> read = volumes_read(stack_.in_turn_, op);
      const bool reads = std::find(read.begin(), read.end(), v) != read.end();
      if (!reads && !writes) continue;
      const auto all = [&] {
        return std::all_of(op.sources.begin(), op.sources.end(), whole) && whole(op.result);
      };
      if (!conv || !all()) return plain_layout(volume.channels, machine.geometry());
      if (!reads) continue;
      const Window& window = *window_of(stack_.in_turn_, op);
      const std::int64_t kernel_h = window.kernel[0], kernel_w = window.kernel[1];
      const ChannelLayout wanted = am_source_layout(volume.channels, kernel_h, kernel_w, machine);
      if (wanted.sections() == 1 && wanted.replicated()) best = wanted;
    }
    return best;
  }

  // Which volume of the first image an image's is like.
  void note(std::size_t image, int one, int same) {
    const int v = old(one).volume;
    if (v >= 0 && plan_.stacked[at(v)]) place_of_[old(same).volume] = {image, v};
  }

  // Rows that image `image` begins at.
  std::int64_t first_row(std::size_t image, std::int64_t height) const {
    return static_cast<std::int64_t>(image) * (height + plan_.gap);
  }

  bool is_stacked(int id) const { return place_of_.contains(old(id).volume); }

  // `map`: of channels that are all of its volume's where these are copied.
  int add(Map map) {
    map.whole = map.volume >= 0 && out_.lowered.volumes[at(map.volume)].layout.replicated();
    out_.lowered.maps.push_back(std::move(map));
    return static_cast<int>(out_.lowered.maps.size()) - 1;
  }

  // Channels of a map of one image, all in one section where it is stacked.
  int piece(int id, Channels channels) {
    Map part = old(id);
    part.value = kNoValue;
    part.ddr = -1;
    part.channels = channels.size();
    part.start += channels.begin;
    part.first_channel += channels.begin;
    if (const auto place = place_of_.find(part.volume); place != place_of_.end()) {
      part.row = first_row(place->second.first, part.height);
      part.volume = together_.at(place->second.second);
    } else if (part.volume >= 0) {
      map(id).whole = false;  // it is written or read in parts
    }
    return add(std::move(part));
  }

  // All images of a map of the first one.
  int joint(int id) {
    const auto [known, missing] = joint_.emplace(id, -1);
    if (!missing) return known->second;
    Map all = old(id);
    all.value = kNoValue;
    all.volume = together_.at(all.volume);
    all.height = out_.lowered.volumes[at(all.volume)].height;
    return known->second = add(std::move(all));
  }

  // Values are found where they are now.
  void move_maps() {
    const std::size_t count = stack_.in_turn_.maps.size();
    for (std::size_t m = 0; m < count; ++m) {
      const int id = static_cast<int>(m);
      if (!is_stacked(id)) continue;
      map(id).volume = -1;
      if (old(id).value == kNoValue) continue;
      for (const Channels& channels : sections(old(id), granule_)) {
        const int part = piece(id, channels);
        map(part).value = old(id).value;
      }
    }
  }

  // --- ops --------------------------------------------------------------------------------------

  void add_of_image(std::size_t image, std::size_t i, Ops& to) {
    const LoweredOp& op = ops(image)[i];
    if (plan_.parts[i] != Part::BySection) {
      to.push_back(op);
      return;
    }
    const bool conv = op.kind == LoweredKind::Conv;
    if (conv && pools_alike(ops()[i].result)) {
      add_unpooled(image, i, to);
      return;
    }
    const std::vector<Channels> parts = sections(old(conv ? op.result : op.sources[0]), granule_);
    int number = 0;
    for (const Channels channels : parts) {
      LoweredOp part = op;
      if (conv) {
        const Channels written = both(channels, {op.block.out_begin, op.block.out_end});
        if (written.size() <= 0) continue;
        part.block.out_begin = written.begin, part.block.out_end = written.end;
      } else {
        for (int& source : part.sources) source = piece(source, channels);
      }
      if (op.result >= 0) part.result = piece(op.result, channels);
      if (op.kind == LoweredKind::Scatter) {
        part.ddr = op.ddr >= 0 ? op.ddr : old(op.sources[0]).ddr;
        part.ddr_channel += channels.begin;
      }
      if (parts.size() > 1) part.tile += fmt::format("#{}", ++number);
      to.push_back(std::move(part));
    }
  }

  // --- pools of convolutions that fill stacked maps ----------------------------------------------

  // Convolutions that pool write section by section at the price of more passes. Where all that is
  // written to the volume of a map of the first image has the same pool behind it, the pool engine
  // can do that instead.
  bool pools_alike(int result) const {
    const int v = old(result).volume;
    if (stack_.in_turn_.volumes[at(v)].channels <= granule_) return false;  // one section
    const MaxPool* pool = nullptr;
    for (std::size_t i = 0; i < ops().size(); ++i) {
      const LoweredOp& op = ops()[i];
      if (volume_written(stack_.in_turn_, op) != v) continue;
      if (op.kind != LoweredKind::Conv || op.fused_pool < 0) return false;
      const auto& own = std::get<MaxPool>(
          stack_.in_turn_.graph->nodes[static_cast<std::size_t>(op.fused_pool)].op);
      if (pool != nullptr && !(pool->window == own.window)) return false;
      pool = &own;
    }
    return true;
  }

  // All channels of the volume before the pool, of one image.
  int before_pool(const LoweredOp& op) {
    const auto [known, missing] = before_pool_.emplace(old(op.result).volume, -1);
    if (!missing) return known->second;
    const Graph& graph = *stack_.in_turn_.graph;
    const Node& node = graph.nodes[static_cast<std::size_t>(op.node)];
    const Extent extent = extent_of(graph.value(node.outputs[0]).shape);
    LoweredVolume volume = stack_.in_turn_.volumes[at(old(op.result).volume)];
    volume.name += " (before the pool)";
    volume.height = extent.height, volume.width = extent.width;
    volume.layout = plain_layout(volume.channels, stack_.machine_.geometry());
    Map all{.name = volume.name,
            .channels = volume.channels,
            .height = extent.height,
            .width = extent.width,
            .volume = static_cast<int>(out_.lowered.volumes.size())};
    out_.lowered.volumes.push_back(std::move(volume));
    return known->second = add(std::move(all));
  }

  // The convolution, and the pool of the sections that it is the last to write to.
  void add_unpooled(std::size_t image, std::size_t i, Ops& to) {
    LoweredOp op = ops(image)[i];
    const Map result = old(op.result);
    const Map all = map(before_pool(op));
    LoweredOp pool{.kind = LoweredKind::Stream,
                   .node = std::exchange(op.fused_pool, -1),
                   .owner = op.owner,
                   .layer = op.layer};
    Map unpooled = all;
    unpooled.start = result.start, unpooled.channels = result.channels;
    op.result = add(std::move(unpooled));
    to.push_back(std::move(op));
    for (const Channels& channels : sections(all, granule_)) {
      if (last_writer(old(ops()[i].result).volume, channels) != i) continue;
      Map from = all, pooled = result;
      from.start = pooled.start = channels.begin;
      from.channels = pooled.channels = channels.size();
      pooled.value = kNoValue;
      const auto& [of, v] = place_of_.at(result.volume);
      pooled.volume = together_.at(v);
      pooled.row = first_row(of, pooled.height);
      pool.sources = {add(std::move(from))};
      pool.result = add(std::move(pooled));
      pool.tile = fmt::format(" (pool #{})", channels.begin / granule_ + 1);
      to.push_back(pool);
    }
  }

  // Of the first image's volume.
  std::size_t last_writer(int volume, Channels channels) const {
    std::size_t last = 0;
    for (std::size_t i = 0; i < ops().size(); ++i) {
      if (volume_written(stack_.in_turn_, ops()[i]) != volume) continue;
      const Map& written = old(ops()[i].result);
      const Channels part{written.start + ops()[i].block.out_begin,
                          written.start + ops()[i].block.out_end};
      if (both(part, channels).size() > 0) last = i;
    }
    return last;
  }

  void add_joint(std::size_t i) {
    LoweredOp op = ops()[i];
    for (const int source : op.sources) prepare_gap(i, source);
    for (int& source : op.sources) source = joint(source);
    const Map& result = old(op.result);
    const bool conv = op.kind == LoweredKind::Conv;
    const Channels written =
        conv ? Channels{op.block.out_begin, op.block.out_end} : Channels{0, result.channels};
    mark(result, written, Gap::Written);
    op.result = joint(op.result);
    out_.tail.push_back(std::move(op));
  }

  // --- rows between the images
  // --------------------------------------------------------------------

  void mark(const Map& of, Channels channels, Gap state) {
    auto& gap = gaps_.at(of.volume);
    std::fill(gap.begin() + of.start + channels.begin, gap.begin() + of.start + channels.end,
              state);
  }

  bool at_least(const Map& of, Channels channels, Gap state) const {
    const auto& gap = gaps_.at(of.volume);
    return std::all_of(gap.begin() + of.start + channels.begin,
                       gap.begin() + of.start + channels.end, [&](Gap g) { return g >= state; });
  }

  // From op `i` on they have to be zero for some op that reads what this one does; then before the
  // first that reads them at all, so that the zeros do not wait for the array.
  bool needs_zeros(std::size_t i, const Map& read) const {
    for (; i < ops().size(); ++i) {
      if (plan_.parts[i] != Part::Joint || stack_.reach(ops()[i]) == 0) continue;
      const Map& other = old(ops()[i].sources[0]);
      if (other.volume == read.volume && other.start < read.start + read.channels &&
          read.start < other.start + other.channels) {
        return true;
      }
    }
    return false;
  }

  void prepare_gap(std::size_t i, int source) {
    if (plan_.gap == 0) return;
    const Map read = old(source);
    const Gap needed = needs_zeros(i, read) ? Gap::Zero : Gap::Written;
    for (const Channels& channels : sections(read, granule_)) {
      if (at_least(read, channels, needed)) continue;
      for (std::size_t image = 1; image < stack_.images_.size(); ++image) {
        add_zeros(ops()[i], source, channels, image);
      }
      mark(read, channels, Gap::Zero);
    }
  }

  // Above image `image`: the first rows of the first image, times 0.
  void add_zeros(const LoweredOp& reader, int source, Channels channels, std::size_t image) {
    const int from = piece(source, channels);
    map(from).height = plan_.gap;
    Map gap = map(from);
    gap.row = first_row(image, old(source).height) - plan_.gap;
    LoweredOp op{.kind = LoweredKind::Eltwise,
                 .owner = reader.owner,
                 .sources = {from, from},
                 .result = add(std::move(gap)),
                 .layer = reader.layer,
                 .tile = " (zeros between images)"};
    out_.tail.push_back(std::move(op));
  }

  const Stack& stack_;
  const Plan& plan_;
  const std::size_t cut_;
  const std::int64_t granule_;
  StackedImages out_;
  std::map<int, std::pair<std::size_t, int>> place_of_;  // an image's volume: which, the first's
  std::map<int, int> together_;                          // of the first image: of all
  std::map<int, int> joint_;                             // maps likewise
  std::map<int, int> before_pool_;                       // of an image's volume
  std::map<int, std::vector<Gap>> gaps_;
};

StackedImages Stack::from(std::size_t cut) const {
  Plan plan;
  CHECK(this->plan(cut, plan), "images cannot be stacked from op {} on", cut);
  return Build(*this, plan, cut).run();
}

}  // namespace workbench::xdnn

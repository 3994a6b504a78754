#include "compiler/xdnn/images.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "compiler/passes/several_images.h"
#include "compiler/xdnn/merge_images.h"
#include "compiler/xdnn/stack_images.h"

namespace workbench::xdnn {

namespace {

// --- one image behind the other ------------------------------------------------------------------

// The host's nodes before the first layer of any image come first: the engines then stand still
// once.
std::vector<std::size_t> in_turn(const Graph& several, std::int64_t images,
                                 const std::vector<std::size_t>& one) {
  const std::size_t nodes = several.nodes.size() / static_cast<std::size_t>(images);
  const auto layers = std::find_if(one.begin(), one.end(), [&](std::size_t n) {
    return on_accelerator(several, several.nodes[n]);
  });
  std::vector<std::size_t> order;
  for (const auto& [begin, end] : {std::pair(one.begin(), layers), std::pair(layers, one.end())}) {
    for (std::int64_t image = 0; image < images; ++image) {
      for (auto n = begin; n != end; ++n) {
        order.push_back(*n + static_cast<std::size_t>(image) * nodes);
      }
    }
  }
  return order;
}

// Nothing when the host works in between, which all engines wait for.
std::optional<std::vector<Ops>> ops_per_image(const Lowered& lowered, std::int64_t images) {
  const auto all = static_cast<std::int32_t>(lowered.ops.size());
  const auto part = lowered.ops.size() / static_cast<std::size_t>(images);
  if (part * static_cast<std::size_t>(images) != lowered.ops.size()) return std::nullopt;
  for (const HostStep& step : lowered.host_steps) {
    if (step.before != 0 && step.before != all) return std::nullopt;
  }
  std::vector<Ops> result;
  for (std::int64_t image = 0; image < images; ++image) {
    const auto begin = lowered.ops.begin() + image * static_cast<std::ptrdiff_t>(part);
    result.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(part));
  }
  return result;
}

// --- merged --------------------------------------------------------------------------------------

Ops part_of(const Ops& ops, std::size_t begin, std::size_t end) {
  const auto at = [&](std::size_t i) { return ops.begin() + static_cast<std::ptrdiff_t>(i); };
  return {at(begin), at(end)};
}

Lowered with_ops(const Lowered& lowered, Ops ops) {
  Lowered result = lowered;
  for (HostStep& step : result.host_steps) {
    step.before = step.before == 0 ? 0 : static_cast<std::int32_t>(ops.size());
  }
  result.ops = std::move(ops);
  return result;
}

void append(Ops& ops, const Ops& more) { ops.insert(ops.end(), more.begin(), more.end()); }

class Candidates {
 public:
  // `tail`: what comes behind the ops of all images, which are what `in_turn` begins with.
  Candidates(const Lowered& in_turn, const std::vector<Ops>& images, const Machine& machine,
             const Ops& tail = {})
      : in_turn_(in_turn),
        images_(images),
        machine_(machine),
        merge_(in_turn, machine),
        tail_(tail) {}

  std::size_t ops_per_image() const { return images_.front().size(); }

  // Each image's ops from `cut` on merged with those of the next image up to there.
  Lowered ends_with_beginnings(std::size_t cut) const {
    Ops ops = part_of(images_.front(), 0, cut);
    for (std::size_t image = 0; image + 1 < images_.size(); ++image) {
      append(ops, merge_.run(part_of(images_[image], cut, ops_per_image()),
                             part_of(images_[image + 1], 0, cut), room_of_each()));
    }
    append(ops, part_of(images_.back(), cut, ops_per_image()));
    append(ops, tail_);
    return with_ops(in_turn_, std::move(ops));
  }

  // Two images at a time, one behind the other up to `cut` and merged from there on.
  Lowered side_by_side(std::size_t cut) const {
    Ops ops;
    for (std::size_t image = 0; image < images_.size(); image += 2) {
      const bool two = image + 1 < images_.size();
      append(ops, part_of(images_[image], 0, two ? cut : ops_per_image()));
      if (!two) break;
      append(ops, part_of(images_[image + 1], 0, cut));
      append(ops, merge_.run(part_of(images_[image], cut, ops_per_image()),
                             part_of(images_[image + 1], cut, ops_per_image()), room_of_each()));
    }
    append(ops, tail_);
    return with_ops(in_turn_, std::move(ops));
  }

 private:
  std::int64_t room_of_each() const {
    const auto given = static_cast<std::int64_t>(in_turn_.ops.size());
    return (machine_.control.instructions_max - given) /
           static_cast<std::int64_t>(images_.size() - 1);
  }

  const Lowered& in_turn_;
  const std::vector<Ops>& images_;
  const Machine& machine_;
  const Merge merge_;
  const Ops tail_;
};

// The order that is fastest for one image alone.
std::vector<std::size_t> order_of_one(const Graph& one, const Machine& machine,
                                      const OrderOptions& options) {
  const std::vector<CandidateOrder> candidates = candidate_orders(one, machine, options);
  const CandidateOrder* best = &candidates.back();
  std::optional<Cycles> least;
  for (const CandidateOrder& candidate : candidates) {
    const auto placed = place_in_order(one, machine, candidate.nodes);
    if (!placed || (least && placed->time >= *least)) continue;
    least = placed->time, best = &candidate;
  }
  return best->nodes;
}

std::vector<std::size_t> order_of_all(const Graph& several, std::int64_t images,
                                      const Machine& machine, const OrderOptions& options) {
  return in_turn(several, images, order_of_one(first_image(several, images), machine, options));
}

// Of candidates the one that takes least time, addresses as they come.
class Fastest {
 public:
  Fastest(const Machine& machine, Choices choices, const Search& search)
      : machine_(machine), choices_(choices), search_(search) {
    choices_.spread = Use::Never;
  }

  // Its time; nothing when it does not fit.
  std::optional<Cycles> consider(Lowered candidate) {
    const auto size = static_cast<std::int64_t>(candidate.ops.size());
    if (size > machine_.control.instructions_max) return std::nullopt;
    const auto placed = place_lowered(candidate, machine_, choices_);
    if (!placed) return std::nullopt;
    if (!least_ || placed->time < *least_) {
      least_ = placed->time, best_ = std::move(candidate);
      search_.see(*least_);
    }
    return placed->time;
  }

  std::optional<Lowered> best() { return std::move(best_); }

 private:
  const Machine& machine_;
  Choices choices_;
  const Search& search_;
  std::optional<Lowered> best_;
  std::optional<Cycles> least_;
};

// With tiles for all images but the first that come while the array works for the one before: the
// larger they are, the fewer rows are computed twice.
Lowered with_inputs_ahead(Lowered lowered) {
  bool first = true;
  for (LoweredOp& op : lowered.ops) {
    if (op.source_in_ddr) op.input_ahead = !std::exchange(first, false);
  }
  return lowered;
}

// body(first op) at so many points of the list.
void at_points(std::size_t ops, std::int64_t points, auto&& body) {
  const auto count = static_cast<std::int64_t>(ops);
  for (std::int64_t part = 0; part < points; ++part) {
    const std::int64_t cut = count * part / points;
    if (part == 0 || cut != count * (part - 1) / points) body(static_cast<std::size_t>(cut));
  }
}

std::optional<Lowered> best_merged(const Lowered& in_turn, const std::vector<Ops>& images,
                                   const Machine& machine, const Choices& choices,
                                   const Search& search) {
  Fastest fastest(machine, choices, search);
  const Candidates candidates(in_turn, images, machine);
  at_points(candidates.ops_per_image(), search.cuts, [&](std::size_t cut) {
    fastest.consider(candidates.side_by_side(cut));
    if (cut > 0) fastest.consider(candidates.ends_with_beginnings(cut));
  });
  return fastest.best();
}

// Images stacked from some op on.
struct StackedFrom {
  Lowered one_by_one;  // up to there
  StackedImages images;
  std::optional<Cycles> time;  // when they are merged up to there
};

StackedFrom stacked_from(StackedImages images) {
  Ops all;
  for (const Ops& head : images.heads) append(all, head);
  append(all, images.tail);
  Lowered one_by_one = with_ops(images.lowered, std::move(all));
  return {std::move(one_by_one), std::move(images), {}};
}

// The images merged up to some op, and stacked from there on. Points from which to merge are tried
// for the points to stack from that are best with all merged.
std::optional<Lowered> best_stacked(const Lowered& in_turn, const std::vector<Ops>& images,
                                    const Machine& machine, const Choices& choices,
                                    const Search& search) {
  if (machine.width_aligned()) return std::nullopt;  // there a section is one channel
  Fastest fastest(machine, choices, search);
  const Stack stack(in_turn, images, machine);
  const auto merged = [&](const StackedFrom& one) {
    return Candidates(one.one_by_one, one.images.heads, machine, one.images.tail);
  };
  std::vector<StackedFrom> list;
  for (const std::size_t from : stack.cuts(static_cast<std::size_t>(search.stacks))) {
    StackedFrom& one = list.emplace_back(stacked_from(stack.from(from)));
    one.time = fastest.consider(merged(one).side_by_side(0));
  }
  std::stable_sort(list.begin(), list.end(), [](const StackedFrom& a, const StackedFrom& b) {
    return a.time && (!b.time || *a.time < *b.time);
  });
  for (std::size_t i = 0; i < list.size() && i < static_cast<std::size_t>(search.best_stacks);
       ++i) {
    const Candidates candidates = merged(list[i]);
    at_points(candidates.ops_per_image(), search.cuts, [&](std::size_t cut) {
      if (cut > 0) fastest.consider(candidates.side_by_side(cut));
    });
  }
  return fastest.best();
}

std::optional<Placed> place_order(const Graph& several, std::int64_t images, const Machine& machine,
                                  const std::vector<std::size_t>& order, const Choices& choices,
                                  const Search& search) {
  const Lowered lowered = lower(several, machine, order);
  std::optional<Placed> best = place_lowered(lowered, machine, choices);
  const auto ops = ops_per_image(lowered, images);
  const bool may_merge = best && ops && !machine.serial() && machine.slice0.used == 0;
  if (!may_merge || choices.merged_images == Use::Never) return best;
  const auto take = [&](const std::optional<Lowered>& candidate, Use use) {
    if (!candidate) return;
    auto placed = place_lowered(*candidate, machine, choices);
    auto ahead = place_lowered(with_inputs_ahead(*candidate), machine, choices);
    if (ahead && (!placed || ahead->time < placed->time)) placed = std::move(ahead);
    if (placed && (use == Use::Always || placed->time < best->time)) best = std::move(placed);
  };
  std::optional<Lowered> stacked;
  if (choices.stacked_images != Use::Never) {
    stacked = best_stacked(lowered, *ops, machine, choices, search);
  }
  if (!stacked || choices.stacked_images != Use::Always) {
    take(best_merged(lowered, *ops, machine, choices, search), choices.merged_images);
  }
  take(stacked, choices.stacked_images);
  return best;
}

// --- one program, repeated -----------------------------------------------------------------------

// What one image's ops, maps and layers are numbered from in those of all.
struct Offsets {
  std::ptrdiff_t nodes = 0;
  int maps = 0, volumes = 0, tensors = 0;
  std::int32_t ops = 0, layers = 0;
};

int moved(int index, int by) { return index < 0 ? index : index + by; }
std::ptrdiff_t moved(std::ptrdiff_t index, std::ptrdiff_t by) {
  return index < 0 ? index : index + by;
}

void append_ops(const Lowered& one, const Offsets& at, Lowered& all) {
  for (LoweredOp op : one.ops) {
    op.node = moved(op.node, at.nodes);
    op.fused_pool = moved(op.fused_pool, at.nodes);
    op.owner = moved(op.owner, at.nodes);
    for (int& source : op.sources) source = moved(source, at.maps);
    op.result = moved(op.result, at.maps);
    op.layer = moved(op.layer, at.layers);
    op.ddr = moved(op.ddr, at.tensors);
    all.ops.push_back(std::move(op));
  }
}

void append_storage(const Lowered& one, const Offsets& at, std::int64_t image,
                    const std::map<std::string, ValueId>& values, Lowered& all) {
  for (LoweredVolume volume : one.volumes) {
    volume.name = image_name(volume.name, image);
    volume.first = moved(volume.first, at.ops), volume.last = moved(volume.last, at.ops);
    all.volumes.push_back(std::move(volume));
  }
  for (Map map : one.maps) {
    if (map.value != kNoValue)
      map.value = values.at(image_name(one.graph->value(map.value).name, image));
    map.name = image_name(map.name, image);
    map.volume = moved(map.volume, at.volumes), map.ddr = moved(map.ddr, at.tensors);
    all.maps.push_back(std::move(map));
  }
  for (DdrTensor tensor : one.ddr_tensors) {
    tensor.value = image_name(tensor.value, image);
    all.ddr_tensors.push_back(std::move(tensor));
  }
  for (MapProbe probe : one.probes) {
    probe.map += at.maps;
    for (std::int32_t& after : probe.after) after += at.ops;
    all.probes.push_back(std::move(probe));
  }
}

void append_layers(const Lowered& one, std::int64_t image, Lowered& all) {
  for (LayerInfo layer : one.layers) {
    layer.name = image_name(layer.name, image);
    for (std::string& name : layer.merged) name = image_name(name, image);
    all.layers.push_back(std::move(layer));
  }
}

// What the host does before the first op and behind the last, it does for all images at once: the
// engines stand still for it.
std::vector<HostStep> host_steps_of_all(const Lowered& one, std::int64_t images) {
  const auto ops = static_cast<std::int32_t>(one.ops.size());
  const auto end = ops * static_cast<std::int32_t>(images);
  std::map<std::int32_t, std::vector<std::size_t>> turns;
  for (std::int64_t image = 0; image < images; ++image) {
    for (const HostStep& step : one.host_steps) {
      const bool outside = step.before == 0 || step.before == ops;
      const std::int32_t before = step.before == 0 ? 0 : end;
      auto& nodes = turns[outside ? before : step.before + static_cast<std::int32_t>(image) * ops];
      for (const std::size_t node : step.nodes) {
        nodes.push_back(node + static_cast<std::size_t>(image) * one.host.nodes.size());
      }
    }
  }
  std::vector<HostStep> steps;
  for (auto& [before, nodes] : turns) steps.push_back({before, std::move(nodes)});
  return steps;
}

}  // namespace

std::optional<Placed> place_again(const Placed& placed, const Graph& several, std::int64_t images,
                                  const Machine& machine) {
  const Lowered& one = placed.lowered;
  const auto ops = static_cast<std::int64_t>(one.ops.size()) * images;
  if (machine.slice0.used != 0 || ops > machine.control.instructions_max) return std::nullopt;
  const std::map<std::string, ValueId> values = values_by_name(several);
  Placed result = placed;
  Lowered& all = result.lowered;
  all = {.graph = &several};
  all.host = several_images(one.host, images);
  all.host_steps = host_steps_of_all(one, images);
  for (std::int64_t image = 0; image < images; ++image) {
    const auto n = static_cast<int>(image);
    const auto count = [n](const auto& list) { return n * static_cast<int>(list.size()); };
    const Offsets at{static_cast<std::ptrdiff_t>(several.nodes.size()) / images * image,
                     count(one.maps),
                     count(one.volumes),
                     count(one.ddr_tensors),
                     count(one.ops),
                     count(one.layers)};
    append_ops(one, at, all);
    append_storage(one, at, image, values, all);
    append_layers(one, image, all);
  }
  result.time = modelled_time(all, machine);
  return result;
}

std::optional<Placed> place_images_whole(const Graph& several, std::int64_t images,
                                         const Machine& machine, const OrderOptions& options,
                                         const Choices& choices, const Search& search) {
  return place_order(several, images, machine, order_of_all(several, images, machine, options),
                     choices, search);
}

Placed place_images(const Graph& several, std::int64_t images, const Machine& machine,
                    const OrderOptions& options, const Choices& choices, const Search& search) {
  const std::vector<std::size_t> order = order_of_all(several, images, machine, options);
  if (auto placed = place_order(several, images, machine, order, choices, search)) {
    return std::move(*placed);
  }
  return place_candidates(several, machine, {{"in turn", order}}, choices);
}

}  // namespace workbench::xdnn

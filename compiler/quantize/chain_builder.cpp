#include "compiler/quantize/chain_builder.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace workbench {

namespace {

constexpr std::int64_t kInt32Low = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kInt32High = std::numeric_limits<std::int32_t>::max();

std::string joined_name(const Chain& chain, const std::string& fallback) {
  return chain.nodes.empty() ? fallback : chain.nodes.front();
}

Tensor as_float(const Tensor& tensor) {
  const auto whole = whole_numbers(tensor, kLeast, kMost);
  if (!whole) fail("expected a constant of numbers, found one of {}", to_string(tensor.type()));
  const std::vector<float> values(whole->begin(), whole->end());
  return Tensor::from<float>(tensor.shape(), values);
}

}  // namespace

ChainBuilder::ChainBuilder(const Graph& imported)
    : imported_(imported),
      chains_(imported.values.size()),
      reals_(imported.values.size(), kNoValue),
      writers_(producers(imported)),
      readers_(imported.values.size(), 0),
      layers_(layer_readers(imported)) {
  graph_.name = imported.name;
  for (const Value& value : imported.values) value_names_.insert(value.name);
  for (const Node& node : imported.nodes) {
    node_names_.insert(node.name);
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) ++readers_[index(id)];
    }
  }
  for (const ValueId id : imported.outputs) ++readers_[index(id)];
}

bool ChainBuilder::is_output(ValueId id) const {
  return std::find(imported_.outputs.begin(), imported_.outputs.end(), id) !=
         imported_.outputs.end();
}

std::string ChainBuilder::unique(const std::string& base) {
  std::string name = base;
  for (int i = 2; !value_names_.insert(name).second; ++i) name = fmt::format("{}_{}", base, i);
  return name;
}

std::string ChainBuilder::unique_node(const std::string& base) {
  std::string name = base;
  for (int i = 2; !node_names_.insert(name).second; ++i) name = fmt::format("{}_{}", base, i);
  return name;
}

ValueId ChainBuilder::writer_order(ValueId id) const {
  return static_cast<ValueId>(writers_.at(index(id)));  // -1 for inputs: they come first
}

const Node& ChainBuilder::writer(ValueId id) const {
  CHECK(writers_.at(index(id)) >= 0, "'{}' is an input", value(id).name);
  return imported_.nodes[static_cast<std::size_t>(writers_[index(id)])];
}

void ChainBuilder::emit(Node node, ValueId order) {
  // Chains that share a beginning share names, too.
  if (!emitted_.insert(node.name).second) node.name = unique_node(node.name);
  graph_.nodes.push_back(std::move(node));
  order_.push_back(order);
}

std::size_t ChainBuilder::add_codes(ValueId codes, ValueId id, ValueRanges values) {
  sources_.push_back({.kind = ChainSource::Kind::Codes,
                      .codes = codes,
                      .imported = id,
                      .shape = value(id).shape,
                      .values = std::move(values)});
  return sources_.size() - 1;
}

ValueRanges ChainBuilder::values(const Chain& chain) const {
  const ValueRanges given =
      image(chain.map, chain.cut.value_or(Rounding::Floor), source(chain).values);
  return clamped(given, chain.low, chain.high);
}

void ChainBuilder::set_chain(ValueId id, Chain chain) {
  chain.last = id;
  chain.map = reduced(std::move(chain.map));
  if (is_whole(chain.map)) chain.cut.reset();
  if (const auto joined = joined_with_before(chain)) chain = *joined;
  if (readers_[index(id)] > 1) {
    if (chain.is_closed() ? chain.is_integer() : is_identity(chain.map)) {
      codes(chain);
    } else {
      chain = on_codes(std::move(chain));
    }
  }
  chains_[index(id)] = std::move(chain);
}

void ChainBuilder::accumulate(ValueId id, Node node, ValueRanges values,
                              const std::optional<Sum>& sum) {
  sources_.push_back({.kind = ChainSource::Kind::Accumulator,
                      .node = std::move(node),
                      .imported = id,
                      .shape = sum ? sum->shape : value(id).shape,
                      .values = std::move(values),
                      .saturates = sum.has_value()});
  Chain chain{.source = sources_.size() - 1};
  if (sum) chain.map.divisor = sum->divisor;
  set_chain(id, std::move(chain));
}

// Without steps in between, the chain before continues with its clips; unless two clips, of signed
// and unsigned codes say, leave no range of codes.
std::optional<Chain> ChainBuilder::joined_with_before(const Chain& chain) const {
  if (source(chain).kind != ChainSource::Kind::Chain || !is_identity(chain.map)) return {};
  Chain joined = source(chain).before;
  joined.low = std::clamp(joined.low, chain.low, chain.high);
  joined.high = std::clamp(joined.high, chain.low, chain.high);
  const Rounding rounding = joined.cut.value_or(Rounding::Floor);
  const ValueRange given = hull(image(joined.map, rounding, source(joined).values));
  const bool twice = chain.has_clip() && source(chain).before.has_clip();
  if (twice && !code_range(given, joined.low, joined.high)) return {};
  joined.nodes.insert(joined.nodes.end(), chain.nodes.begin(), chain.nodes.end());
  joined.last = chain.last;
  return joined;
}

Chain ChainBuilder::chained(const Chain& chain) {
  sources_.push_back({.kind = ChainSource::Kind::Chain,
                      .before = chain,
                      .imported = chain.last,
                      .shape = value(chain.last).shape,
                      .values = values(chain),
                      .saturates = source(chain).saturates});
  return {.source = sources_.size() - 1, .last = chain.last};
}

Chain ChainBuilder::on_codes(Chain chain) {
  ChainSource& from = sources_.at(chain.source);
  if (from.kind == ChainSource::Kind::Codes) return chain;
  Chain before = from.before;
  const bool saturates = from.saturates;
  if (from.kind == ChainSource::Kind::Accumulator) {
    before = Chain{.source = chain.source, .last = from.imported};
    from.saturates = false;
  }
  codes(before);
  chain.source = before.source;
  sources_.at(chain.source).saturates = saturates;  // at its last cut
  return chain;
}

CodeRange ChainBuilder::range_of(const Chain& chain) const {
  const ChainSource& from = source(chain);
  const ValueRange given = hull(image(chain.map, chain.cut.value_or(Rounding::Floor), from.values));
  const auto range = code_range(given, chain.low, chain.high);
  if (!range) {
    refuse(writer(chain.last), "clips to [{}, {}], which is no range of codes", chain.low,
           chain.high);
  }
  if (range->bits == 32 && from.saturates && layers_.read_as_codes[index(chain.last)]) {
    const bool is_signed = given.low < 0 && chain.low < 0;
    return {8, is_signed, is_signed ? -128 : 0, is_signed ? 127 : 255};
  }
  const ValueRange found = hull(values(chain));
  if (range->bits == 32 && (found.low < kInt32Low || found.high > kInt32High)) {
    refuse(writer(chain.last), "its result '{}' is from {} to {}, more than 32 bits: no Clip",
           value(chain.last).name, found.low, found.high);
  }
  return *range;
}

AffineRequantize ChainBuilder::affine(const Chain& chain) const {
  if (!chain.is_integer()) {
    refuse(writer(chain.last),
           "its result '{}' has a fraction that is never cut: no Floor, Cast "
           "or integer Div",
           value(chain.last).name);
  }
  const CodeRange range = range_of(chain);
  AffineRequantize affine{.multiplier = chain.map.multiplier,
                          .offset = chain.map.offset,
                          .divisor = chain.map.divisor,
                          .rounding = chain.cut.value_or(Rounding::Floor),
                          .low = range.low,
                          .high = range.high};
  // Below 0 it makes no difference which way fractions go: the clip takes it all.
  if (affine.rounding == Rounding::TowardZero) {
    const bool never_below = hull(image(chain.map, Rounding::Floor, source(chain).values)).low >= 0;
    if (affine.low >= 0 || never_below) affine.rounding = Rounding::Floor;
  }
  return affine;
}

bool ChainBuilder::is_alias(const Chain& chain) const {
  const ChainSource& from = source(chain);
  if (from.kind != ChainSource::Kind::Codes || !is_identity(chain.map)) return false;
  const ValueRange given = hull(from.values);
  return from.shape == value(chain.last).shape && chain.low <= given.low &&
         chain.high >= given.high;
}

ValueId ChainBuilder::codes(ValueId id) { return codes(*chains_.at(index(id))); }

ValueId ChainBuilder::codes(Chain& chain) {
  if (source(chain).kind == ChainSource::Kind::Chain) chain = on_codes(std::move(chain));
  if (!is_alias(chain)) return write(chain);
  chain = {.source = chain.source, .last = chain.last};  // without the clips that clip nothing
  return source(chain).codes;
}

ValueId ChainBuilder::add_result(const Chain& chain, const CodeRange& range) {
  const std::string& name = value(chain.last).name;
  Value result{.name = is_output(chain.last) ? unique(name + "_int8") : name,
               .shape = value(chain.last).shape,
               .type = element_type(range)};
  result.quantization = unit_quantization(range);
  return graph_.add_value(std::move(result));
}

// `node`, which gives `shape`, writes `result`; through a Reshape if that has another.
void ChainBuilder::emit_to(ValueId result, Node node, const Shape& shape, ValueId order) {
  const Shape wanted = graph_.value(result).shape;
  if (shape == wanted) {
    node.outputs = {result};
    emit(std::move(node), order);
    return;
  }
  Value map = graph_.value(result);
  map.name = unique(map.name + "_map");
  map.shape = shape;
  const ValueId between = graph_.add_value(std::move(map));
  node.outputs = {between};
  const std::string name = unique_node(node.name + "_reshape");
  emit(std::move(node), order);
  emit({.name = name, .op = Reshape{wanted}, .inputs = {between}, .outputs = {result}}, order);
}

void ChainBuilder::note_saturation(const Chain& chain, const CodeRange& range) {
  const ValueRange given = hull(values(chain));
  if (given.low >= range.low && given.high <= range.high) return;
  saturations_.push_back(fmt::format(
      "'{}': sums from {} to {} without a Clip are kept as codes from {} to {}: what exceeds them "
      "saturates, as in the kernels, in the golden model too",
      value(chain.last).name, given.low, given.high, range.low, range.high));
}

// The node that the chain is.
ValueId ChainBuilder::write(Chain& chain) {
  ChainSource& from = sources_.at(chain.source);
  CHECK(from.kind != ChainSource::Kind::Used, "'{}' rescaled twice", value(from.imported).name);
  const AffineRequantize how = affine(chain);
  const CodeRange range = range_of(chain);
  note_saturation(chain, range);
  Node node = from.node;
  if (from.kind == ChainSource::Kind::Codes) {
    node = {.name = joined_name(chain, value(chain.last).name),
            .op = Identity{},
            .inputs = {from.codes}};
    node.merged.assign(chain.nodes.begin() + (chain.nodes.empty() ? 0 : 1), chain.nodes.end());
  } else {
    node.merged.insert(node.merged.end(), chain.nodes.begin(), chain.nodes.end());
    from.kind = ChainSource::Kind::Used;
  }
  node.affine = how;
  const ValueId result = add_result(chain, range);
  emit_to(result, std::move(node), from.shape, writer_order(chain.last));
  const ValueRanges given = clamped(values(chain), range.low, range.high);
  chain = {.source = add_codes(result, chain.last, given), .last = chain.last};
  return result;
}

void ChainBuilder::move(const Node& original, const std::vector<ValueId>& like) {
  Node node = original;
  node.inputs.clear();
  ValueRanges given;
  for (const ValueId id : like) {
    node.inputs.push_back(codes(id));
    const ValueRange part = hull(values(chain(id)));
    given = {given.empty() ? part : hull({given[0], part})};
  }
  const ValueId out = original.outputs[0];
  const Value first = graph_.value(node.inputs[0]);
  Value result{.name = is_output(out) ? unique(value(out).name + "_int8") : value(out).name,
               .shape = value(out).shape,
               .type = first.type};
  result.quantization = first.quantization;
  for (const ValueId id : node.inputs) {
    const Value& other = graph_.value(id);
    if (other.type == first.type && other.quantization == first.quantization) continue;
    refuse(original, "joins '{}', {} codes of {} bits, and '{}', {} codes of {} bits", first.name,
           to_string(first.type), first.quantization->bits, other.name, to_string(other.type),
           other.quantization->bits);
  }
  node.outputs = {graph_.add_value(std::move(result))};
  const ValueId written = node.outputs[0];
  emit(std::move(node), writer_order(out));
  set_chain(out, Chain{.source = add_codes(written, out, given)});
}

// Whether the chain is for the host to compute, from what it begins with.
bool ChainBuilder::replays(const Chain& chain) const {
  if (chain.is_integer()) {
    const ValueRange given = hull(values(chain));
    return !chain.is_closed() && !is_identity(chain.map) &&
           (given.low < kInt32Low || given.high > kInt32High);
  }
  return !chain.has_clip();
}

ValueId ChainBuilder::real(ValueId id) {
  if (reals_[index(id)] != kNoValue) return reals_[index(id)];
  if (const auto& tensor = value(id).constant) {
    const bool is_float = tensor->type() == ElementType::Float32;
    return constant(id, is_float ? *tensor : as_float(*tensor));
  }
  CHECK(is_chain(id), "'{}' is read before it is written", value(id).name);
  if (replays(chain(id))) {
    add_host(writer(id));
    return reals_[index(id)];
  }
  const ValueId code = codes(id);
  const std::string& name = value(id).name;
  Value real{.name = is_output(id) ? name : unique(name + "_float"), .shape = value(id).shape};
  reals_[index(id)] = graph_.add_value(std::move(real));
  emit({.name = unique_node(name + "_dequantize"),
        .op = Dequantize{},
        .inputs = {code},
        .outputs = {reals_[index(id)]}},
       writer_order(id));
  return reals_[index(id)];
}

void ChainBuilder::add_host(const Node& original) {
  if (original.affine) {
    refuse(original, "rescales '{}', which is no integer", value(original.inputs[0]).name);
  }
  Node node = original;
  for (ValueId& id : node.inputs) id = id == kNoValue ? kNoValue : real(id);
  for (ValueId& id : node.outputs) {
    if (id == kNoValue) continue;
    Value result{.name = value(id).name, .shape = value(id).shape};
    const bool is_index = id != original.outputs[0];  // of a MaxPool
    if (is_index) result.type = value(id).type;
    id = reals_[index(id)] = graph_.add_value(std::move(result));
  }
  emit(std::move(node), writer_order(original.outputs[0]));
}

ValueId ChainBuilder::constant(ValueId id, Tensor tensor,
                               std::optional<Quantization> quantization) {
  const auto [found, is_new] = constants_.try_emplace({id, tensor.type()}, kNoValue);
  if (!is_new && *graph_.value(found->second).constant == tensor) return found->second;
  // Its own name for the first form that it takes: others are another type, or transposed.
  const bool first = value_forms_.insert(id).second;
  const std::string& name = value(id).name;
  found->second = graph_.add_constant(first ? name : unique(name + "_form"), std::move(tensor));
  graph_.value(found->second).quantization = std::move(quantization);
  return found->second;
}

Graph ChainBuilder::finished() {
  for (const ValueId id : imported_.outputs) graph_.outputs.push_back(real(id));
  std::vector<std::size_t> sorted(graph_.nodes.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](std::size_t a, std::size_t b) { return order_[a] < order_[b]; });
  std::vector<Node> nodes;
  for (const std::size_t n : sorted) nodes.push_back(std::move(graph_.nodes[n]));
  graph_.nodes = std::move(nodes);
  return std::move(graph_);
}

// Where integer networks begin: real numbers that the host makes codes of.

void ChainBuilder::add_input(ValueId id, bool is_signed) {
  Value real{.name = value(id).name, .shape = value(id).shape};
  reals_[index(id)] = graph_.add_value(std::move(real));
  graph_.inputs.push_back(reals_[index(id)]);
  const CodeRange range{.bits = 8, .is_signed = is_signed};
  Value code{.name = unique(value(id).name + "_int8"),
             .shape = value(id).shape,
             .type = element_type(range)};
  code.quantization = unit_quantization(range);
  const ValueId codes = graph_.add_value(std::move(code));
  emit({.name = unique_node(value(id).name + "_quantize"),
        .op = Quantize{},
        .inputs = {reals_[index(id)]},
        .outputs = {codes}},
       kNoValue);
  const ValueRange whole = is_signed ? ValueRange{-128, 127} : ValueRange{0, 255};
  chains_[index(id)] = Chain{.source = add_codes(codes, id, {whole}), .last = id};
}

bool ChainBuilder::is_input(ValueId id) const {
  return std::ranges::find(imported_.inputs, id) != imported_.inputs.end();
}

void ChainBuilder::add_bordered_input(const Node& original) {
  const ValueId x = original.inputs[0], out = original.outputs[0];
  const Value codes = graph_.value(source(chain(x)).codes);
  const Quantization& range = *codes.quantization;
  const auto fill = static_cast<double>(std::get<Pad>(original.op).value);
  const auto low = static_cast<double>(range.low()), high = static_cast<double>(range.high());
  if (fill < low || fill > high || fill != std::floor(fill)) {
    refuse(original, "pads with {}: expected a code, a whole number from {} to {}", fill, low,
           high);
  }
  const std::string& name = value(out).name;
  reals_[index(out)] =
      graph_.add_value({.name = unique(name + "_float"), .shape = value(out).shape});
  emit({.name = original.name,
        .op = original.op,
        .inputs = {reals_[index(x)]},
        .outputs = {reals_[index(out)]}},
       writer_order(out));
  Value result{.name = is_output(out) ? unique(name + "_int8") : name,
               .shape = value(out).shape,
               .type = codes.type};
  result.quantization = codes.quantization;
  const ValueId written = graph_.add_value(std::move(result));
  emit({.name = unique_node(original.name + "_quantize"),
        .op = Quantize{},
        .inputs = {reals_[index(out)]},
        .outputs = {written}},
       writer_order(out));
  set_chain(out, Chain{.source = add_codes(written, out, {ValueRange{range.low(), range.high()}}),
                       .last = out});
}

namespace {

bool is_cut(const Activation& activation) {
  return activation.kind == Activation::Kind::Floor ||
         activation.kind == Activation::Kind::Truncate;
}

// Weights, or a window over codes.
bool reads_codes(const Graph& graph, const Node& node) {
  const bool product =
      std::holds_alternative<Gemm>(node.op) || std::holds_alternative<MatMul>(node.op);
  if (product) return graph.value(node.inputs[1]).constant.has_value();
  return std::holds_alternative<Conv>(node.op) || std::holds_alternative<MaxPool>(node.op) ||
         std::holds_alternative<AveragePool>(node.op);
}

bool moves(const Node& node) { return traits(node.op).moves_data && !node.affine; }

// Integers stay integers, or fractions of integers that a layer behind may cut.
bool is_arithmetic(const Node& node) {
  if (const auto* activate = std::get_if<Activate>(&node.op)) {
    return activate->activation.kind == Activation::Kind::Relu ||
           (activate->activation.kind == Activation::Kind::Clip &&
            activate->activation.bounds.empty());
  }
  return std::holds_alternative<Binary>(node.op);
}

}  // namespace

bool is_layer(const Graph& graph, const Node& node) {
  if (node.affine) return true;
  if (const auto* activate = std::get_if<Activate>(&node.op)) return is_cut(activate->activation);
  if (const auto* binary = std::get_if<Binary>(&node.op)) return is_cut(binary->activation);
  return reads_codes(graph, node);
}

LayerReaders layer_readers(const Graph& graph) {
  LayerReaders readers{std::vector<bool>(graph.values.size()),
                       std::vector<bool>(graph.values.size())};
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    const auto out = static_cast<std::size_t>(node.outputs[0]);
    const bool passes_on = moves(node) || is_arithmetic(node);
    const bool feeds = is_layer(graph, node) || (passes_on && readers.feeds_layer[out]);
    const bool codes = reads_codes(graph, node) || (moves(node) && readers.read_as_codes[out]);
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (feeds) readers.feeds_layer[static_cast<std::size_t>(id)] = true;
      if (codes) readers.read_as_codes[static_cast<std::size_t>(id)] = true;
    }
  }
  return readers;
}

}  // namespace workbench

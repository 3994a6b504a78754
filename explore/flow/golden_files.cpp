#include "explore/flow/golden_files.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>

#include "core/error.h"
#include "data/arrays.h"
#include "explore/flow/golden_text.h"
#include "sim/golden/golden.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

bool is_integer(const Value& value) {
  return value.type != ElementType::Float32 && value.quantization && !value.constant;
}

bool is_weighted(const Op& op) {
  return std::holds_alternative<Conv>(op) || std::holds_alternative<Gemm>(op) ||
         std::holds_alternative<MatMul>(op);
}

bool is_pool(const Op& op) {
  return std::holds_alternative<MaxPool>(op) || std::holds_alternative<AveragePool>(op);
}

bool is_rescaling(const Node& node) {
  return std::holds_alternative<Identity>(node.op) && node.affine;
}

// Accumulators that leave as they are.
bool changes_nothing(const AffineRequantize& how) {
  const auto all = [](const std::vector<std::int64_t>& list, std::int64_t value) {
    return std::all_of(list.begin(), list.end(), [&](std::int64_t v) { return v == value; });
  };
  return all(how.multiplier, 1) && all(how.offset, 0) && how.divisor == 1;
}

std::optional<std::int64_t> number_of(const std::string& name) {
  const std::size_t at = name.find_last_of('_');
  if (at == std::string::npos) return std::nullopt;
  std::int64_t number = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + at + 1, end, number);
  return error == std::errc{} && rest == end ? std::optional(number) : std::nullopt;
}

class Modules {
 public:
  explicit Modules(const Graph& graph) : graph_(graph) {
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) add(n);
    const auto numbered = [](const GoldenStage& stage) { return stage.number.has_value(); };
    if (!std::all_of(stages_.begin(), stages_.end(), numbered)) return;
    std::stable_sort(
        stages_.begin(), stages_.end(),
        [](const GoldenStage& a, const GoldenStage& b) { return *a.number < *b.number; });
  }
  std::vector<GoldenStage> take() { return std::move(stages_); }

 private:
  void add(std::size_t n) {
    const Node& node = graph_.nodes[n];
    if (!is_integer(graph_.value(node.outputs[0]))) return;
    if (is_weighted(node.op)) return add_weighted(n);
    if (std::holds_alternative<Binary>(node.op)) return add_sum(n);
    if (is_pool(node.op) || is_rescaling(node)) {
      push(n, GoldenFile::Kind::Memory, node.merged.empty() ? node.name : node.merged.back());
    }
  }

  // `source`: the exporter's node whose result it is.
  GoldenStage& push(std::size_t n, GoldenFile::Kind kind, const std::string& source) {
    const Node& node = graph_.nodes[n];
    const ValueId value = node.outputs[0];
    stages_.push_back({.kind = kind,
                       .node = n,
                       .value = value,
                       .shape = graph_.value(value).shape,
                       .names = {source},
                       .number = number_of(source)});
    if (kind == GoldenFile::Kind::Memory) stages_.back().names.push_back(graph_.value(value).name);
    return stages_.back();
  }

  void add_weighted(std::size_t n) {
    const Node& node = graph_.nodes[n];
    const bool rescales = node.affine && !changes_nothing(*node.affine);
    GoldenStage& sums =
        push(n, rescales ? GoldenFile::Kind::Accumulator : GoldenFile::Kind::Memory, node.name);
    sums.names.push_back(graph_.value(node.inputs.at(1)).name);
    if (rescales) {
      push(n, GoldenFile::Kind::Memory, node.merged.empty() ? node.name : node.merged.back());
    }
  }

  // merged: rescalings of the operands, in their order, then what follows the sum.
  void add_sum(std::size_t n) {
    const Node& node = graph_.nodes[n];
    std::size_t merged = 0;
    for (std::size_t i = 0; i < node.operand_affine.size(); ++i) {
      if (changes_nothing(node.operand_affine[i])) continue;
      const std::string source =
          merged < node.merged.size() ? node.merged[merged++] : std::string();
      GoldenStage& stage = push(n, GoldenFile::Kind::Operand, source);
      stage.operand = i;
      stage.shape = graph_.value(node.inputs[i]).shape;
    }
    if (!node.affine || (changes_nothing(*node.affine) && merged == node.merged.size())) return;
    push(n, GoldenFile::Kind::Memory, node.merged.empty() ? node.name : node.merged.back());
  }

  const Graph& graph_;
  std::vector<GoldenStage> stages_;
};

}  // namespace

std::vector<GoldenStage> dory_layers(const Graph& quantized) {
  const auto readers = consumers(quantized);
  std::vector<GoldenStage> layers;
  for (std::size_t n = 0; n < quantized.nodes.size(); ++n) {
    const Node& node = quantized.nodes[n];
    if (!is_integer(quantized.value(node.outputs[0]))) continue;
    const bool layer =
        is_weighted(node.op) || is_pool(node.op) || std::holds_alternative<Binary>(node.op);
    if (!layer) continue;
    GoldenStage stage{.node = n, .value = node.outputs[0], .names = {node.name}};
    stage.names.insert(stage.names.end(), node.merged.begin(), node.merged.end());
    for (const auto* read_by = &readers[static_cast<std::size_t>(stage.value)];
         read_by->size() == 1 && is_rescaling(quantized.nodes[read_by->front()]);
         read_by = &readers[static_cast<std::size_t>(stage.value)]) {
      const Node& behind = quantized.nodes[read_by->front()];
      stage.value = behind.outputs[0];
      stage.names.push_back(behind.name);
    }
    stage.shape = quantized.value(stage.value).shape;
    stage.names.push_back(quantized.value(stage.value).name);
    layers.push_back(std::move(stage));
  }
  return layers;
}

std::vector<GoldenStage> deeploy_modules(const Graph& quantized) {
  return Modules(quantized).take();
}

ValueId codes_of_output(const Graph& quantized, ValueId output) {
  const std::ptrdiff_t writer = producers(quantized)[static_cast<std::size_t>(output)];
  if (writer < 0) return output;
  const Node& node = quantized.nodes[static_cast<std::size_t>(writer)];
  return std::holds_alternative<Dequantize>(node.op) ? node.inputs[0] : output;
}

namespace {

constexpr std::string_view kLayerPrefix = "out_layer";

struct LayerFile {
  fs::path path;
  std::size_t index = 0;  // the number in its name
  GoldenText text;
};

std::optional<std::size_t> layer_index(const fs::path& path) {
  const std::string stem = path.stem().string();
  if (path.extension() != ".txt" || !stem.starts_with(kLayerPrefix)) return std::nullopt;
  std::size_t index = 0;
  const char* end = stem.data() + stem.size();
  const auto [rest, error] = std::from_chars(stem.data() + kLayerPrefix.size(), end, index);
  return error == std::errc{} && rest == end ? std::optional(index) : std::nullopt;
}

std::vector<LayerFile> layer_files(const fs::path& folder) {
  std::vector<LayerFile> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto index = layer_index(entry.path());
    if (index) files.push_back({.path = entry.path(), .index = *index, .text = {}});
  }
  std::sort(files.begin(), files.end(),
            [](const LayerFile& a, const LayerFile& b) { return a.index < b.index; });
  for (LayerFile& file : files) file.text = read_golden_text(file.path);
  return files;
}

std::string node_name(const Graph& graph, const GoldenStage& stage) {
  return graph.nodes[stage.node].name;
}

GoldenFile golden_of(const Graph& graph, const GoldenStage& stage, std::string file, Tensor tensor,
                     std::string how) {
  return {.file = std::move(file),
          .value = graph.value(stage.value).name,
          .node = node_name(graph, stage),
          .kind = stage.kind,
          .operand = stage.operand,
          .tensor = std::move(tensor),
          .how = std::move(how)};
}

// The layer that the header names, if it is the only header that does.
std::optional<std::size_t> named_layer(const LayerFile& file, const std::vector<LayerFile>& files,
                                       const std::vector<GoldenStage>& layers) {
  const std::string& name = file.text.name;
  const auto same = [&](const LayerFile& other) { return other.text.name == name; };
  if (name.empty() || std::count_if(files.begin(), files.end(), same) != 1) return std::nullopt;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& names = layers[i].names;
    if (std::find(names.begin(), names.end(), name) != names.end()) return i;
  }
  return std::nullopt;
}

std::vector<GoldenFile> read_layers(const fs::path& folder, const Graph& graph) {
  const std::vector<LayerFile> files = layer_files(folder);
  const std::vector<GoldenStage> layers = dory_layers(graph);
  std::vector<GoldenFile> result;
  for (const LayerFile& file : files) {
    const auto named = named_layer(file, files, layers);
    const std::size_t index = named.value_or(file.index);
    if (index >= layers.size()) {
      fail("{}: expected layers 0 to {} of network {}, found {}", file.path.string(),
           layers.size() - 1, graph.name, index);
    }
    const GoldenStage& layer = layers[index];
    const Value& value = graph.value(layer.value);
    const std::string where =
        fmt::format("{} (layer '{}')", file.path.string(), node_name(graph, layer));
    const bool wide = value.type == ElementType::Int32;
    Tensor tensor = arranged(file.text, layer.shape, wide, where);
    const bool bytes = static_cast<std::size_t>(tensor.size()) != file.text.values.size();
    const bool pixels_first =
        golden_order(file.text, layer.shape, where) == GoldenOrder::PixelsFirst;
    result.push_back(golden_of(graph, layer, file.path.filename().string(), std::move(tensor),
                               fmt::format("by {}, {}{}", named ? "name" : "order",
                                           pixels_first ? "pixels first" : "channels first",
                                           bytes ? ", int32 from bytes" : "")));
  }
  return result;
}

Tensor as_integers(const Tensor& array, const Shape& shape, const std::string& what) {
  const std::vector<double> values = numbers(array);
  Tensor result = Tensor::uninitialized(ElementType::Int64, shape, Layout::Nchw);
  const auto to = result.mutable_values<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    to[i] = static_cast<std::int64_t>(values[i]);
    if (static_cast<double>(to[i]) != values[i]) {
      fail("{}: expected whole numbers, found {}", what, values[i]);
    }
  }
  return result;
}

Shape without_ones(Shape shape) {
  std::erase(shape, 1);
  return shape;
}

bool same_shape(const Shape& a, const Shape& b) { return without_ones(a) == without_ones(b); }

// Lower case, '_' for everything that is no letter or digit.
std::string plain(const std::string& name) {
  std::string result;
  for (const char c : name) {
    const auto letter = static_cast<unsigned char>(c);
    result += std::isalnum(letter) ? static_cast<char>(std::tolower(letter)) : '_';
  }
  return result;
}

// "_Quant_3_RequantShift" is known as "quant_3", "a.b.weight" as "a_b".
std::string core_name(const std::string& name) {
  std::string core = plain(name);
  for (const std::string_view suffix : {"_weight", "_requantshift"}) {
    if (core.ends_with(suffix)) core.resize(core.size() - suffix.size());
  }
  const std::size_t begin = core.find_first_not_of('_');
  return begin == std::string::npos ? "" : core.substr(begin);
}

// Whether an array of this name is the stage: their names are the same, or the array's adds what
// modules the stage lies in.
bool names_match(const std::string& array, const GoldenStage& stage) {
  const std::string wanted = core_name(array);
  return std::any_of(stage.names.begin(), stage.names.end(), [&](const std::string& name) {
    const std::string core = core_name(name);
    return !core.empty() && (wanted == core || wanted.ends_with("_" + core));
  });
}

using NamedArray = std::pair<std::string, Tensor>;

// Per array its stage by name: one that no other array's name fits, and no other stage.
std::vector<std::optional<std::size_t>> stages_by_name(const std::vector<NamedArray>& arrays,
                                                       const std::vector<GoldenStage>& stages) {
  std::vector<std::vector<std::size_t>> fitting(arrays.size());
  std::vector<int> times(stages.size(), 0);
  for (std::size_t a = 0; a < arrays.size(); ++a) {
    for (std::size_t s = 0; s < stages.size(); ++s) {
      if (!names_match(arrays[a].first, stages[s])) continue;
      fitting[a].push_back(s);
      ++times[s];
    }
  }
  std::vector<std::optional<std::size_t>> result(arrays.size());
  for (std::size_t a = 0; a < arrays.size(); ++a) {
    if (fitting[a].size() == 1 && times[fitting[a][0]] == 1) result[a] = fitting[a][0];
  }
  return result;
}

std::vector<GoldenFile> read_activations(const fs::path& path, const Graph& graph) {
  const std::vector<NamedArray> arrays = read_npz_members(path);
  const std::vector<GoldenStage> stages = deeploy_modules(graph);
  const auto by_name = stages_by_name(arrays, stages);
  std::vector<bool> taken(stages.size(), false);
  for (const auto& stage : by_name) {
    if (stage) taken[*stage] = true;
  }
  std::vector<GoldenFile> result;
  std::size_t next = 0;
  for (std::size_t a = 0; a < arrays.size(); ++a) {
    const auto& [name, array] = arrays[a];
    const auto fits = [&](std::size_t s) { return same_shape(stages[s].shape, array.shape()); };
    const std::string what = fmt::format("{}:{}", path.string(), name);
    std::size_t stage = by_name[a].value_or(next);
    if (!by_name[a]) {
      while (stage < stages.size() && (taken[stage] || !fits(stage))) ++stage;
      next = stage + 1;
    }
    if (stage >= stages.size() || !fits(stage)) {
      fail("{}: no layer of shape {} is left for it", what, to_string(array.shape()));
    }
    result.push_back(golden_of(
        graph, stages[stage], fmt::format("{}:{}", path.filename().string(), name),
        as_integers(array, stages[stage].shape, what), by_name[a] ? "by name" : "by order"));
  }
  return result;
}

std::vector<GoldenFile> read_outputs(const fs::path& path, const Graph& graph) {
  const std::vector<NamedArray> arrays = read_npz_members(path);
  if (arrays.size() != graph.outputs.size()) {
    fail("{}: expected {} arrays, one per output, found {}", path.string(), graph.outputs.size(),
         arrays.size());
  }
  std::vector<GoldenFile> result;
  for (std::size_t a = 0; a < arrays.size(); ++a) {
    const auto& [name, array] = arrays[a];
    const auto named =
        std::find_if(graph.outputs.begin(), graph.outputs.end(),
                     [&, &wanted = name](ValueId id) { return graph.value(id).name == wanted; });
    const bool by_name = named != graph.outputs.end();
    const ValueId id = codes_of_output(graph, by_name ? *named : graph.outputs[a]);
    const Value& value = graph.value(id);
    const std::string what = fmt::format("{}:{}", path.string(), name);
    if (!same_shape(value.shape, array.shape())) {
      fail("{}: expected shape {} of output '{}', found {}", what, to_string(value.shape),
           value.name, to_string(array.shape()));
    }
    const std::ptrdiff_t writer = producers(graph)[static_cast<std::size_t>(id)];
    const std::string node =
        writer < 0 ? value.name : graph.nodes[static_cast<std::size_t>(writer)].name;
    result.push_back({.file = fmt::format("{}:{}", path.filename().string(), name),
                      .value = value.name,
                      .node = node,
                      .tensor = as_integers(array, value.shape, what),
                      .how = by_name ? "by name" : "by order"});
  }
  return result;
}

// The tensor that `golden` judges.
Tensor judged(const GoldenFile& golden, const Graph& graph, const NamedTensors& computed,
              std::span<const Tensor> values) {
  if (golden.kind == GoldenFile::Kind::Memory) {
    const auto found = computed.find(golden.value);
    if (found == computed.end()) {
      fail("{}: value '{}' of layer '{}' was not computed on its own", golden.file, golden.value,
           golden.node);
    }
    return found->second;
  }
  const auto node = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                 [&](const Node& n) { return n.name == golden.node; });
  CHECK(node != graph.nodes.end(), "no node '{}'", golden.node);
  return golden.kind == GoldenFile::Kind::Accumulator
             ? golden::accumulator(graph, *node, values)
             : golden::rescaled_operand(graph, *node, golden.operand, values);
}

}  // namespace

bool is_golden_folder(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return false;
  return fs::exists(path / "outputs.npz") || fs::exists(path / "activations.npz") ||
         std::any_of(fs::directory_iterator(path), fs::directory_iterator(),
                     [](const auto& entry) { return layer_index(entry.path()).has_value(); });
}

std::vector<GoldenFile> read_golden_folder(const fs::path& path, const Graph& quantized) {
  std::vector<GoldenFile> files = read_layers(path, quantized);
  const auto append = [&](std::vector<GoldenFile> more) {
    std::move(more.begin(), more.end(), std::back_inserter(files));
  };
  if (fs::exists(path / "activations.npz")) {
    append(read_activations(path / "activations.npz", quantized));
  }
  if (fs::exists(path / "outputs.npz")) append(read_outputs(path / "outputs.npz", quantized));
  return files;
}

std::string mapping_line(const GoldenFile& golden) {
  const char* what = "value";
  std::string which = fmt::format("'{}'", golden.value);
  if (golden.kind == GoldenFile::Kind::Accumulator) {
    what = "accumulator before";
  } else if (golden.kind == GoldenFile::Kind::Operand) {
    what = "operand";
    which = fmt::format("{} of '{}'", golden.operand, golden.value);
  }
  return fmt::format("{} -> layer '{}', {} {} ({})", golden.file, golden.node, what, which,
                     golden.how);
}

std::vector<Difference> compare(const std::vector<GoldenFile>& files, const Graph& quantized,
                                const NamedTensors& computed, std::span<const Tensor> values) {
  std::vector<Difference> differences;
  for (const GoldenFile& file : files) {
    const Tensor got = judged(file, quantized, computed, values);
    if (got.size() != file.tensor.size()) {
      fail("{}: expected {} values of '{}', found {}", file.file, got.size(), file.value,
           file.tensor.size());
    }
    differences.push_back(difference(fmt::format("{} ({})", file.node, file.file),
                                     numbers(file.tensor), numbers(got), {}));
  }
  return differences;
}

}  // namespace workbench

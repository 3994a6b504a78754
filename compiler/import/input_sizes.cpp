#include "compiler/import/input_sizes.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <set>
#include <unordered_map>
#include <utility>

#include "compiler/import/names.h"
#include "core/error.h"

namespace workbench::importer {

namespace {

using Dims = std::vector<std::optional<std::int64_t>>;  // none: the model leaves it open

// What the first reader of an input says about it.
struct Reader {
  std::string op;
  Shape weights;  // of its operand 1, where that is an initializer
};

bool is_number_of_channels(const std::optional<std::int64_t>& size) {
  return size && *size >= 1 && *size <= 4;
}

bool mentions(const std::string& name, std::initializer_list<std::string_view> words) {
  std::string lower = name;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::ranges::any_of(
      words, [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

// Of an input of images, [N, C, H, W] or [N, H, W, C], or of volumes.
SizeKind kind_in_map(const Dims& dims, std::size_t i) {
  if (dims.size() > 4) return i == 1 ? SizeKind::Channels : SizeKind::Volume;
  const bool channels_last = is_number_of_channels(dims[3]) && !is_number_of_channels(dims[1]);
  return i == (channels_last ? 3U : 1U) ? SizeKind::Channels : SizeKind::Image;
}

SizeKind kind_of(const Dims& dims, std::size_t i, const std::string& name, bool is_real,
                 const std::optional<Reader>& reader) {
  const std::size_t rank = dims.size();
  if (mentions(name, {"batch"})) return SizeKind::Batch;
  if (mentions(name, {"height", "width"})) return SizeKind::Image;
  if (mentions(name, {"seq", "frames", "tokens"})) return SizeKind::Sequence;
  if (mentions(name, {"samples"})) return SizeKind::Samples;
  if (rank == 3 && i > 0 && is_number_of_channels(dims[0]) && !dims[1] && !dims[2]) {
    return SizeKind::Image;  // [C, H, W]
  }
  if (i == 0 && rank > 1) return SizeKind::Batch;
  if (rank >= 4) return kind_in_map(dims, i);
  if (rank == 3 && reader && reader->op == "Conv") {
    if (i == 1) return SizeKind::Channels;
    return dims[1] && *dims[1] <= 2 ? SizeKind::Samples : SizeKind::Sequence;
  }
  if (rank == 3 || !is_real) return SizeKind::Sequence;
  return SizeKind::Samples;
}

std::int64_t typical(SizeKind kind, const std::optional<Reader>& reader) {
  switch (kind) {
    case SizeKind::Batch:
      return 1;
    case SizeKind::Channels:
      return reader && reader->op == "Conv" && reader->weights.size() > 2 ? reader->weights[1] : 3;
    case SizeKind::Image:
      return 224;
    case SizeKind::Volume:
      return 16;
    case SizeKind::Sequence:
      return 128;
    case SizeKind::Samples:
      return 16000;
  }
  CHECK(false, "size kind {}", static_cast<int>(kind));
}

std::string_view meaning(SizeKind kind) {
  switch (kind) {
    case SizeKind::Batch:
      return "a batch";
    case SizeKind::Channels:
      return "channels";
    case SizeKind::Image:
      return "an image";
    case SizeKind::Volume:
      return "a volume";
    case SizeKind::Sequence:
      return "a sequence";
    case SizeKind::Samples:
      return "audio";
  }
  CHECK(false, "size kind {}", static_cast<int>(kind));
}

// Of an input whose rank the model does not say, as its first reader needs it.
Dims rank_of(const std::optional<Reader>& reader) {
  if (!reader || reader->weights.empty()) return Dims(4);
  if (reader->op == "Conv") return Dims(reader->weights.size());
  if (reader->op == "MatMul") return {std::nullopt, reader->weights[0]};
  if (reader->op == "Gemm") return Dims(2);
  return Dims(4);
}

std::string print(const Shape& shape) { return fmt::format("{}", fmt::join(shape, ",")); }

}  // namespace

// The first node that has a value as its operand 0, by the value's name.
class FirstReaders {
 public:
  explicit FirstReaders(const onnx::GraphProto& graph) {
    for (const auto& tensor : graph.initializer()) initializers_.emplace(tensor.name(), &tensor);
    for (const onnx::NodeProto& node : graph.node()) {
      if (node.input_size() > 0) nodes_.emplace(node.input(0), &node);
    }
  }

  std::optional<Reader> of(const std::string& input) const {
    const auto found = nodes_.find(input);
    if (found == nodes_.end()) return std::nullopt;
    const onnx::NodeProto& node = *found->second;
    Reader reader{.op = node.op_type(), .weights = {}};
    if (node.input_size() < 2) return reader;
    const auto weights = initializers_.find(node.input(1));
    if (weights == initializers_.end()) return reader;
    reader.weights.assign(weights->second->dims().begin(), weights->second->dims().end());
    return reader;
  }

 private:
  std::unordered_map<std::string_view, const onnx::TensorProto*> initializers_;
  std::unordered_map<std::string_view, const onnx::NodeProto*> nodes_;
};

std::size_t InputSizes::open(const std::string& name, SizeKind kind, std::int64_t size) {
  if (const auto same = by_name_.find(name); same != by_name_.end()) return same->second;
  if (!name.empty()) by_name_[name] = open_.size();
  open_.push_back({.name = name, .kind = kind, .size = size});
  return open_.size() - 1;
}

InputSizes::Input InputSizes::declared(const onnx::ValueInfoProto& input,
                                       const FirstReaders& readers) {
  const onnx::TypeProto_Tensor& tensor = input.type().tensor_type();
  const bool is_real = tensor.elem_type() == onnx::TensorProto::FLOAT ||
                       tensor.elem_type() == onnx::TensorProto::FLOAT16 ||
                       tensor.elem_type() == onnx::TensorProto::DOUBLE;
  Dims dims;
  for (const auto& dim : tensor.shape().dim()) {
    const bool is_fixed = dim.has_dim_value() && dim.dim_value() >= 0;
    dims.push_back(is_fixed ? std::optional(dim.dim_value()) : std::nullopt);
  }
  std::optional<Reader> reader;
  const bool is_whole =
      std::ranges::all_of(dims, [](const auto& size) { return size.has_value(); });
  if (!is_whole || !tensor.has_shape()) reader = readers.of(input.name());
  if (!tensor.has_shape()) dims = rank_of(reader);
  Input result{.name = input.name(), .dimensions = {}};
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i]) {
      result.dimensions.push_back({.size = *dims[i]});
      continue;
    }
    const int index = static_cast<int>(i);
    const std::string name =
        index < tensor.shape().dim_size() ? tensor.shape().dim(index).dim_param() : "";
    const SizeKind kind = kind_of(dims, i, name, is_real, reader);
    result.dimensions.push_back({.open = open(name, kind, typical(kind, reader))});
  }
  return result;
}

void InputSizes::fix(Input& input, const Shape& shape) {
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i < input.dimensions.size() && input.dimensions[i].open) {
      set(*input.dimensions[i].open, shape[i]);  // other inputs of this name follow
      open_[*input.dimensions[i].open].was_set = true;
    }
  }
  input.dimensions.assign(shape.size(), {});
  for (std::size_t i = 0; i < shape.size(); ++i) input.dimensions[i].size = shape[i];
}

InputSizes::InputSizes(const onnx::GraphProto& graph, const ImportOptions& options) {
  std::set<std::string> initialized;
  constexpr std::size_t kFirstWeights = 8;
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    initialized.insert(tensor.name());
    if (tensor.dims_size() < 2 || weight_sizes_.size() >= kFirstWeights) continue;
    weight_sizes_.push_back(tensor.dims(0));
    weight_sizes_.push_back(tensor.dims(1));
  }
  for (const auto& tensor : graph.sparse_initializer()) initialized.insert(tensor.values().name());
  std::string names;
  const FirstReaders readers(graph);
  for (const onnx::ValueInfoProto& input : graph.input()) {
    if (initialized.contains(input.name())) continue;
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", input.name());
    inputs_.push_back(declared(input, readers));
  }
  for (const auto& [name, shape] : options.input_shapes) {
    const auto input = std::ranges::find(inputs_, name, &Input::name);
    if (input == inputs_.end()) fail("--shape {}: expected one of the inputs {}", name, names);
    const auto declaration =
        std::ranges::find(graph.input(), name, [](const auto& info) { return info.name(); });
    if (declaration->type().tensor_type().has_shape() && input->dimensions.size() != shape.size()) {
      fail("--shape {}: expected {} dimensions, found {}", name, input->dimensions.size(),
           shape.size());
    }
    fix(*input, shape);
  }
}

InputShapes InputSizes::shapes() const {
  InputShapes shapes;
  for (const Input& input : inputs_) {
    Shape& shape = shapes[input.name];
    shape.clear();
    for (const Dimension& dimension : input.dimensions) {
      shape.push_back(dimension.open ? open_[*dimension.open].size : dimension.size);
    }
  }
  return shapes;
}

std::vector<std::size_t> InputSizes::of_kind(SizeKind kind) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    if (open_[i].kind == kind && !open_[i].was_set) found.push_back(i);
  }
  return found;
}

void InputSizes::set(std::size_t open, std::int64_t size) { open_[open].size = size; }

namespace {

using Candidates = std::vector<std::vector<std::int64_t>>;

// Heights and widths that networks are published for.
constexpr std::int64_t kSquares[] = {224, 256, 320, 640, 416, 512, 300, 192, 128, 160, 112, 96,
                                     64,  48,  32,  28,  299, 384, 448, 480, 600, 608, 800, 1024};
constexpr std::int64_t kRectangles[][2] = {{480, 640}, {240, 320}, {32, 100},  {32, 128},
                                           {32, 320},  {48, 192},  {48, 320},  {64, 128},
                                           {256, 128}, {144, 256}, {720, 1280}};
constexpr std::int64_t kLengths[] = {128, 1,   64, 256, 512, 100, 32,  16,  50,   77,
                                     197, 384, 49, 98,  101, 200, 300, 400, 1000, 3000};
constexpr std::int64_t kSamples[] = {16000, 1024, 512, 8000, 48000, 400, 160, 32000, 4000, 1};

void add_up_to(std::int64_t most, Candidates& candidates) {
  for (std::int64_t size = 1; size <= most; ++size) candidates.push_back({size});
}

}  // namespace

std::vector<std::vector<std::int64_t>> InputSizes::candidates(SizeKind kind) const {
  Candidates candidates;
  const auto add = [&](const auto& sizes) {
    for (const std::int64_t size : sizes) candidates.push_back({size});
  };
  switch (kind) {
    case SizeKind::Batch:
      add_up_to(16, candidates);
      add(kLengths);
      break;
    case SizeKind::Channels:
      add(weight_sizes_);
      add_up_to(128, candidates);
      break;
    case SizeKind::Image:
      add(kSquares);
      for (const auto& [height, width] : kRectangles) candidates.push_back({height, width});
      add(weight_sizes_);
      add_up_to(512, candidates);
      break;
    case SizeKind::Volume:
      add_up_to(64, candidates);
      break;
    case SizeKind::Sequence:
      add(kLengths);
      add(weight_sizes_);
      add_up_to(512, candidates);
      break;
    case SizeKind::Samples:
      add(kSamples);
      add(weight_sizes_);
      add_up_to(512, candidates);
      break;
  }
  std::erase_if(candidates, [](const auto& sizes) { return sizes[0] < 1; });
  return candidates;
}

std::string InputSizes::line(const Input& input) const {
  Shape shape;
  std::string chosen;
  std::string_view counts;
  for (std::size_t i = 0; i < input.dimensions.size(); ++i) {
    const Dimension& dimension = input.dimensions[i];
    shape.push_back(dimension.open ? open_[*dimension.open].size : dimension.size);
    if (!dimension.open) continue;
    const Open& open = open_[*dimension.open];
    if (open.was_set || (open.kind == SizeKind::Batch && open.size == 1)) continue;
    chosen += fmt::format("{}{}", chosen.empty() ? "" : ", ", i);
    if (!open.name.empty()) chosen += fmt::format(" '{}'", text_name(open.name));
    counts = meaning(open.kind);
  }
  if (chosen.empty()) return {};
  const std::string name = text_name(input.name);
  return fmt::format("input '{}': {} (dimension {} chosen, as of {}; --shape {}={} changes it)",
                     name, print(shape), chosen, counts, name, print(shape));
}

std::vector<std::string> InputSizes::notes() const {
  constexpr std::size_t kMost = 20;
  std::vector<std::string> notes;
  for (const Input& input : inputs_) {
    std::string text = line(input);
    if (!text.empty()) notes.push_back(std::move(text));
    if (notes.size() == kMost) {
      notes.push_back("sizes of more inputs were chosen, too");
      break;
    }
  }
  return notes;
}

std::string InputSizes::hint() const {
  constexpr std::size_t kMost = 3;
  const std::vector<std::string> all = notes();
  std::string hint;
  for (std::size_t i = 0; i < std::min(kMost, all.size()); ++i) hint += "; with " + all[i];
  return hint;
}

namespace {

class Search {
 public:
  Search(InputSizes& sizes, std::int64_t nodes, const Read& read)
      : sizes_(sizes), read_(read), budget_(kFew + 4 * nodes) {}

  Attempt run() {
    best_ = read_(sizes_.shapes(), std::numeric_limits<std::int64_t>::max());
    const std::int64_t first = best_.obstacles.count();
    for (const SizeKind kind : {SizeKind::Channels, SizeKind::Image, SizeKind::Volume,
                                SizeKind::Sequence, SizeKind::Samples, SizeKind::Batch}) {
      if (best_.obstacles.count() == 0) break;
      try_kind(kind);
    }
    // Obstacles were only counted up to the best attempt: all of them, with its sizes.
    if (best_.obstacles.count() > 0 && best_.obstacles.count() < first) {
      best_ = read_(sizes_.shapes(), std::numeric_limits<std::int64_t>::max());
    }
    return std::move(best_);
  }

 private:
  static constexpr std::int64_t kFew = 200'000;  // nodes that are read in less than a second
  static constexpr int kUseless = 12;            // attempts that end alike: the size is no matter

  static bool is_better(const Attempt& a, const Attempt& b) {
    const std::int64_t left = a.obstacles.count();
    const std::int64_t right = b.obstacles.count();
    return left < right || (left == right && a.progress > b.progress);
  }

  void try_kind(SizeKind kind) {
    const std::vector<std::size_t> open = sizes_.of_kind(kind);
    if (open.empty()) return;
    std::vector<std::int64_t> chosen;
    for (const std::size_t one : open) chosen.push_back(sizes_.size(one));
    const std::string before = best_.obstacles.text();
    int alike = 0;
    for (const std::vector<std::int64_t>& candidate : sizes_.candidates(kind)) {
      if (best_.obstacles.count() == 0 || budget_ < 0 || alike >= kUseless) break;
      for (std::size_t i = 0; i < open.size(); ++i) {
        sizes_.set(open[i], candidate[i % candidate.size()]);
      }
      Attempt attempt = read_(sizes_.shapes(), best_.obstacles.count());
      budget_ -= std::max<std::int64_t>(attempt.work, 1);
      alike = attempt.obstacles.text() == before ? alike + 1 : 0;
      if (!is_better(attempt, best_)) continue;
      best_ = std::move(attempt);
      for (std::size_t i = 0; i < open.size(); ++i) chosen[i] = candidate[i % candidate.size()];
    }
    for (std::size_t i = 0; i < open.size(); ++i) sizes_.set(open[i], chosen[i]);
  }

  InputSizes& sizes_;
  const Read& read_;
  std::int64_t budget_;
  Attempt best_;
};

}  // namespace

Attempt fitting_sizes(InputSizes& sizes, std::int64_t nodes, const Read& read) {
  return Search(sizes, nodes, read).run();
}

}  // namespace workbench::importer

#include "compiler/import/input_sizes.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <utility>

#include "compiler/import/names.h"
#include "core/error.h"

namespace workbench::importer {

namespace {

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
SizeKind kind_in_map(const InputFacts& facts, const Dims& dims, std::size_t i) {
  const std::size_t last = dims.size() - 1;
  const bool seems_last = is_number_of_channels(dims[last]) && !is_number_of_channels(dims[1]);
  const std::size_t channels = facts.channels_last || (last == 3 && seems_last) ? last : 1;
  // The weights say which the channels are.
  const bool by_weights =
      facts.reader && facts.reader->is_window && facts.reader->needs.size() == dims.size();
  if (i == channels && !by_weights) return SizeKind::Channels;
  return dims.size() > 4 ? SizeKind::Volume : SizeKind::Image;
}

std::optional<std::int64_t> needed(const InputFacts& facts, const Dims& dims, std::size_t i) {
  if (!facts.reader || facts.reader->needs.size() != dims.size()) return std::nullopt;
  return facts.reader->needs[i];
}

SizeKind kind_of(const InputFacts& facts, const Dims& dims, std::size_t i,
                 const std::string& name) {
  const std::size_t rank = dims.size();
  if (mentions(name, {"batch"})) return SizeKind::Batch;
  if (needed(facts, dims, i)) return SizeKind::Weights;
  if (mentions(name, {"height", "width"})) return SizeKind::Image;
  if (mentions(name, {"seq", "frames", "tokens"})) return SizeKind::Sequence;
  if (mentions(name, {"samples"})) return SizeKind::Samples;
  if (rank == 3 && i > 0 && is_number_of_channels(dims[0]) && !dims[1] && !dims[2]) {
    return SizeKind::Image;  // [C, H, W]
  }
  if (i == 0 && rank > 1) return SizeKind::Batch;
  if (rank >= 4) return kind_in_map(facts, dims, i);
  if (rank == 3 && facts.reader && facts.reader->is_window) {
    const auto channels = dims[1] ? dims[1] : needed(facts, dims, 1);
    return channels && *channels <= 2 ? SizeKind::Samples : SizeKind::Sequence;
  }
  if (rank == 3 || !facts.is_real) return SizeKind::Sequence;
  return SizeKind::Samples;
}

std::int64_t typical(SizeKind kind, const std::optional<std::int64_t>& needed) {
  switch (kind) {
    case SizeKind::Batch:
      return 1;
    case SizeKind::Weights:
      return *needed;
    case SizeKind::Channels:
      return 3;
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
    case SizeKind::Weights:
      return "the weights";
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
Dims rank_of(const InputFacts& facts) {
  constexpr std::size_t kImageRank = 4;
  if (facts.reader && facts.reader->any_shape) return Dims{1};
  if (facts.reader && !facts.reader->needs.empty()) return facts.reader->needs;
  return Dims(kImageRank);
}

std::string print(const Shape& shape) { return fmt::format("{}", fmt::join(shape, ",")); }

}  // namespace

std::size_t InputSizes::open(const std::string& name, SizeKind kind, std::int64_t size) {
  if (const auto same = by_name_.find(name); same != by_name_.end()) return same->second;
  if (!name.empty()) by_name_[name] = open_.size();
  open_.push_back({.name = name, .kind = kind, .size = size});
  return open_.size() - 1;
}

InputSizes::Input InputSizes::declared(const InputFacts& facts) {
  Input result{.name = facts.name,
               .has_rank = facts.dims.has_value(),
               .any_shape = facts.reader && facts.reader->any_shape};
  const Dims dims = facts.dims ? *facts.dims : rank_of(facts);
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i]) {
      result.dimensions.push_back({.size = *dims[i]});
      continue;
    }
    const std::string name = i < facts.dim_names.size() ? facts.dim_names[i] : "";
    const SizeKind kind = kind_of(facts, dims, i, name);
    const std::int64_t size = typical(kind, needed(facts, dims, i));
    result.dimensions.push_back({.open = open(name, kind, size)});
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
  input.any_shape = false;
  input.dimensions.assign(shape.size(), {});
  for (std::size_t i = 0; i < shape.size(); ++i) input.dimensions[i].size = shape[i];
}

// Sizes that are open, of data at hand.
void InputSizes::fill(Input& input, const Shape& shape) {
  if (!input.has_rank && input.any_shape) return fix(input, shape);
  if (input.dimensions.size() != shape.size()) return;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!input.dimensions[i].open) continue;
    set(*input.dimensions[i].open, shape[i]);
    open_[*input.dimensions[i].open].was_set = true;
  }
}

InputSizes::InputSizes(const std::vector<InputFacts>& inputs, const ImportOptions& options,
                       std::vector<std::int64_t> weight_sizes)
    : weight_sizes_(std::move(weight_sizes)) {
  std::string names;
  for (const InputFacts& facts : inputs) {
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", facts.name);
    inputs_.push_back(declared(facts));
  }
  for (const auto& [name, shape] : options.likely_shapes) {
    const auto input = std::ranges::find(inputs_, name, &Input::name);
    if (input != inputs_.end()) fill(*input, shape);
  }
  for (const auto& [name, shape] : options.input_shapes) {
    const auto input = std::ranges::find(inputs_, name, &Input::name);
    if (input == inputs_.end()) fail("--shape {}: expected one of the inputs {}", name, names);
    if (input->has_rank && input->dimensions.size() != shape.size()) {
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
    case SizeKind::Weights:
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
    if (open.was_set || open.kind == SizeKind::Weights) continue;
    if (open.kind == SizeKind::Batch && open.size == 1) continue;
    chosen += fmt::format("{}{}", chosen.empty() ? "" : ", ", i);
    if (!open.name.empty()) chosen += fmt::format(" '{}'", text_name(open.name));
    counts = meaning(open.kind);
  }
  const std::string name = text_name(input.name);
  if (!input.has_rank && input.any_shape) {
    return fmt::format("input '{}': {} (any shape would do; --shape {}={} changes it)", name,
                       print(shape), name, print(shape));
  }
  if (chosen.empty()) return {};
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

// Images decoded and preprocessed; the steps read from files and the command line.
#include "data/image.h"

#include <stb/stb_image.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/yaml.h"

namespace workbench {

#define STBI_NO_STDIO

namespace {

constexpr std::int64_t kMaxPixels = std::int64_t{1} << 26;  // 64 Mpixel: beyond is no calibration

// Real-valued pixels [height, width, channels].
struct Plane {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<double> pixels;

  double at(std::int64_t y, std::int64_t x, std::int64_t c) const {
    return pixels[static_cast<std::size_t>((y * width + x) * channels + c)];
  }
};

// The two neighbours of an output pixel along one dimension, and the weight of the second.
struct Tap {
  std::int64_t low = 0, high = 0;
  double weight = 0;
};

Tap tap(std::int64_t out, std::int64_t out_length, std::int64_t in_length) {
  const double ratio = static_cast<double>(in_length) / static_cast<double>(out_length);
  const double centre = (static_cast<double>(out) + 0.5) * ratio - 0.5;
  const double at = std::clamp(centre, 0.0, static_cast<double>(in_length - 1));
  const auto low = static_cast<std::int64_t>(at);
  return {low, std::min(low + 1, in_length - 1), at - static_cast<double>(low)};
}

// Scales to height x width and cuts the centre of the size of `out`.
Plane scaled_centre(const Plane& in, std::int64_t height, std::int64_t width, Plane out) {
  out.pixels.reserve(static_cast<std::size_t>(out.height * out.width * out.channels));
  const std::int64_t top = (height - out.height) / 2, left = (width - out.width) / 2;
  for (std::int64_t y = 0; y < out.height; ++y) {
    const Tap v = tap(top + y, height, in.height);
    for (std::int64_t x = 0; x < out.width; ++x) {
      const Tap h = tap(left + x, width, in.width);
      for (std::int64_t c = 0; c < in.channels; ++c) {
        const double above =
            in.at(v.low, h.low, c) + h.weight * (in.at(v.low, h.high, c) - in.at(v.low, h.low, c));
        const double below = in.at(v.high, h.low, c) +
                             h.weight * (in.at(v.high, h.high, c) - in.at(v.high, h.low, c));
        out.pixels.push_back(above + v.weight * (below - above));
      }
    }
  }
  return out;
}

// Height and width.
std::pair<std::int64_t, std::int64_t> stretched_to(const Preprocessing& steps) {
  if (steps.resize->width > 0) return {steps.resize->height, steps.resize->width};
  return {steps.dims[1], steps.dims[2]};
}

Plane resized(const Plane& in, const Preprocessing& steps) {
  if (steps.resize->stretch) {
    const auto [height, width] = stretched_to(steps);
    return scaled_centre(in, height, width,
                         {.height = height, .width = width, .channels = in.channels});
  }
  const std::int64_t shortest = std::min(in.height, in.width), crop = steps.resize->centre_crop;
  const auto scaled = [&](std::int64_t length) {
    return (2 * length * steps.resize->short_side + shortest) / (2 * shortest);  // rounded
  };
  return scaled_centre(in, scaled(in.height), scaled(in.width),
                       {.height = crop, .width = crop, .channels = in.channels});
}

double entry(const std::vector<double>& list, std::int64_t channel) {
  return list[list.size() == 1 ? 0 : static_cast<std::size_t>(channel)];
}

// Steps transpose to input_scale in one sweep over the result.
Tensor arrange(const Plane& plane, const Preprocessing& steps) {
  const std::array<std::int64_t, 3> from = {plane.height, plane.width, plane.channels};
  Shape shape = {1};
  for (const std::int64_t axis : steps.transpose) {
    shape.push_back(from[static_cast<std::size_t>(axis)]);
  }
  std::vector<float> values;
  values.reserve(plane.pixels.size());
  std::array<std::int64_t, 3> index{};  // row, column, channel of the image
  const auto axis = [&](std::size_t i) -> std::int64_t& {
    return index[static_cast<std::size_t>(steps.transpose[i])];
  };
  for (axis(0) = 0; axis(0) < shape[1]; ++axis(0)) {
    for (axis(1) = 0; axis(1) < shape[2]; ++axis(1)) {
      for (axis(2) = 0; axis(2) < shape[3]; ++axis(2)) {
        const std::int64_t channel = index[2];
        const std::int64_t source = steps.channel_swap.empty()
                                        ? channel
                                        : steps.channel_swap[static_cast<std::size_t>(channel)];
        const double raw = plane.at(index[0], index[1], source) * (steps.raw_scale / 255.0);
        const double mean = steps.mean_value.empty() ? 0.0 : entry(steps.mean_value, channel);
        values.push_back(static_cast<float>((raw - mean) * entry(steps.input_scale, channel)));
      }
    }
  }
  return Tensor::from<float>(shape, values, Layout::Nchw);
}

}  // namespace

bool is_image_name(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg" ||
         extension == ".ppm" || extension == ".pgm";
}

namespace {

int length_of(const std::string& bytes) {
  return static_cast<int>(std::min<std::size_t>(bytes.size(), std::numeric_limits<int>::max()));
}

std::string channels_text(std::int64_t channels) {
  constexpr const char* kNames[] = {"grey", "grey and alpha", "RGB", "RGBA"};
  return channels < 1 || channels > 4 ? fmt::format("{} channels", channels)
                                      : fmt::format("{} channel{} ({})", channels,
                                                    channels == 1 ? "" : "s", kNames[channels - 1]);
}

// Bytes in front of the pixels of a PPM or PGM: four words (magic, width, height, largest value),
// between them blanks and comments, after them one blank.
std::size_t pnm_header_bytes(const std::string& bytes) {
  std::size_t at = 0;
  for (int word = 0; word < 4 && at < bytes.size(); ++word) {
    while (at < bytes.size() && (std::isspace(static_cast<unsigned char>(bytes[at])) != 0)) ++at;
    while (at < bytes.size() && bytes[at] == '#') {
      at = std::min(bytes.find('\n', at), bytes.size());
      while (at < bytes.size() && (std::isspace(static_cast<unsigned char>(bytes[at])) != 0)) ++at;
    }
    while (at < bytes.size() && (std::isspace(static_cast<unsigned char>(bytes[at])) == 0)) ++at;
  }
  return at + 1;
}

// stb_image invents pixels that are missing at the end of a file. `samples`: pixels times channels.
bool is_cut_short(const std::string& bytes, std::size_t samples) {
  if (bytes.starts_with("\xff\xd8")) {
    // Neither marker can stand inside the entropy-coded data between them.
    const std::size_t scan = bytes.rfind("\xff\xda"), end = bytes.rfind("\xff\xd9");
    return scan == std::string::npos || end == std::string::npos || end < scan;
  }
  if (bytes.starts_with("\x89PNG")) {
    const std::size_t end = bytes.rfind("IEND");  // and its checksum
    return end == std::string::npos || bytes.size() - end < 8;
  }
  return bytes.starts_with("P") && bytes.size() < pnm_header_bytes(bytes) + samples;
}

}  // namespace

std::optional<Image> image_size(const std::string& bytes) {
  int width = 0, height = 0, stored = 0;
  if (stbi_info_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()), length_of(bytes),
                            &width, &height, &stored) == 0) {
    return std::nullopt;
  }
  return Image{.height = height, .width = width, .channels = stored};
}

Image decode_image(const std::string& bytes, std::int64_t channels, const std::string& name) {
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const int length = length_of(bytes);
  int width = 0, height = 0, stored = 0;
  if (stbi_info_from_memory(data, length, &width, &height, &stored) == 0) {
    fail("{}: expected a PNG, JPEG or PPM image, found none ({})", name, stbi_failure_reason());
  }
  if (width < 1 || height < 1 || std::int64_t{width} * height > kMaxPixels) {
    fail("{}: expected an image of 1 to {} pixels, found {}x{}", name, kMaxPixels, width, height);
  }
  if (stored != channels) {
    fail("{}: expected {}, found {}", name, channels_text(channels), channels_text(stored));
  }
  if (is_cut_short(bytes, static_cast<std::size_t>(std::int64_t{width} * height * stored))) {
    fail("{}: image is damaged: it ends before its last pixel", name);
  }
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(data, length, &width, &height, &stored, static_cast<int>(channels)),
      stbi_image_free);
  if (!pixels) fail("{}: image is damaged: {}", name, stbi_failure_reason());
  Image image{.height = height, .width = width, .channels = channels};
  image.pixels.assign(pixels.get(), pixels.get() + image.height * image.width * image.channels);
  return image;
}

void check_dims(const Image& image, const Preprocessing& steps, const std::string& name) {
  if (steps.resize && steps.resize->centre_crop > steps.resize->short_side) {
    fail("{}: centre_crop: expected at most short_side {}, found {}", name,
         steps.resize->short_side, steps.resize->centre_crop);
  }
  const std::int64_t crop = steps.resize ? steps.resize->centre_crop : 0;
  const bool stretches = steps.resize && steps.resize->stretch;
  const auto [height, width] =
      stretches ? stretched_to(steps)
                : std::pair(steps.resize ? crop : image.height, steps.resize ? crop : image.width);
  const Shape found{image.channels, height, width};
  if (found == steps.dims) return;
  fail("{}: expected dims {}, found {}{}", name, to_string(steps.dims), to_string(found),
       steps.resize ? " after resize" : " (preprocessing says resize: none)");
}

Tensor preprocess(const Image& image, const Preprocessing& steps, const std::string& name) {
  check_dims(image, steps, name);
  Plane plane{.height = image.height, .width = image.width, .channels = image.channels};
  plane.pixels.assign(image.pixels.begin(), image.pixels.end());
  if (steps.resize) plane = resized(plane, steps);
  return arrange(plane, steps);
}

namespace {

constexpr std::int64_t kMaxSide = 16384;

// Counted from 1; an empty document has no mark, its line is the first.
int line_of(const YAML::Mark& mark) { return std::max(mark.line, 0) + 1; }

// Source position and text of a step, for later errors.
struct Place {
  std::string where, found;
};

std::string found_in(const YAML::Node& node) {
  return node.IsScalar()     ? fmt::format("'{}'", node.Scalar())
         : node.IsSequence() ? fmt::format("a list of {}", node.size())
         : node.IsMap()      ? std::string("a map")
                             : std::string("nothing");
}

// Steps from YAML nodes: a file's, or one option's.
class Reader {
 public:
  // `option`: "--dims 3,224"; empty: nodes are of `file`.
  explicit Reader(std::string file, std::string option = {})
      : file_(std::move(file)), option_(std::move(option)) {}

  void set(Preprocessing& steps, const std::string& key, const YAML::Node& node) {
    if (key == "resize") {
      steps.resize = resize(node);
    } else if (key == "dims") {
      steps.dims = integers(node, key, 1, kMaxSide);
      if (steps.dims.size() != 3) bad(node, key, "[C, H, W]");
      if (steps.dims[0] != 1 && steps.dims[0] != 3) bad(node, key, "1 or 3 channels");
    } else if (key == "transpose") {
      steps.transpose = permutation(node, key);
      if (steps.transpose.size() != 3) bad(node, key, "an order of 0, 1, 2");
    } else if (key == "channel_swap") {
      steps.channel_swap = permutation(node, key);
    } else if (key == "raw_scale") {
      steps.raw_scale = number(node, key);
    } else if (key == "mean_value") {
      steps.mean_value = numbers(node, key);
    } else if (key == "input_scale") {
      steps.input_scale = numbers(node, key);
    } else if (key == "labels") {
      steps.labels = text(node, key);
    } else {
      fail(
          "{}:{}: expected resize, dims, transpose, channel_swap, raw_scale, mean_value, "
          "input_scale or labels, found '{}'",
          file_, line_of(node.Mark()), key);
    }
    places_[key] = {where(node, key), found_in(node)};
  }

  std::string text(const YAML::Node& node, const std::string& key) const {
    if (!node.IsScalar()) bad(node, key, "a word");
    return node.Scalar();
  }

  [[noreturn]] void bad(const YAML::Node& node, const std::string& key,
                        const std::string& expected) const {
    fail("{}: expected {}, found {}", where(node, key), expected, found_in(node));
  }

  const std::map<std::string, Place>& places() const { return places_; }

 private:
  std::string where(const YAML::Node& node, const std::string& key) const {
    return option_.empty() ? fmt::format("{}:{}: {}", file_, line_of(node.Mark()), key) : option_;
  }

  double number(const YAML::Node& node, const std::string& key) const {
    double value = 0;
    if (!node.IsScalar() || !YAML::convert<double>::decode(node, value) || !std::isfinite(value)) {
      bad(node, key, "a number");
    }
    return value;
  }

  std::int64_t integer(const YAML::Node& node, const std::string& key, std::int64_t low,
                       std::int64_t high) const {
    std::int64_t value = 0;
    if (!node.IsScalar() || !YAML::convert<std::int64_t>::decode(node, value) || value < low ||
        value > high) {
      bad(node, key, fmt::format("whole numbers {}..{}", low, high));
    }
    return value;
  }

  std::vector<std::int64_t> integers(const YAML::Node& node, const std::string& key,
                                     std::int64_t low, std::int64_t high) const {
    if (!node.IsSequence()) bad(node, key, "a list");
    std::vector<std::int64_t> values;
    for (const YAML::Node& item : node) values.push_back(integer(item, key, low, high));
    return values;
  }

  std::vector<double> numbers(const YAML::Node& node, const std::string& key) const {
    if (!node.IsSequence()) return {number(node, key)};
    std::vector<double> values;
    for (const YAML::Node& item : node) values.push_back(number(item, key));
    return values;
  }

  std::vector<std::int64_t> permutation(const YAML::Node& node, const std::string& key) const {
    const std::vector<std::int64_t> values = integers(node, key, 0, 2);
    std::vector<std::int64_t> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      if (sorted[i] == static_cast<std::int64_t>(i)) continue;
      fail("{}: expected each index once, from 0 on, found {}", where(node, key),
           fmt::join(values, ","));
    }
    return values;
  }

  static constexpr const char* kResizeForms =
      "none, stretch, WIDTHxHEIGHT or {short_side: N, centre_crop: N}";

  // "320x240"
  Preprocessing::Resize stretch_to(const YAML::Node& node) const {
    const std::string& size = node.Scalar();
    const std::size_t cross = size.find('x');
    if (cross == std::string::npos) bad(node, "resize", kResizeForms);
    const auto side = [&](const std::string& text) {
      std::int64_t value = 0;
      const char* const end = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data(), end, value);
      if (error != std::errc() || stop != end || value < 1 || value > kMaxSide) {
        bad(node, "resize", fmt::format("WIDTHxHEIGHT of whole numbers 1..{}", kMaxSide));
      }
      return value;
    };
    return {.stretch = true,
            .width = side(size.substr(0, cross)),
            .height = side(size.substr(cross + 1))};
  }

  std::optional<Preprocessing::Resize> resize(const YAML::Node& node) const {
    if (node.IsScalar() && node.Scalar() == "none") return std::nullopt;
    if (node.IsScalar() && node.Scalar() == "stretch") {
      return Preprocessing::Resize{.stretch = true};
    }
    if (node.IsScalar()) return stretch_to(node);
    if (!node.IsMap()) bad(node, "resize", kResizeForms);
    Preprocessing::Resize result;
    for (const auto& entry : node) {
      const std::string key = text(entry.first, "resize");
      if (key != "short_side" && key != "centre_crop") {
        bad(entry.first, "resize", "short_side or centre_crop");
      }
      const std::int64_t value = integer(entry.second, key, 1, kMaxSide);
      (key == "short_side" ? result.short_side : result.centre_crop) = value;
    }
    if (result.short_side == 0 || result.centre_crop == 0) {
      bad(node, "resize", "both short_side and centre_crop");
    }
    if (result.centre_crop > result.short_side) {
      fail("{}: expected centre_crop <= short_side, found {} > {}", where(node, "resize"),
           result.centre_crop, result.short_side);
    }
    return result;
  }

  std::string file_, option_;
  std::map<std::string, Place> places_;
};

// An absent step, or one entry where `one_for_all`, or one per channel.
void check_per_channel(const std::map<std::string, Place>& places, const std::string& key,
                       std::size_t count, std::int64_t channels, bool one_for_all) {
  const auto place = places.find(key);
  if (place == places.end()) return;
  if (static_cast<std::int64_t>(count) == channels || (one_for_all && count == 1)) return;
  fail("{}: expected {} entries, one per channel, found {}", place->second.where, channels,
       place->second.found);
}

void check_channels(const Preprocessing& steps, const std::map<std::string, Place>& places) {
  const std::int64_t channels = steps.dims[0];
  check_per_channel(places, "channel_swap", steps.channel_swap.size(), channels, false);
  check_per_channel(places, "mean_value", steps.mean_value.size(), channels, true);
  check_per_channel(places, "input_scale", steps.input_scale.size(), channels, true);
}

// The steps of a file; places are added to `places`.
Preprocessing steps_of(const std::filesystem::path& path, std::map<std::string, Place>& places) {
  const std::string text = read_file(path);
  Reader reader(path.string());
  Preprocessing steps;
  try {
    const YAML::Node root = parse_yaml(text, path.string());
    if (!root.IsMap()) reader.bad(root, "preprocessing", "a map of steps");
    for (const auto& entry : root) reader.set(steps, reader.text(entry.first, "key"), entry.second);
  } catch (const YAML::Exception& error) {
    refuse_yaml(error, path.string());
  }
  if (steps.dims.empty()) fail("{}:1: dims: expected [C, H, W], found none", path.string());
  places.insert(reader.places().begin(), reader.places().end());
  return steps;
}

struct Option {
  const char* key;
  std::string text;
  bool is_list;
};

std::vector<Option> listed(const PreprocessingOptions& options) {
  return {{"resize", options.resize, false},         {"dims", options.dims, true},
          {"transpose", options.transpose, true},    {"channel_swap", options.channel_swap, true},
          {"raw_scale", options.raw_scale, false},   {"mean_value", options.mean_value, true},
          {"input_scale", options.input_scale, true}};
}

std::string spelled(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

// What the option would be in a file.
YAML::Node node_of(const Option& option) {
  const bool is_pair = option.text.find(',') != std::string::npos;
  if (option.key == std::string("resize") && is_pair) {
    const std::size_t comma = option.text.find(',');
    YAML::Node node;
    node["short_side"] = option.text.substr(0, comma);
    node["centre_crop"] = option.text.substr(comma + 1);
    return node;
  }
  if (!option.is_list) return YAML::Node(option.text);
  YAML::Node node(YAML::NodeType::Sequence);
  std::istringstream items(option.text);
  for (std::string item; std::getline(items, item, ',');) {
    const std::size_t begin = item.find_first_not_of(" []"), end = item.find_last_not_of(" []");
    node.push_back(begin == std::string::npos ? "" : item.substr(begin, end - begin + 1));
  }
  return node;
}

// Without a file all arguments are required, as xfDNN's quantizer has it
// (docs/facts/quantization.md 3).
void require_all(const std::vector<Option>& options) {
  std::string missing;
  for (const Option& option : options) {
    if (!option.text.empty() || option.key == std::string("resize")) continue;
    missing += (missing.empty() ? "" : ", ") + spelled(option.key);
  }
  if (missing.empty()) return;
  fail("preprocessing: expected all steps, as there is no MODEL.preprocess.yaml; missing: {}",
       missing);
}

// `places`: of the steps as far as a file has them.
Preprocessing replaced(Preprocessing steps, std::map<std::string, Place> places,
                       const std::vector<Option>& options) {
  for (const Option& option : options) {
    if (option.text.empty()) continue;
    Reader reader("", spelled(option.key) + " " + option.text);
    reader.set(steps, option.key, node_of(option));
    places.insert_or_assign(option.key, reader.places().at(option.key));
  }
  check_channels(steps, places);
  return steps;
}

}  // namespace

Preprocessing read_preprocessing(const std::filesystem::path& path) {
  std::map<std::string, Place> places;
  Preprocessing steps = steps_of(path, places);
  check_channels(steps, places);
  return steps;
}

std::optional<Preprocessing> merge_preprocessing(const std::filesystem::path& file,
                                                 const PreprocessingOptions& options) {
  const std::vector<Option> given = listed(options);
  const auto is_given = [](const Option& option) { return !option.text.empty(); };
  if (std::none_of(given.begin(), given.end(), is_given)) {
    return file.empty() ? std::nullopt : std::optional(read_preprocessing(file));
  }
  if (file.empty()) require_all(given);
  std::map<std::string, Place> places;
  const Preprocessing steps = file.empty() ? Preprocessing() : steps_of(file, places);
  return replaced(steps, std::move(places), given);
}

Preprocessing with_options(const Preprocessing& steps, const PreprocessingOptions& options) {
  return replaced(steps, {}, listed(options));
}

namespace {

std::string resize_text(const Preprocessing& steps) {
  if (!steps.resize) return "none";
  if (steps.resize->width > 0) {
    return fmt::format("{}x{}", steps.resize->width, steps.resize->height);
  }
  if (steps.resize->stretch) return "stretch";
  return fmt::format("{{short_side: {}, centre_crop: {}}}", steps.resize->short_side,
                     steps.resize->centre_crop);
}

}  // namespace

std::string preprocessing_text(const Preprocessing& steps) {
  std::string text =
      "# How images become input of this network: the steps of the xfDNN quantizer, in order, on "
      "an RGB\n# (or grey) image (docs/preprocessing.md).\n";
  const auto line = [&](const char* key, const std::string& value, const std::string& meaning) {
    text += fmt::format("{:<42} # {}\n", fmt::format("{}: {}", key, value), meaning);
  };
  const auto list = [](const auto& values) { return fmt::format("[{}]", fmt::join(values, ", ")); };
  line("resize", resize_text(steps),
       "none, stretch (to dims), WIDTHxHEIGHT, or short side and crop");
  line("dims", list(steps.dims), "channels, height, width of the resized image");
  line("transpose", list(steps.transpose), "order of height (0), width (1), channels (2)");
  if (!steps.channel_swap.empty()) {
    line("channel_swap", list(steps.channel_swap), "[2, 1, 0]: blue first");
  }
  line("raw_scale", fmt::format("{}", steps.raw_scale), "pixels in [0, 1] times this");
  if (!steps.mean_value.empty()) {
    line("mean_value", list(steps.mean_value), "then subtracted, one or one per channel");
  }
  line("input_scale", list(steps.input_scale), "then the factor, one or one per channel");
  if (!steps.labels.empty()) line("labels", steps.labels, "what the classes are");
  return text;
}

std::vector<std::int64_t> shape_after(const Preprocessing& steps) {
  const std::int64_t from[] = {steps.dims.at(1), steps.dims.at(2), steps.dims.at(0)};
  std::vector<std::int64_t> shape = {1};
  for (const std::int64_t axis : steps.transpose) shape.push_back(from[axis]);
  return shape;
}

}  // namespace workbench

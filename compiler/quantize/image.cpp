// Images through stb_image, then resize, transpose, channel swap, raw scale, mean, input scale.
#include "compiler/quantize/image.h"

#define STBI_NO_STDIO
#include <stb/stb_image.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <memory>

namespace workbench {

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

// Scales so that the short side is `short_side`, and cuts the centre.
Plane resize_and_crop(const Plane& in, const Preprocessing::Resize& resize) {
  const std::int64_t shortest = std::min(in.height, in.width);
  const auto scaled = [&](std::int64_t length) {
    return (2 * length * resize.short_side + shortest) / (2 * shortest);  // rounded
  };
  const std::int64_t height = scaled(in.height), width = scaled(in.width);
  const std::int64_t crop = resize.centre_crop;
  Plane out{.height = crop, .width = crop, .channels = in.channels};
  out.pixels.reserve(static_cast<std::size_t>(crop * crop * in.channels));
  const std::int64_t top = (height - crop) / 2, left = (width - crop) / 2;
  for (std::int64_t y = 0; y < crop; ++y) {
    const Tap v = tap(top + y, height, in.height);
    for (std::int64_t x = 0; x < crop; ++x) {
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

// stb_image makes up what is missing at the end of a file. `samples`: pixels times channels.
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
  const Shape found = steps.resize ? Shape{image.channels, crop, crop}
                                   : Shape{image.channels, image.height, image.width};
  if (found == steps.dims) return;
  fail("{}: expected dims {}, found {}{}", name, to_string(steps.dims), to_string(found),
       steps.resize ? " after resize" : " (preprocessing says resize: none)");
}

Tensor preprocess(const Image& image, const Preprocessing& steps, const std::string& name) {
  check_dims(image, steps, name);
  Plane plane{.height = image.height, .width = image.width, .channels = image.channels};
  plane.pixels.assign(image.pixels.begin(), image.pixels.end());
  if (steps.resize) plane = resize_and_crop(plane, *steps.resize);
  return arrange(plane, steps);
}

}  // namespace workbench

#include "compiler/pulp/constants.h"

#include <numeric>

#include "core/error.h"
#include "core/units.h"

namespace workbench::pulp {
namespace {

constexpr std::int64_t kWord = 4;

std::int64_t aligned(std::int64_t bytes) { return round_up(bytes, kWord); }

std::string packed_weights(const Layer& layer, std::int64_t first, std::int64_t channels) {
  const std::int64_t row = weight_row_bytes(layer), bits = layer.call.weight_bits;
  if (row == 0) return {};
  if (bits == 8) {
    const auto* begin = reinterpret_cast<const char*>(layer.weights.data()) + first * row;
    return {begin, static_cast<std::size_t>(channels * row)};
  }
  const auto codes = static_cast<std::int64_t>(layer.weights.size()) / layer.call.out_c;
  std::string bytes(static_cast<std::size_t>(row * channels), '\0');
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t i = 0; i < codes; ++i) {
      const auto code =
          static_cast<unsigned>(layer.weights[static_cast<std::size_t>((first + c) * codes + i)]);
      char& byte = bytes[static_cast<std::size_t>(c * row + i * bits / 8)];
      const unsigned mask = (1U << bits) - 1;
      byte =
          static_cast<char>(static_cast<unsigned char>(byte) | ((code & mask) << (i * bits % 8)));
    }
  }
  return bytes;
}

template <typename T>
std::string little_endian(const std::vector<T>& list, std::int64_t first, std::int64_t count,
                          std::int64_t bytes) {
  std::string result;
  if (list.empty()) return result;
  for (std::int64_t c = first; c < first + count; ++c) {
    const auto value = static_cast<std::uint64_t>(list[static_cast<std::size_t>(c)]);
    for (std::int64_t b = 0; b < bytes; ++b) {
      result.push_back(static_cast<char>((value >> (8 * b)) & 0xFF));
    }
  }
  return result;
}

struct Bytes4 {
  std::string weights, kappa, lambda, bias;
};

Bytes4 bytes_of(const Layer& layer, std::int64_t first, std::int64_t channels) {
  const std::int64_t norm = layer.call.norm_bits / 8;
  return {packed_weights(layer, first, channels), little_endian(layer.kappa, first, channels, norm),
          little_endian(layer.lambda, first, channels, norm),
          little_endian(layer.bias, first, channels, 4)};
}

// Offsets in L2 of a part of so many channels.
ConstantPart part_of(const Layer& layer, std::int64_t first, std::int64_t channels) {
  ConstantPart part;
  part.first = first, part.channels = channels;
  const std::int64_t norm = layer.kappa.empty() ? 0 : channels * layer.call.norm_bits / 8;
  part.lambda = norm;
  part.bias = part.lambda + norm;
  part.weights = part.bias + (layer.bias.empty() ? 0 : 4 * channels);
  part.bytes = part.weights + channels * weight_row_bytes(layer);
  return part;
}

std::int64_t append_aligned(std::string& image, const std::string& bytes) {
  image.resize(static_cast<std::size_t>(aligned(static_cast<std::int64_t>(image.size()))), '\0');
  const auto address = static_cast<std::int64_t>(image.size());
  image += bytes;
  return address;
}

// DORY's files: each array whole. A part is a piece of each.
void append_by_array(const Layer& layer, std::vector<ConstantPart>& parts, std::string& image) {
  const Bytes4 all = bytes_of(layer, 0, layer.call.out_c);
  const std::int64_t row = weight_row_bytes(layer);
  const std::int64_t norm = layer.kappa.empty() ? 0 : layer.call.norm_bits / 8;
  const std::int64_t weights = append_aligned(image, all.weights);
  const std::int64_t kappa = append_aligned(image, all.kappa);
  const std::int64_t lambda = append_aligned(image, all.lambda);
  const std::int64_t bias = append_aligned(image, all.bias);
  for (ConstantPart& part : parts) {
    const auto piece = [&](std::int64_t base, std::int64_t each, std::int64_t offset) {
      if (each == 0) return;
      part.pieces.push_back(
          {base + part.first * each, offset, part.channels * each, part.first + part.channels});
    };
    piece(weights, row, part.weights);
    piece(kappa, norm, part.kappa);
    piece(lambda, norm, part.lambda);
    piece(bias, layer.bias.empty() ? 0 : 4, part.bias);
  }
}

// So many bytes of weights are worth a transfer of their own.
constexpr std::int64_t kPieceBytes = 16384;
constexpr std::int64_t kFewestPieces = 32;  // of a layer whose weights are larger than as many

void append_by_part(const Layer& layer, std::int64_t tile_channels,
                    std::vector<ConstantPart>& parts, std::string& image) {
  const std::int64_t row = weight_row_bytes(layer);
  for (ConstantPart& part : parts) {
    const Bytes4 bytes = bytes_of(layer, part.first, part.channels);
    std::string all;
    all.reserve(static_cast<std::size_t>(part.bytes));
    all = bytes.kappa + bytes.lambda + bytes.bias + bytes.weights;
    CHECK(static_cast<std::int64_t>(all.size()) == part.bytes, "{}", layer.name);
    const std::int64_t l3 = append_aligned(image, all);
    // As many tiles' channels at a time as make a piece; 0 tiles: all at once.
    std::int64_t step = part.channels;
    if (tile_channels > 0 && row > 0) {
      const std::int64_t piece = std::max(kPieceBytes, part.bytes / kFewestPieces);
      step = std::max<std::int64_t>(1, piece / (row * tile_channels)) * tile_channels;
    }
    std::int64_t from = 0;
    for (std::int64_t c = 0; c < part.channels; c += step) {
      const std::int64_t end = std::min(c + step, part.channels);
      const std::int64_t to = part.weights + end * row;
      part.pieces.push_back({l3 + from, from, to - from, part.first + end});
      from = to;
    }
  }
}

}  // namespace

std::int64_t weight_row_bytes(const Layer& layer) {
  const auto codes = static_cast<std::int64_t>(layer.weights.size()) / layer.call.out_c;
  return ceil_div(codes * layer.call.weight_bits, 8);
}

std::int64_t constant_bytes(const Layer& layer) {
  return part_of(layer, 0, layer.call.out_c).bytes;
}

std::vector<ConstantPart> append_constants(const Layer& layer, const Tiling& tiling, Tiler tiler,
                                           std::string& image) {
  if (constant_bytes(layer) == 0) return {};
  const std::int64_t step = tiling.weights_from_l3_by_slice ? tiling.slice.out_c : layer.call.out_c;
  std::vector<ConstantPart> parts;
  for (std::int64_t c = 0; c < layer.call.out_c; c += step) {
    parts.push_back(part_of(layer, c, std::min(step, layer.call.out_c - c)));
  }
  if (tiler == Tiler::Dory && parts.size() > 1) {
    append_by_array(layer, parts, image);
  } else {
    const bool piecewise = tiler == Tiler::Optimal && parts.size() == 1;
    append_by_part(layer, piecewise ? tiling.tile.out_c : 0, parts, image);
  }
  return parts;
}

std::int64_t weight_checksum(const Layer& layer) {
  const Bytes4 bytes = bytes_of(layer, 0, layer.call.out_c);
  std::int64_t sum = 0;
  for (const std::string* list : {&bytes.weights, &bytes.kappa, &bytes.lambda}) {
    sum = std::accumulate(list->begin(), list->end(), sum, [](std::int64_t total, char byte) {
      return total + static_cast<unsigned char>(byte);
    });
  }
  return sum;
}

}  // namespace workbench::pulp

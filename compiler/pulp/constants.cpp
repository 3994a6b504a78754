#include "compiler/pulp/constants.h"

#include <numeric>

#include "core/error.h"
#include "core/units.h"

namespace workbench::pulp {
namespace {

constexpr std::int64_t kWord = 4;

std::int64_t aligned(std::int64_t bytes) { return round_up(bytes, kWord); }

void append_weights(const Layer& layer, std::int64_t first, std::int64_t channels,
                    std::string& image) {
  const std::int64_t row = weight_row_bytes(layer), bits = layer.call.weight_bits;
  if (row == 0) return;
  if (bits == 8) {
    const auto* begin = reinterpret_cast<const char*>(layer.weights.data()) + first * row;
    image.append(begin, static_cast<std::size_t>(channels * row));
    return;
  }
  const auto codes = static_cast<std::int64_t>(layer.weights.size()) / layer.call.out_c;
  const std::size_t begin = image.size();
  image.resize(begin + static_cast<std::size_t>(row * channels), '\0');
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t i = 0; i < codes; ++i) {
      const auto code =
          static_cast<unsigned>(layer.weights[static_cast<std::size_t>((first + c) * codes + i)]);
      char& byte = image[begin + static_cast<std::size_t>(c * row + i * bits / 8)];
      const unsigned mask = (1U << bits) - 1;
      byte =
          static_cast<char>(static_cast<unsigned char>(byte) | ((code & mask) << (i * bits % 8)));
    }
  }
}

template <typename T>
void append_little_endian(const std::vector<T>& list, std::int64_t first, std::int64_t count,
                          std::int64_t bytes, std::string& image) {
  if (list.empty()) return;
  for (std::int64_t c = first; c < first + count; ++c) {
    const auto value = static_cast<std::uint64_t>(list[static_cast<std::size_t>(c)]);
    for (std::int64_t b = 0; b < bytes; ++b) {
      image.push_back(static_cast<char>((value >> (8 * b)) & 0xFF));
    }
  }
}

void append_kappa(const Layer& layer, std::int64_t first, std::int64_t count, std::string& image) {
  append_little_endian(layer.kappa, first, count, layer.call.norm_bits / 8, image);
}
void append_lambda(const Layer& layer, std::int64_t first, std::int64_t count, std::string& image) {
  append_little_endian(layer.lambda, first, count, layer.call.norm_bits / 8, image);
}
void append_bias(const Layer& layer, std::int64_t first, std::int64_t count, std::string& image) {
  append_little_endian(layer.bias, first, count, 4, image);
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

// DORY's files: each array whole. A part is a piece of each.
void place_by_array(const Layer& layer, std::vector<ConstantPart>& parts, std::int64_t& end) {
  const std::int64_t norm = layer.kappa.empty() ? 0 : layer.call.norm_bits / 8;
  const auto place = [&](std::int64_t each, std::int64_t ConstantPart::*offset) {
    const std::int64_t base = aligned(end);
    end = base + each * layer.call.out_c;
    if (each == 0) return;
    for (ConstantPart& part : parts) {
      part.pieces.push_back({base + part.first * each, part.*offset, part.channels * each,
                             part.first + part.channels});
    }
  };
  place(weight_row_bytes(layer), &ConstantPart::weights);
  place(norm, &ConstantPart::kappa);
  place(norm, &ConstantPart::lambda);
  place(layer.bias.empty() ? 0 : 4, &ConstantPart::bias);
}

constexpr std::int64_t kFewestPieces = 28;  // of a layer whose weights are larger than as many

void place_by_part(const Layer& layer, std::int64_t tile_channels, std::vector<ConstantPart>& parts,
                   std::int64_t& end_of_all) {
  const std::int64_t row = weight_row_bytes(layer);
  for (ConstantPart& part : parts) {
    const std::int64_t l3 = aligned(end_of_all);
    end_of_all = l3 + part.bytes;
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

// As they lie in L2.
std::string bytes_of(const Layer& layer, const ConstantPart& part) {
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(part.bytes));
  append_kappa(layer, part.first, part.channels, bytes);
  append_lambda(layer, part.first, part.channels, bytes);
  append_bias(layer, part.first, part.channels, bytes);
  append_weights(layer, part.first, part.channels, bytes);
  CHECK(static_cast<std::int64_t>(bytes.size()) == part.bytes, "{}", layer.name);
  return bytes;
}

}  // namespace

std::int64_t weight_row_bytes(const Layer& layer) {
  const auto codes = static_cast<std::int64_t>(layer.weights.size()) / layer.call.out_c;
  return ceil_div(codes * layer.call.weight_bits, 8);
}

std::int64_t constant_bytes(const Layer& layer) {
  return part_of(layer, 0, layer.call.out_c).bytes;
}

std::vector<ConstantPart> place_constants(const Layer& layer, const Tiling& tiling, Tiler tiler,
                                          std::int64_t& end) {
  if (constant_bytes(layer) == 0) return {};
  const std::int64_t step = tiling.weights_from_l3_by_slice ? tiling.slice.out_c : layer.call.out_c;
  std::vector<ConstantPart> parts;
  for (std::int64_t c = 0; c < layer.call.out_c; c += step) {
    parts.push_back(part_of(layer, c, std::min(step, layer.call.out_c - c)));
  }
  if (tiler == Tiler::Dory && parts.size() > 1) {
    place_by_array(layer, parts, end);
  } else {
    const bool piecewise = tiler == Tiler::Optimal && parts.size() == 1;
    place_by_part(layer, piecewise ? tiling.tile.out_c : 0, parts, end);
  }
  return parts;
}

std::string constants_image(const Network& network, const MemoryPlan& plan) {
  std::string image(static_cast<std::size_t>(plan.constants_bytes), '\0');
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    for (const ConstantPart& part : plan.layers[i].constants) {
      const std::string bytes = bytes_of(network.layers[i], part);
      for (const ConstantPart::Piece& piece : part.pieces) {
        image.replace(static_cast<std::size_t>(piece.l3), static_cast<std::size_t>(piece.bytes),
                      bytes, static_cast<std::size_t>(piece.offset),
                      static_cast<std::size_t>(piece.bytes));
      }
    }
  }
  return image;
}

std::int64_t weight_checksum(const Layer& layer) {
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(constant_bytes(layer)));
  append_weights(layer, 0, layer.call.out_c, bytes);
  append_kappa(layer, 0, layer.call.out_c, bytes);
  append_lambda(layer, 0, layer.call.out_c, bytes);
  return std::accumulate(
      bytes.begin(), bytes.end(), std::int64_t{0},
      [](std::int64_t sum, char byte) { return sum + static_cast<unsigned char>(byte); });
}

}  // namespace workbench::pulp

#include <algorithm>
#include <limits>

#include "compiler/pulp/dory_tiling.h"
#include "core/error.h"

namespace workbench::pulp {
namespace {

// Tiles of these would need more than their own channels of the input: DORY cuts maps of at most
// this size along channels alone.
constexpr std::int64_t kWholeDepthwiseMap = 32;

// A last tile that is cut short must still hold a filter (border rule).
bool border_holds_filter(std::int64_t tile, std::int64_t size, std::int64_t filter,
                         std::int64_t pad_before, std::int64_t pad_after) {
  const std::int64_t step = tile - filter + 1;
  const std::int64_t rest = std::max<std::int64_t>(size - tile - (step - pad_before), 0) % step;
  const std::int64_t after = std::max<std::int64_t>(size - tile - (step - pad_after), 0) % step;
  return rest + (after == 0 ? filter : 0) >= filter;
}

struct DoryAxis {
  std::int64_t in, out, filter, stride, pad_before, pad_after;
};

std::vector<DoryExtent> extents(const DoryAxis& axis, bool padded_when_whole) {
  std::vector<DoryExtent> result;
  for (std::int64_t in = axis.filter; in <= axis.in; ++in) {
    if (!border_holds_filter(in, axis.in, axis.filter, axis.pad_before, axis.pad_after)) continue;
    if (padded_when_whole && in == axis.in) {
      result.push_back({in, axis.out});
    } else if ((in - axis.filter) % axis.stride == 0) {
      result.push_back({in, std::min((in - axis.filter) / axis.stride + 1, axis.out)});
    }
  }
  return result;
}

// Most that the columns can add to a convolution's.
constexpr std::int64_t kColumnPreferences = 3'000'000 + 1'000'000 + 30'000;

std::int64_t conv_preferences(const DoryProblem& problem, const DoryTile& tile) {
  const std::int64_t rest_n = problem.out_c % (tile.n + 1);
  return 10'000 * tile.n + 2'000'000 * ((tile.h_out - 1) % 8) + 3'000'000 * ((tile.w_out - 1) % 2) +
         1'000'000 * ((tile.n - 1) % 4) + (tile.w_out * tile.h_out >= 16 ? 1'000'000 : 0) +
         10'000 * rest_n + 10'000 * (rest_n % 4) + 20'000 * (problem.out_h % (tile.h_out + 1) % 8) +
         30'000 * (problem.out_w % (tile.w_out + 1) % 2);
}

std::int64_t depthwise_preferences(const DoryProblem& problem, const DoryTile& tile) {
  const std::int64_t rest_h = problem.out_h % (tile.h_out + 1);
  return 1'000 * (tile.w_out + tile.h_out) + (tile.n > 7 ? 10'000 : 0) +
         20'000 * ((tile.n - 1) % (64 / problem.narrowest_bits())) +
         (tile.h_out % 4 == 0 ? 10'000 : 0) + (problem.out_c % (tile.n + 1) > 7 ? 100 : 0) +
         100 * rest_h + 100 * (rest_h % 4) + 100 * (problem.out_w % (tile.w_out + 1));
}

}  // namespace

std::int64_t DoryProblem::narrowest_bits() const {
  const Kernel& call = layer->call;
  return std::min({call.in_bits, call.weight_bits, call.out_bits});
}

DoryProblem dory_problem(const Layer& layer, const Cut& slice) {
  const Kernel& call = layer.call;
  DoryProblem problem{.layer = &layer,
                      .in_c = call.in_c,
                      .in_h = call.in_h,
                      .in_w = call.in_w,
                      .out_c = slice.out_c,
                      .out_h = slice.out_h,
                      .out_w = slice.out_w,
                      .kernel_h = call.dilation_y * (call.kernel_h - 1) + 1,
                      .kernel_w = call.dilation_x * (call.kernel_w - 1) + 1,
                      .pad_top = call.pad_top,
                      .pad_bottom = call.pad_bottom,
                      .pad_left = call.pad_left,
                      .pad_right = call.pad_right};
  if (slice.out_h < call.out_h) {  // as DORY's layer functions of inner slices: no padding
    problem.in_h = (slice.out_h - 1) * call.stride_y + problem.kernel_h;
    problem.pad_top = problem.pad_bottom = 0;
  }
  return problem;
}

DoryTile whole(const DoryProblem& problem) {
  return {problem.out_c, problem.in_h, problem.out_h, problem.in_w, problem.out_w};
}

bool elementwise(const Layer& layer) {
  const KernelTraits& kernels = traits(layer.family);
  return !kernels.weights && !kernels.window;
}

bool pools(const Layer& layer) {
  const KernelTraits& kernels = traits(layer.family);
  return !kernels.weights && kernels.window;
}

std::int64_t buffer_bits(const DoryProblem& problem, const DoryTile& tile) {
  const Kernel& call = problem.layer->call;
  const KernelTraits& kernels = traits(problem.layer->family);
  const std::int64_t out = call.out_bits * tile.n * tile.h_out * tile.w_out;
  const std::int64_t norm =
      tile.n * (call.norm ? 2 * call.norm_bits : 0) + tile.n * (call.has_bias ? 32 : 0);
  const std::int64_t pixel_bits = call.in_bits * tile.h_in * tile.w_in;
  const std::int64_t taps = call.weight_bits * call.kernel_h * call.kernel_w;
  const std::int64_t in_c = kernels.by_channel ? tile.n : problem.in_c;
  const std::int64_t weights =
      kernels.weights ? taps * tile.n * (kernels.by_channel ? 1 : problem.in_c) : 0;
  return kernels.operands * pixel_bits * in_c + out + weights + norm;
}

std::int64_t im2col_bits(const DoryProblem& problem, const DoryTile& tile) {
  const Kernel& call = problem.layer->call;
  const KernelTraits& kernels = traits(problem.layer->family);
  if (kernels.planes) {
    return 8 * 8 * (call.kernel_w * tile.h_in + 3) * (8 / problem.narrowest_bits());
  }
  // Pointwise kernels need none, but are given one.
  const bool columns = kernels.weights && !kernels.vector;
  return columns ? 8 * 2 * 8 * call.kernel_h * call.kernel_w * problem.in_c : 0;
}

bool fits_untiled(const DoryProblem& problem, const DoryTile& tile, const Machine& machine) {
  return buffer_bits(problem, tile) + im2col_bits(problem, tile) <= 8 * machine.l1.buffer_bytes;
}

std::vector<DoryExtent> row_extents(const DoryProblem& problem) {
  const DoryAxis axis{problem.in_h,     problem.out_h,
                      problem.kernel_h, problem.layer->call.stride_y,
                      problem.pad_top,  problem.pad_bottom};
  const KernelTraits& kernels = traits(problem.layer->family);
  const bool small = problem.in_h <= kWholeDepthwiseMap && problem.in_w <= kWholeDepthwiseMap;
  if (kernels.vector || (kernels.planes && small)) return {{problem.in_h, problem.out_h}};
  return extents(axis, kernels.planes);
}

std::vector<DoryExtent> column_extents(const DoryProblem& problem) {
  const KernelTraits& kernels = traits(problem.layer->family);
  if (kernels.vector || kernels.planes) return {{problem.in_w, problem.out_w}};
  return extents({problem.in_w, problem.out_w, problem.kernel_w, problem.layer->call.stride_x,
                  problem.pad_left, problem.pad_right},
                 false);
}

std::int64_t objective(const DoryProblem& problem, const DoryTile& tile) {
  const std::int64_t bits = 2 * buffer_bits(problem, tile) + im2col_bits(problem, tile);
  if (elementwise(*problem.layer)) {
    return 1'000'000 * bits + 10 * tile.w_out + tile.h_out + 1'000 * tile.n;
  }
  if (pools(*problem.layer)) {
    return 10'000 * bits + 100 * tile.w_out + tile.h_out + 1'000'000 * tile.n;
  }
  if (traits(problem.layer->family).planes) {
    return 32 * bits + 20 + 32 * depthwise_preferences(problem, tile);
  }
  return 32 * bits + 20 + 64 * conv_preferences(problem, tile);
}

std::int64_t objective_bound(const DoryProblem& problem, std::int64_t n, const DoryExtent& row,
                             std::int64_t l1_bytes) {
  if (!channels_can_be_sliced(*problem.layer) || traits(problem.layer->family).vector) {
    return std::numeric_limits<std::int64_t>::max();
  }
  // With one column the column terms are 0: the bound must not count them twice.
  const DoryTile narrow{n, row.in, row.out, 1, 1};
  return 32 * 8 * l1_bytes + 20 + 64 * (conv_preferences(problem, narrow) + kColumnPreferences);
}

}  // namespace workbench::pulp

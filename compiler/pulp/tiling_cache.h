// What planning finds for kernel calls and for slices of layers, kept from one network to the next:
// the programs that a search compiles differ in a few layers each. It saves time and changes no
// plan.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "compiler/pulp/compile.h"
#include "compiler/pulp/tiling.h"
#include "isa/pulp/cost.h"

namespace workbench::pulp {

// Layers of one shape have tiles in common.
class LayerShapes {
 public:
  int number_of(const Layer& layer);

 private:
  struct Shape {
    Kernel call;
    Family family;
    std::int64_t pad_bottom;
  };
  std::vector<Shape> shapes_;
};

// Of one machine, and of those that differ in L1 and L2 only, and of one CompileOptions::choices; for
// one thread at a time.
struct TilingCache {
  std::unordered_map<Kernel, Cycles, KernelHash> kernel_cycles;  // expected, by call

  // rank_tiles() (tile_search.h) by the number of the layer's shape, slice, what of it comes from
  // L3 or goes there, L1 and the most tiles to look at.
  using Key =
      std::tuple<int, std::int64_t, std::int64_t, std::int64_t, int, std::int64_t, std::int64_t>;
  struct Ranked {
    std::vector<Tiling> tilings;
    std::int64_t tiles = 0;  // looked at
    bool stopped = false;
  };
  LayerShapes shapes;
  std::map<Key, Ranked> ranked;
};

// compile() (compile.h) with what `cache` has, which is added to.
Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options,
                const std::function<void(const std::string&)>& remark, TilingCache& cache);

}  // namespace workbench::pulp

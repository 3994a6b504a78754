#include "sim/pulp/kernel_time.h"

#include <algorithm>
#include <cmath>

namespace workbench::pulp {

// In steps of a quarter of a byte per cycle: calls that are alike are one for the TCDM.
std::vector<std::int64_t> KernelTimes::disturbed(const Kernel& kernel, double bytes) {
  const KernelFigures& figures = undisturbed(kernel);
  if (figures.conflict_share == 0) return figures.alone;
  const auto length = static_cast<double>(std::max<std::int64_t>(1, figures.slowest));
  return tcdm_.core_cycles(kernel, std::round(4 * bytes / length) / 4);
}

}  // namespace workbench::pulp

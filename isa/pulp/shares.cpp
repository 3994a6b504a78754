#include "isa/pulp/shares.h"

#include <algorithm>

#include "core/units.h"

namespace workbench::pulp {

namespace {

struct Span {
  std::int64_t begin = 0, count = 0;
};
Span share(std::int64_t n, std::int64_t core, std::int64_t cores) {
  const std::int64_t chunk = ceil_div(n, cores), begin = std::min(core * chunk, n);
  return {begin, std::min(chunk, n - begin)};
}

}  // namespace

std::optional<Dma> share_of_core(const Dma& transfer, std::int64_t core, std::int64_t cores) {
  if (!transfer.split) return core == 0 ? std::optional(transfer) : std::nullopt;
  Dma part = transfer;
  if (transfer.rows > 1) {
    const Span rows = share(transfer.rows, core, cores);
    part.rows = rows.count;
    part.l1 += rows.begin * transfer.l1_row_stride;
    part.l2 += rows.begin * transfer.l2_row_stride;
  } else if (transfer.planes > 1) {
    const Span planes = share(transfer.planes, core, cores);
    part.planes = planes.count;
    part.l1 += planes.begin * transfer.l1_plane_stride;
    part.l2 += planes.begin * transfer.l2_plane_stride;
  } else if (!transfer.two_d) {
    const Span lines = share(transfer.lines, core, cores);
    part.lines = lines.count;
    part.l1 += lines.begin * transfer.l1_line_stride;
    part.l2 += lines.begin * transfer.l2_line_stride;
  } else if (core > 0) {
    return std::nullopt;
  }
  return part.bytes() > 0 ? std::optional(part) : std::nullopt;
}

std::int64_t command_count(const Dma& transfer) {
  return transfer.planes * transfer.rows * (transfer.two_d ? 1 : transfer.lines);
}

CommandShares::CommandShares(const Dma& transfer, std::int64_t cores) {
  const std::int64_t all = transfer.bytes() > 0 ? command_count(transfer) : 0;
  if (transfer.split && transfer.rows > 1) {
    dealt_ = transfer.rows;
  } else if (transfer.split && transfer.planes > 1) {
    dealt_ = transfer.planes;
  } else if (transfer.split && !transfer.two_d) {
    dealt_ = std::max<std::int64_t>(1, transfer.lines);
  }
  chunk_ = ceil_div(dealt_, cores);
  each_ = all / dealt_;
}

std::int64_t CommandShares::of(std::int64_t core) const {
  return std::clamp<std::int64_t>(dealt_ - core * chunk_, 0, chunk_) * each_;
}

}  // namespace workbench::pulp

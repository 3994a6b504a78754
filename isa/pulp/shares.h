// How the cores divide a transfer among themselves.
#pragma once

#include <cstdint>
#include <optional>

#include "isa/pulp/instructions.h"

namespace workbench::pulp {

// What `core` of `cores` issues of a transfer; empty: nothing.
std::optional<Dma> share_of_core(const Dma& transfer, std::int64_t core, std::int64_t cores);

// Of a transfer, or of a core's share of it.
std::int64_t command_count(const Dma& transfer);

// How many commands each of `cores` issues: command_count(share_of_core()), without the share.
class CommandShares {
 public:
  CommandShares(const Dma& transfer, std::int64_t cores);
  std::int64_t of(std::int64_t core) const;

 private:
  std::int64_t dealt_ = 1, chunk_ = 1, each_ = 0;  // runs of chunk_ of dealt_, commands of each
};

}  // namespace workbench::pulp

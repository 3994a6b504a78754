// Budgets of the searches for tiles and addresses, in steps that are counted: the same machine and
// network give the same program everywhere. A search that has spent them keeps its best.
#pragma once

#include <cstddef>
#include <cstdint>

namespace workbench::pulp {

// Tiles looked at for one kernel and number of cores, over all ways to slice a layer.
constexpr std::int64_t kTilesPerLayer = std::int64_t{1} << 24;
// Of DORY's exhaustive search, for one slice.
constexpr std::int64_t kDoryTiles = std::int64_t{1} << 26;
// Memory budgets that one plan tiles its layers for, per layer.
constexpr std::int64_t kTilingsPerLayer = 24;
// Pairs of volumes compared and volumes placed, for all plans of a network.
constexpr std::int64_t kPlacementSteps = std::int64_t{1} << 30;

// Programs are weighed until they have so many instructions in all; by compile_longer() those of
// more plans, and those that one plan is changed to.
constexpr std::size_t kWeighed = 60'000, kMoreWeighed = 4'000'000, kRefined = 30'000'000;
// Instructions of a program: small tiles of a large map can ask for any number.
constexpr std::int64_t kMostInstructions = std::int64_t{1} << 21;

// What was spent on one network.
struct SearchSteps {
  std::int64_t placement_limit = kPlacementSteps;
  std::int64_t tiles = 0, placement = 0;
  bool stopped = false;  // something was left out for want of steps
};

}  // namespace workbench::pulp

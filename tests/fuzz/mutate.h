// Inputs from valid ones: bytes flipped, parts left out, doubled and swapped with those of others,
// numbers replaced by those at the ends of their ranges. From the seed alone.
#pragma once

#include <random>
#include <span>
#include <string>

namespace workbench::fuzz {

std::string mutated(std::span<const std::string> corpus, bool text, std::mt19937_64& random);

}  // namespace workbench::fuzz

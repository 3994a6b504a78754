// Inputs from valid ones: bytes flipped, parts left out, doubled and swapped with those of others,
// numbers replaced by those at the ends of their ranges. From the seed alone.
#pragma once

#include <random>
#include <span>
#include <string>

namespace workbench::fuzz {

// Which of the seeds, smallest first: small ones more often, because much of what breaks takes a
// few bytes, and each input of a large one takes the time of many.
std::size_t seed_of(std::size_t count, std::mt19937_64& random);

std::string mutated(std::span<const std::string> corpus, bool text, std::mt19937_64& random);

}  // namespace workbench::fuzz

// A network several times over in one graph: images that are computed together, each by nodes of
// its own that share the constants.
#pragma once

#include <cstdint>
#include <string>

#include "core/graph.h"

namespace workbench {

// Node n of image i is node i * (nodes of `one`) + n; likewise inputs and outputs. Names of the
// first image stay, those of the others are image_name()'s.
Graph several_images(const Graph& one, std::int64_t images);
std::string image_name(const std::string& name, std::int64_t image);  // "conv1 @2" of image 1
// The first of `images`.
Graph first_image(const Graph& several, std::int64_t images);

}  // namespace workbench

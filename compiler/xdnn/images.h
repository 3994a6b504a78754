// Several images in one program: while the filters of one image's last layers are loaded, which
// takes longer than computing with them, the array works on the first layers of the next image.
#pragma once

#include <optional>

#include "compiler/xdnn/placed.h"

namespace workbench::xdnn {

// `several`: several_images() of a quantized network. Each image in the order that is fastest for
// one alone; the candidates are one image behind the other, and the images' ends merged with their
// successors' beginnings at some points of the network. Of these the one of least modelled time.
Placed place_images(const Graph& several, std::int64_t images, const Machine& machine,
                    const OrderOptions& options, const Choices& choices, const Search& search);
// The same without a memory plan: nothing when the images do not fit together.
std::optional<Placed> place_images_whole(const Graph& several, std::int64_t images,
                                         const Machine& machine, const OrderOptions& options,
                                         const Choices& choices, const Search& search);

}  // namespace workbench::xdnn

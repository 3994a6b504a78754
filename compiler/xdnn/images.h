// Several images in one program: the array works for one while another would leave it waiting for
// filters, and filters that both need are loaded once.
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

// The program of one image for each of several, one behind the other at the same addresses, with
// what the host does first and last done for all at once. `several` has the graph of `one` so many
// times over. Nothing when there are too many instructions, or slice 0 is used.
std::optional<Placed> place_again(const Placed& one, const Graph& several, std::int64_t images,
                                  const Machine& machine);

}  // namespace workbench::xdnn

// Inputs that NEMO shifts until no code is negative (add_input_bias, quantization.md 2.1): what the
// layers that read them do instead, exactly.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "compiler/quantize/nemo_stages_numbers.h"
#include "core/graph.h"

namespace workbench {

// Whether all that reads input `id` of the form (nemo_stages_form.h) can do with codes of which
// `zero` stands for 0: layers (padding ones of four dimensions), affine maps, and reshapes before
// these.
bool nemo_input_may_be_shifted(const Graph& form, ValueId id);

// What `zero` adds to each output channel of a Conv or Gemm, negative: to be its bias. Empty for 0.
std::vector<std::int64_t> nemo_input_shift(const Graph& form, const Node& layer,
                                           const NemoGrid& weights, std::int64_t zero);

// A Conv's own padding as a Pad of `zero` before it (PadConv); nothing where there is none, or
// `zero` is 0. The Conv is to be without_padding() then.
std::optional<Pad> nemo_input_border(const Node& layer, std::int64_t zero);
Op without_padding(Op conv);

}  // namespace workbench

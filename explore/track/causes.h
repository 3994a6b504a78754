// Why figures moved between two records of a case, by their fingerprints.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "explore/track/compare.h"
#include "explore/track/record.h"

namespace workbench::track {

// Layers by name; of several of one name the nth belongs to the nth.
struct LayerPairs {
  std::vector<std::pair<const LayerRecord*, const LayerRecord*>> both;  // in the order of `after`
  std::vector<const LayerRecord*> added, gone;
};
LayerPairs pair_layers(const CaseRecord& before, const CaseRecord& after);

// Everything that differs but figures, the earliest in the flow first: what comes after may follow
// from it.
std::vector<Cause> differences(const CaseRecord& before, const CaseRecord& after);

// Of one layer whose cycles differ. `case_causes`: differences() of its case; `same_code`: no layer
// has other instructions than before.
std::vector<Cause> layer_causes(const LayerRecord& before, const LayerRecord& after,
                                const std::vector<Cause>& case_causes, bool same_code);

// When there is no difference but figures.
Cause remaining_cause(bool times_moved);

// Separates changed machine constants from other causes. Fingerprints cannot show whether the
// simulator changed, too; computing the case once more with the baseline's constants can.

// The case of `after` with every knob that differs set back to what `before` has. None: no knob
// differs, or it cannot be computed so (then fingerprints have the last word).
std::optional<CaseRecord> with_old_constants(const CaseRecord& before, const CaseRecord& after);

// `control`: with_old_constants() of the two that `change` compares. Sets its machine_cycles, and
// adds the causes of what differs between `before` and `control` to the case and its layers.
void attribute(const CaseRecord& before, const CaseRecord& after, const CaseRecord& control,
               CaseChange& change);

}  // namespace workbench::track

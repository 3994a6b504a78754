// When machine constants changed, what else did? Fingerprints alone cannot tell whether the
// simulator changed, too. An experiment can: the case once more, today, with the constants of the
// baseline.
#pragma once

#include <optional>

#include "explore/track/compare.h"
#include "explore/track/record.h"

namespace workbench::track {

// The case of `after` with every knob that differs set back to what `before` has. None: no knob
// differs, or it cannot be computed so (then fingerprints have the last word).
std::optional<CaseRecord> with_old_constants(const CaseRecord& before, const CaseRecord& after);

// `control`: with_old_constants() of the two that `change` compares. Sets its machine_cycles, and
// adds the causes of what differs between `before` and `control` to the case and its layers.
void attribute(const CaseRecord& before, const CaseRecord& after, const CaseRecord& control,
               CaseChange& change);

}  // namespace workbench::track

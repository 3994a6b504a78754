// How each kind of step of a memory plan is carried out (PlanStep::Kind): the ops of the step
// pushed to the new network, on pieces brought from and left in their places.
#pragma once

#include "compiler/xdnn/memory_plan.h"
#include "compiler/xdnn/volume_places.h"

namespace workbench::xdnn {

void carry_whole(Carried& net, VolumePlaces& places, const PlanStep& step);
void carry_chunked(Carried& net, VolumePlaces& places, const PlanStep& step);
void carry_banded(Carried& net, VolumePlaces& places, const PlanStep& step);

// Op `i` of the step brings a tensor of the host; in row bands it stays in DDR.
void carry_download(Carried& net, VolumePlaces& places, const PlanStep& step, int i);

// The step leaves its result `v` in DDR, not in the AM.
bool goes_to_ddr(const PlanStep& step, int v);

}  // namespace workbench::xdnn

// Targets for searches that compile many networks alike.
#pragma once

#include "explore/flow/target.h"

namespace workbench {

// target_for(machine); of PULP its compile() keeps what it finds for layers and kernel calls from
// one network to the next, and so do targets that it is copied to. Programs are the same. For one
// thread at a time.
Target caching_target(const Machine& machine);

}  // namespace workbench

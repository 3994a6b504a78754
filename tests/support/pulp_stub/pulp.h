// What generated C (compiler/pulp/emit_c.cpp) takes of the SDK: enough to compile it, and to run it
// as one core.
#pragma once

static inline int pi_core_id(void) { return 0; }
void pi_cl_team_barrier(void);

// What programs of all targets tell about themselves <-> protobuf.
#pragma once

#include "isa/program_info.h"
#include "program.pb.h"

namespace workbench {

void encode(const ProgramInfo& info, file::Info& message);
ProgramInfo decode(const file::Info& message);

}  // namespace workbench

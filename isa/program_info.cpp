#include "isa/program_info.h"

#include <fmt/format.h>

namespace workbench {

namespace {

std::string_view kind_name(Hazard::Kind kind) {
  switch (kind) {
    case Hazard::Kind::UninitializedRead:
      return "reads memory nobody wrote";
    case Hazard::Kind::OutOfRange:
      return "address out of range";
    case Hazard::Kind::ReadAfterWrite:
      return "reads what is still being written";
    case Hazard::Kind::WriteAfterRead:
      return "writes what is still being read";
    case Hazard::Kind::WriteAfterWrite:
      return "writes what is still being written";
    case Hazard::Kind::LiveOverwrite:
      return "writes over a tensor that is still needed";
    case Hazard::Kind::Unsynchronized:
      return "does not wait for an instruction it depends on";
    case Hazard::Kind::Stray:
      return "touches memory that no tensor alive has";
    case Hazard::Kind::Inconsistent:
      return "does not agree with the volume it writes a part of";
    case Hazard::Kind::ChannelOff:
      return "reads filters of an output channel that is off";
    case Hazard::Kind::Deadlock:
      return "never finishes";
  }
  CHECK(false, "hazard {}", static_cast<int>(kind));
}

}  // namespace

std::string to_string(const Hazard& hazard) {
  std::string text =
      fmt::format("instruction {} ({}) {}: {} {:#x} at cycle {}", hazard.instruction, hazard.layer,
                  kind_name(hazard.kind), hazard.space, hazard.address, hazard.time.value);
  if (hazard.other_instruction >= 0) {
    text += fmt::format(", with instruction {} ({})", hazard.other_instruction, hazard.other_layer);
  }
  return text;
}

}  // namespace workbench

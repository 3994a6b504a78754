#include "explore/replay.h"

#include <algorithm>

#include "compiler/xdnn/replay.h"
#include "core/file.h"

namespace workbench {

namespace {

std::string wait_bits_text(const xdnn::Program& program, const xdnn::Machine& machine) {
  const xdnn::WaitBits bits = xdnn::count_wait_bits(program, machine);
  std::string text =
      fmt::format("replay: {} of {} wait bits are redundant", bits.redundant, bits.set);
  if (bits.missing > 0) text += fmt::format(", {} are missing", bits.missing);
  return text;
}

}  // namespace

xdnn::Listing load_listing(const std::filesystem::path& path) {
  return xdnn::parse_listing(read_file(path), path.string());
}

xdnn::Program replayed_program(const xdnn::Listing& listing, const Graph& quantized,
                               const xdnn::Machine& machine, std::vector<std::string>& remarks) {
  xdnn::Replay replay = xdnn::replay(listing, quantized, machine);
  for (const std::string& note : replay.notes) remarks.push_back("replay: " + note);
  if (!machine.serial()) remarks.push_back(wait_bits_text(replay.program, machine));
  return std::move(replay.program);
}

}  // namespace workbench

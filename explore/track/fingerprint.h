// Short hashes and lists that tell what differs between two revisions of the workbench: the
// network, what the passes and quantization made of it, the machine, the program, one layer's
// instructions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/graph.h"
#include "explore/energy/technology.h"
#include "explore/flow/machine.h"

namespace workbench::track {

// 16 hexadecimal digits: enough to tell versions of one thing apart.
std::string short_hash(std::string_view bytes);

std::string structure_print(
    const Graph& graph);                        // nodes and shapes, without any number in constants
std::string numbers_print(const Graph& graph);  // constants, codes, scales

std::string technology_print(const Technology& technology);

// Knobs of the machine file by their dotted names, in its order.
std::vector<std::pair<std::string, std::string>> machine_constants(const Machine& machine);

struct CodePrint {
  std::int64_t instructions = 0;
  std::string tiles;       // "" when the layer is not cut
  std::string code;        // of every field of its instructions, in program order
  std::int64_t first = 0;  // index of its first instruction; of the program's size: it has none
};
// One per layer of info(program).layers.
std::vector<CodePrint> code_prints(const Program& program);

std::string program_bytes(const Program& program);
const std::string& constants_of(const Program& program);

}  // namespace workbench::track

// Records a case: compiled, simulated, described by its figures and fingerprints.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/graph.h"
#include "explore/energy/technology.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"
#include "explore/track/baseline.h"

namespace workbench::track {

// A run as a baseline has it. `asked`, and the fingerprints of the network as imported, are left to
// the caller.
// `technology`: as technology_for() has it.
CaseRecord record_of(const Compiled& compiled, const SimulatedNetwork& run,
                     const std::string& technology = "");

// Everything from scratch. Throws Error "case 'NAME': ..." for a network or machine that cannot be
// read and a parameter there is not. A network that cannot be compiled for the machine is an
// answer: verdict "fails: WHY", no figures.
inline constexpr std::string_view kFails = "fails: ";
CaseRecord record_case(const Case& one, bool golden);

// Called with the name of the next case and the fraction done.
Baseline record_suite(const Suite& suite, const Progress& progress = {});

// Short hashes and lists that tell what differs between two revisions of the workbench: the
// network, what the passes and quantization made of it, the machine, the program, one layer's
// instructions.

// 16 hexadecimal digits: enough to tell versions of one thing apart.
std::string short_hash(std::string_view bytes);

std::string structure_print(
    const Graph& graph);                        // nodes and shapes, without any number in constants
std::string numbers_print(const Graph& graph);  // constants, codes, scales

std::string technology_print(const Technology& technology);

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

// Our V2 programs against the vendor's for the same networks (programs/xdnn of WORKBENCH_SHARED):
// every convolution, pool and sum has the vendor's fields, addresses aside. Skipped where the files
// are absent.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "compiler/xdnn/compile.h"
#include "core/file.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/listing_text.h"
#include "tests/support/xdnn_program.h"
#include "workloads/workloads.h"

namespace workbench::xdnn {
namespace {

// Fields by name, those aside in which two programs for one network may differ: where tensors lie
// and when the instruction comes.
std::map<std::string, std::int64_t> shape_of(const Entry& entry) {
  std::map<std::string, std::int64_t> fields;
  for (const std::string_view key : template_of(Dialect::V2, entry.opcode)) {
    const Field* field = entry.find(key);
    if (field == nullptr || field_rule(key)->text) continue;
    const bool address = key.find("addr") != std::string_view::npos;
    if (!address && key != "id") fields.emplace(key, number(entry, *field));
  }
  return fields;
}

bool computes(const Entry& entry) {
  return active(entry) && (entry.opcode == "XNConv" || entry.opcode == "XNMaxPool" ||
                           entry.opcode == "XNAvgPool" || entry.opcode == "XNEltwise");
}

struct Shipped {
  const char *file, *machine, *network;
  int instructions;
};
class ShippedInstructions : public ::testing::TestWithParam<Shipped> {};

TEST_P(ShippedInstructions, are_ours) {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const auto path = std::filesystem::path(shared != nullptr ? shared : "../shared") /
                    "programs/xdnn" / GetParam().file;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there (WORKBENCH_SHARED)";
  std::map<std::string, Entry> theirs;
  for (const Entry& entry : parse_listing(read_file(path), path.string()).entries) {
    if (computes(entry)) theirs.emplace(name_of(entry), entry);
  }
  EXPECT_EQ(theirs.size(), static_cast<std::size_t>(GetParam().instructions));

  const Machine machine = load_machine(GetParam().machine);
  const Graph network = build_workload(GetParam().network);
  int compared = 0;
  for (const Entry& entry : listing_of(compiled_for(network, machine)).entries) {
    if (!computes(entry)) continue;
    ASSERT_TRUE(theirs.contains(name_of(entry))) << name_of(entry);
    const Entry& other = theirs.at(name_of(entry));
    EXPECT_EQ(entry.opcode, other.opcode) << name_of(entry);
    EXPECT_EQ(shape_of(entry), shape_of(other)) << name_of(entry);
    ++compared;
  }
  EXPECT_EQ(compared, GetParam().instructions);
}

INSTANTIATE_TEST_SUITE_P(
    V2, ShippedInstructions,
    ::testing::Values(Shipped{"googlenet_v1_56.json", "configs/v2_56.yaml", "googlenet_v1", 71},
                      Shipped{"resnet50_28.json", "configs/v2_28.yaml", "resnet50", 71}),
    [](const auto& instance) { return std::string(instance.param.network); });

}  // namespace
}  // namespace workbench::xdnn

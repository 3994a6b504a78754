// Applications of programs that were written by hand: what cluster and host name need not agree.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "compiler/pulp/emit_c.h"
#include "tests/support/copied_codes.h"

namespace workbench::pulp {
namespace {

// 64 codes go through L1. The host makes them ("xc"), and reads "yc".
Program copy_of(const std::string& output) {
  Program program;
  program.instructions = {Dma{.l2 = 0, .l1 = 0, .length = 64, .split = false}, DmaWait{},
                          Dma{.to_l1 = false, .l2 = 5000, .l1 = 0, .length = 64, .split = false},
                          DmaWait{}};
  program.info.layers = {{.name = "copy"}};
  program.info.instruction_layer = {0, 0, 0, 0};
  program.info.instruction_text = {"dma", "wait", "dma", "wait"};
  program.l1_bytes = 64;
  program.l2_bytes = 5064;
  put_host_around_copy(program);
  program.outputs[0].value = output;
  return program;
}

std::string readme_of(const std::string& output) {
  const Tensor codes = Tensor::from({1, 2, 4, 8}, std::vector<std::uint8_t>(64, 3));
  std::map<std::string, Tensor> values{{"xc", codes}, {"yc", codes}};
  values.insert_or_assign(output, codes);
  for (const auto& [path, text] : emit_c(copy_of(output), Machine{}, values).files) {
    if (path == "README.md") return text;
  }
  return "no README.md";
}

TEST(PulpEmitC, an_output_that_the_host_reads_is_given) {
  EXPECT_NE(readme_of("yc").find("| yc | 4 rows, 8 columns, 2 channels"), std::string::npos)
      << readme_of("yc");
}

TEST(PulpEmitC, an_output_that_the_host_does_not_know_is_given_too) {
  EXPECT_NE(readme_of("by_hand").find("| by_hand | 4 rows, 8 columns, 2 channels, unsigned of 8 "
                                      "bits |"),
            std::string::npos)
      << readme_of("by_hand");
}

}  // namespace
}  // namespace workbench::pulp

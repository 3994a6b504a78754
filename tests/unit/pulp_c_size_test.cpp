// Bytes of the arrays in a turn's C, and what follows from them.
#include <gtest/gtest.h>

#include "compiler/pulp/c_size.h"

namespace workbench::pulp {
namespace {

TEST(PulpCSize, arrays_are_counted_by_their_elements) {
  EXPECT_EQ(array_bytes("static const float v_by_code[] = {\n    1, 2,\n    3,\n};\n"), 12);
  EXPECT_EQ(
      array_bytes("static const int16_t t[] = {\n    1, 2,\n};\nstatic int32_t f(int32_t i) {\n"
                  "  return t[i];\n}\n"),
      4);
  EXPECT_EQ(array_bytes("static const int32_t begins[] = {0, 1, 2};\n"), 12);
  EXPECT_EQ(array_bytes("static double state[20];\nstatic float all[3];\n"), 172);
}

TEST(PulpCSize, what_is_no_array_of_numbers_counts_as_code) {
  EXPECT_EQ(array_bytes("static int32_t line = -1;\nstatic double most;\n"), 0);
  EXPECT_EQ(array_bytes("static const fabric_tensor_t t0 = {1, 8};\n"), 0);
  EXPECT_EQ(array_bytes("static float f(int32_t i) { return v_values[i]; }\n"), 0);
}

TEST(PulpCSize, what_a_network_has_more_of_takes_more) {
  const ApplicationParts none;
  ApplicationParts more;
  more.table_bytes = 1000;
  EXPECT_EQ(estimated_l2_bytes(more) - estimated_l2_bytes(none), 1000);
  more.turns = {"static float all[1000];\n"};
  EXPECT_GT(estimated_l2_bytes(more) - estimated_l2_bytes(none), 5000);
}

}  // namespace
}  // namespace workbench::pulp

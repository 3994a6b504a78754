// Expected tensors as other tools write them: output_0 for the first output, [1, 10] for
// [1, 10, 1, 1].
#include "explore/flow/expectation.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "data/arrays.h"
#include "tests/support/archive.h"
#include "tests/support/graph_builder.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

Graph two_outputs() {
  GraphBuilder b;
  const ValueId x = b.input("in", {1, 2, 1, 1});
  b.output(b.relu("scores/0", x));
  b.output(b.relu("boxes", x));
  b.graph().name = "net";
  return b.graph();
}

TEST(Expectation, arrays_called_output_and_a_number_are_the_outputs_in_order) {
  const TemporaryFolder folder;
  const std::string one = npy_bytes(Tensor::from<float>({1, 2}, std::vector<float>{1, 2}));
  const auto path = folder.write(
      "golden.npz", zip_bytes({{"output_0.npy", one}, {"output_1.npy", one}, {"in.npy", one}}));
  const auto found = read_expectations(path, two_outputs());
  ASSERT_EQ(found.size(), 3U);
  std::set<std::string> names;
  for (const Expectation& each : found) names.insert(each.value);
  EXPECT_EQ(names, (std::set<std::string>{"boxes", "in", "scores/0"}));
}

TEST(Expectation, dimensions_of_one_do_not_count) {
  const Graph graph = two_outputs();
  NamedTensors computed;
  computed.emplace("boxes", Tensor::from<float>({1, 2, 1, 1}, std::vector<float>{1, 5}));
  const auto of_shape = [&](const Shape& shape) {
    const std::vector<float> values(static_cast<std::size_t>(element_count(shape)), 1);
    return compare({{"boxes", Tensor::from<float>(shape, values)}}, graph, computed, {});
  };
  for (const Shape& shape : {Shape{1, 2}, Shape{2}, Shape{1, 1, 1, 2}}) {
    const auto differences = of_shape(shape);
    ASSERT_EQ(differences.size(), 1U);
    EXPECT_EQ(differences[0].mismatches, 1);  // 5 is not 1
  }
  EXPECT_THROW(of_shape({1, 4}), Error);
}

TEST(Expectation, a_name_that_stands_for_nothing_is_refused_with_what_would) {
  const TemporaryFolder folder;
  const std::string one = npy_bytes(Tensor::from<float>({1, 2}, std::vector<float>{1, 2}));
  const auto path = folder.write("golden.npz", zip_bytes({{"arr_0.npy", one}}));
  try {
    (void)read_expectations(path, two_outputs());
    FAIL() << "read";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              path.string() +
                  ": expected arrays named after values of network net or output_0 to "
                  "output_1, found 'arr_0'");
  }
}

}  // namespace
}  // namespace workbench

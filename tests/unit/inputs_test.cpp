#include "explore/flow/inputs.h"

#include <gtest/gtest.h>

#include "explore/flow/machine.h"

namespace workbench {
namespace {

std::string message_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Model, zoo_options_come_from_the_name_or_the_command_line) {
  const Graph by_name = load_model({.name = "zoo:mobilenet_v1?width=0.25&resolution=128"});
  const Graph by_option =
      load_model({.name = "zoo:mobilenet_v1", .width = 0.25, .resolution = 128});
  EXPECT_EQ(by_name.value(by_name.inputs[0]).shape, (Shape{1, 3, 128, 128}));
  EXPECT_EQ(parameters(by_name), parameters(by_option));
}

TEST(Model, a_zoo_option_for_a_file_is_refused) {
  EXPECT_EQ(message_of([] { load_model({.name = "x.onnx", .width = 0.5}); }),
            "x.onnx: --width, --resolution and --seed are for zoo networks");
}

TEST(Model, a_shape_for_a_zoo_network_is_refused) {
  const ModelSource source{.name = "zoo:tiny_cnn",
                           .import = {.input_shapes = {{"data", {1, 3, 8, 8}}}}};
  EXPECT_EQ(message_of([&] { load_model(source); }),
            "zoo:tiny_cnn: --shape is for files; a zoo network takes ?resolution=N");
}

TEST(Model, an_unknown_zoo_option_is_named) {
  EXPECT_EQ(message_of([] { load_model({.name = "zoo:tiny_cnn?depth=3"}); }),
            "zoo:tiny_cnn?depth=3: expected width, resolution or seed after '?', found 'depth'");
  EXPECT_EQ(message_of([] { load_model({.name = "zoo:tiny_cnn?seed=3x"}); }),
            "zoo:tiny_cnn?seed=3x: seed: expected a number, found '3x'");
}

TEST(InputShape, is_a_name_and_dimensions) {
  EXPECT_EQ(parse_input_shape("data=1,3,224,224"),
            (std::pair<std::string, Shape>("data", {1, 3, 224, 224})));
  EXPECT_EQ(parse_input_shape("a=b=7").first, "a=b");  // ONNX names may hold anything
}

TEST(InputShape, everything_else_is_refused) {
  EXPECT_EQ(message_of([] { parse_input_shape("1,3"); }), "--shape 1,3: expected NAME=1,3,224,224");
  EXPECT_EQ(message_of([] { parse_input_shape("x=1,,3"); }),
            "--shape x=1,,3: dimension: expected a number, found ''");
  EXPECT_EQ(message_of([] { parse_input_shape("x=1,0"); }),
            "--shape x=1,0: expected dimensions of at least 1, found 0");
}

TEST(MachineFile, a_shipped_machine_is_found_by_name) {
  EXPECT_EQ(find_machine_file("v3_96").filename(), "v3_96.yaml");
}

TEST(MachineFile, an_unknown_one_names_the_shipped) {
  const std::string message = message_of([] { find_machine_file("v9"); });
  EXPECT_NE(message.find("v3_96"), std::string::npos) << message;
}

TEST(Data, without_files_one_synthetic_sample_calibrates_and_runs) {
  const Graph graph = load_model({.name = "zoo:tiny_cnn"});
  const RunData data = read_data(graph, "zoo:tiny_cnn", {});
  EXPECT_TRUE(data.input_is_last_sample);
  ASSERT_EQ(data.calibration.count, 1U);
  EXPECT_EQ(data.calibration.at(0), data.input);
  EXPECT_EQ(data.warnings.size(), 1U);
}

}  // namespace
}  // namespace workbench

#include "workloads/workloads.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "tests/support/activations.h"
#include "workloads/builder.h"

namespace workbench {
namespace {

std::int64_t total_ops(const Graph& graph) {
  return std::accumulate(
      graph.nodes.begin(), graph.nodes.end(), std::int64_t{0},
      [&](std::int64_t sum, const Node& node) { return sum + layer_ops(graph, node); });
}

std::int64_t total_macs(const Graph& graph) {
  return std::accumulate(
      graph.nodes.begin(), graph.nodes.end(), std::int64_t{0},
      [&](std::int64_t sum, const Node& node) { return sum + macs(graph, node); });
}

// Without the running means and variances, which most publications do not count.
std::int64_t trainable_parameters(const Graph& graph) {
  std::int64_t count = parameters(graph);
  for (const Node& node : graph.nodes) {
    if (std::holds_alternative<BatchNorm>(node.op)) {
      count -= 2 * graph.value(node.inputs[1]).shape[0];
    }
  }
  return count;
}

std::set<std::string> layer_names(const Graph& graph) {
  std::set<std::string> names;
  for (const Node& node : graph.nodes) names.insert(node.name);
  return names;
}

const Node& node_named(const Graph& graph, const std::string& name) {
  for (const Node& node : graph.nodes) {
    if (node.name == name) return node;
  }
  fail("no node '{}'", name);
}

const Shape& result_shape(const Graph& graph, const std::string& layer) {
  return graph.value(node_named(graph, layer).outputs[0]).shape;
}

std::string error_of(std::string_view name, const WorkloadOptions& options) {
  try {
    build_workload(name, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// The fully connected layers of VGG count as nothing, as in all of these.
TEST(workloads, have_the_operations_that_the_vendor_compiler_reports) {
  const std::vector<std::pair<std::string, std::int64_t>> published = {
      // docs/facts/xdnn.md 4.4
      {"googlenet_v1", 3176103168}, {"resnet50", 7719276544}, {"resnet101", 15147130880},
      {"resnet152", 22575788032},   {"vgg16", 30699382784},   {"squeezenet_v1.0", 1727976840},
      {"inception_v3", 11446866624}};
  for (const auto& [name, ops] : published) EXPECT_EQ(total_ops(build_workload(name)), ops) << name;
}

TEST(workloads, have_the_parameters_that_were_published) {
  const std::vector<std::pair<std::string, std::int64_t>> published = {
      {"googlenet_v1", 6998552},
      {"resnet50", 25557032},   // torchvision, as are the next two: the stride's place does
      {"resnet101", 44549160},  // not matter
      {"resnet152", 60192808},
      {"vgg16", 138357544},
      {"vgg19", 143667240},
      {"squeezenet_v1.0", 1248424},
      {"squeezenet_v1.1", 1235496},
      {"inception_v3", 23834568 + 2049},  // torchvision without its auxiliary classifier, and the
      {"inception_v4", 42679816 + 1537},  // 1001st class; timm, likewise
      {"mobilenet_v1", 4231976},          // Keras
      {"mobilenet_v2", 3504872},          // torchvision
  };
  for (const auto& [name, count] : published) {
    EXPECT_EQ(trainable_parameters(build_workload(name)), count) << name;
  }
}

TEST(detectors, hold_as_many_numbers_as_the_published_weight_files) {
  // yolov2.weights: 203934260 bytes = 16 of header + 4 each, the running statistics among them.
  EXPECT_EQ(parameters(build_workload("yolo_v2")), (203934260 - 16) / 4);
  EXPECT_EQ(parameters(build_workload("yolo_v2_tiny")), 15867885);  // tiny-yolo-voc in Keras
}

// Published to three digits: operations (two per MAC) of the paper's table 6 and of the YOLO page.
TEST(darknets, do_the_work_that_was_published) {
  const auto giga_ops = [](std::string_view name, std::int64_t resolution) {
    return 2e-9 * static_cast<double>(total_macs(build_workload(name, {.resolution = resolution})));
  };
  EXPECT_NEAR(giga_ops("darknet19", 224), 5.58, 0.005);
  EXPECT_NEAR(giga_ops("yolo_v2", 608), 62.94, 0.01);
  EXPECT_NEAR(giga_ops("yolo_v2_tiny", 416), 6.97, 0.005);
}

// MobileNet v1, tables 6 and 7: millions of MACs at width or resolution; v2, table 4.
TEST(mobilenets, scale_as_their_tables_say) {
  const auto mega_macs = [](std::string_view name, const WorkloadOptions& options) {
    return 1e-6 * static_cast<double>(total_macs(build_workload(name, options)));
  };
  EXPECT_NEAR(mega_macs("mobilenet_v1", {}), 569, 0.5);
  EXPECT_NEAR(mega_macs("mobilenet_v1", {.width = 0.75}), 325, 0.5);
  EXPECT_NEAR(mega_macs("mobilenet_v1", {.width = 0.5}), 149, 0.5);
  EXPECT_NEAR(mega_macs("mobilenet_v1", {.width = 0.25}), 41, 0.5);
  EXPECT_NEAR(mega_macs("mobilenet_v1", {.resolution = 192}), 418, 0.5);
  EXPECT_NEAR(mega_macs("mobilenet_v1", {.resolution = 128}), 186, 0.5);
  EXPECT_NEAR(mega_macs("mobilenet_v2", {}), 300, 1);
  EXPECT_NEAR(mega_macs("mobilenet_v2", {.width = 1.4}), 585, 5);
}

TEST(workloads, carry_the_layer_names_of_the_vendor_programs) {
  const std::set<std::string> googlenet = layer_names(build_workload("googlenet_v1"));
  for (const char* name : {"conv1/7x7_s2", "pool1/3x3_s2", "conv2/3x3_reduce", "inception_3a/1x1",
                           "inception_3b/5x5_reduce", "inception_4e/pool", "inception_5b/pool_proj",
                           "inception_3a/output", "pool5/7x7_s1"}) {
    EXPECT_TRUE(googlenet.contains(name)) << name;
  }
  const std::set<std::string> resnet = layer_names(build_workload("resnet50"));
  for (const char* name : {"conv1", "pool1", "res2a_branch1", "res2a_branch2a", "res2a", "res4f",
                           "res5c_branch2c", "pool5", "fc1000"}) {
    EXPECT_TRUE(resnet.contains(name)) << name;
  }
  EXPECT_TRUE(layer_names(build_workload("resnet101")).contains("res4b22_branch2a"));
  EXPECT_TRUE(layer_names(build_workload("squeezenet_v1.1")).contains("fire2/squeeze1x1"));
}

TEST(workloads, name_every_value_after_its_node) {
  const Graph graph = build_workload("tiny_residual");
  for (const Node& node : graph.nodes) EXPECT_EQ(graph.value(node.outputs[0]).name, node.name);
}

TEST(workloads, have_the_maps_that_the_papers_draw) {
  const Graph squeezenet = build_workload("squeezenet_v1.0");
  EXPECT_EQ(result_shape(squeezenet, "conv10"), (Shape{1, 1000, 15, 15}));
  const Graph yolo = build_workload("yolo_v2");
  EXPECT_EQ(result_shape(yolo, "route"), (Shape{1, 1280, 13, 13}));
  EXPECT_EQ(result_shape(yolo, "conv23"), (Shape{1, 425, 13, 13}));
  EXPECT_EQ(result_shape(build_workload("yolo_v2_tiny"), "pool6"), (Shape{1, 512, 13, 13}));
  const Graph inception_v4 = build_workload("inception_v4");
  EXPECT_EQ(result_shape(inception_v4, "Mixed_5a/concat"), (Shape{1, 384, 35, 35}));
  EXPECT_EQ(result_shape(inception_v4, "Mixed_6a/concat"), (Shape{1, 1024, 17, 17}));
  EXPECT_EQ(result_shape(inception_v4, "Mixed_7d/concat"), (Shape{1, 1536, 8, 8}));
  const Graph inception_v2 = build_workload("inception_v2");
  EXPECT_EQ(result_shape(inception_v2, "inception_3c/output"), (Shape{1, 576, 14, 14}));
  EXPECT_EQ(result_shape(inception_v2, "inception_5b/output"), (Shape{1, 1024, 7, 7}));
}

TEST(resnet50, halves_its_maps_in_the_first_one_by_one) {
  const Graph graph = build_workload("resnet50");
  EXPECT_EQ(result_shape(graph, "res3a_branch2a"), (Shape{1, 128, 28, 28}));
  EXPECT_EQ(result_shape(graph, "pool1"), (Shape{1, 64, 56, 56}));
}

TEST(workloads, are_the_same_bits_for_any_number_of_threads) {
  std::vector<float> one(200'000);
  std::vector<float> two(200'000);
  std::vector<float> short_one(7);
  std::vector<float> short_two(7);
  const auto fill = [](std::vector<float>& a, std::vector<float>& b, int threads) {
    const std::vector<WeightFill> fills = {{.values = a, .key = weight_key(1, "a")},
                                           {.values = b, .key = weight_key(1, "b")}};
    fill_weights(fills, threads);
  };
  fill(one, short_one, 1);
  fill(two, short_two, 3);
  EXPECT_EQ(one, two);
  EXPECT_EQ(short_one, short_two);
}

// SplitMix64 started at 0 gives 0xe220a8397b1dcdaf first. The four parts add up to 0xe220 + 0xa839
// + 0x7b1d + 0xcdaf = 185125, less twice 65535 is 54055; the deviation of such sums is 37837.227.
TEST(weights, are_made_of_split_mix_numbers) {
  std::vector<float> value(1);
  const WeightFill fill{.values = value, .key = 0x9e3779b97f4a7c15U, .deviation = 37837.227};
  fill_weights({&fill, 1});
  EXPECT_EQ(value[0], 54055.0F);
}

// Bounds: five standard errors of a mean and of a variance (sqrt(2/n)) of 100000 numbers.
TEST(weights, have_the_mean_and_deviation_asked_for) {
  std::vector<float> values(100'000);
  const WeightFill fill{.values = values, .key = weight_key(7, "x"), .mean = 3, .deviation = 2};
  fill_weights({&fill, 1});
  double sum = 0;
  double squares = 0;
  for (const float v : values) {
    sum += static_cast<double>(v) - 3;
    squares += (static_cast<double>(v) - 3) * (static_cast<double>(v) - 3);
  }
  EXPECT_NEAR(sum / 1e5, 0, 5 * 2 / 316.2);
  EXPECT_NEAR(squares / 1e5, 4, 4 * 5 * 0.00447);
}

TEST(workloads, depend_on_their_seed_alone) {
  const auto first_weight = [](std::uint64_t seed) {
    const Graph graph = build_workload("tiny_cnn", {.seed = seed});
    return *graph.value(node_named(graph, "conv1").inputs[1]).constant;
  };
  EXPECT_EQ(first_weight(1), first_weight(1));
  EXPECT_FALSE(first_weight(1) == first_weight(2));
}

TEST(workloads, of_the_manifest_are_the_ones_that_build) {
  for (const WorkloadInfo& info : workloads()) {
    if (!info.name.starts_with("tiny")) continue;  // the others are built above
    const Graph graph = build_workload(info.name);
    EXPECT_EQ(graph.name, info.name);
    EXPECT_EQ(graph.value(graph.inputs.at(0)).shape, info.input);
    EXPECT_TRUE(verify(graph).empty());
  }
}

TEST(workloads, build_at_the_smallest_resolution_they_accept) {
  for (const char* name :
       {"resnet50", "mobilenet_v1", "mobilenet_v2", "darknet19", "yolo_v2_tiny"}) {
    const Graph graph = build_workload(name, {.resolution = 32});
    EXPECT_EQ(graph.value(graph.inputs.at(0)).shape, (Shape{1, 3, 32, 32})) << name;
    EXPECT_TRUE(verify(graph).empty()) << name;
  }
}

TEST(tiny_networks, keep_their_activations_alive) {
  for (const char* name : {"tiny_cnn", "tiny_residual", "tiny_inception", "tiny_mobile"}) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      const std::vector<std::string> faults =
          activation_faults(build_workload(name, {.seed = seed}), seed);
      EXPECT_TRUE(faults.empty()) << name << " seed " << seed << " " << faults.front();
    }
  }
}

TEST(workloads, refuse_unknown_names_and_options_with_what_was_expected) {
  EXPECT_EQ(error_of("resnet5", {}),
            "workload 'resnet5': expected a network of the zoo, the nearest is 'resnet50'");
  EXPECT_EQ(error_of("vgg16", {.resolution = 256}),
            "workload 'vgg16': resolution: expected 224, the only one it has, found 256");
  EXPECT_EQ(error_of("mobilenet_v1", {.resolution = 100}),
            "workload 'mobilenet_v1': resolution: expected a multiple of 32 up to 2048, found 100");
  EXPECT_EQ(error_of("mobilenet_v1", {.resolution = -32}),
            "workload 'mobilenet_v1': resolution: expected a multiple of 32 up to 2048, found -32");
  EXPECT_EQ(error_of("resnet50", {.width = 0.5}),
            "workload 'resnet50': width: expected 1, only MobileNets scale, found 0.5");
  EXPECT_EQ(error_of("mobilenet_v2", {.width = 0}),
            "workload 'mobilenet_v2': width: expected 0.1 to 4, found 0");
}

TEST(workloads, are_known_by_their_name_in_any_spelling) {
  for (const char* name : {"tiny_cnn", "Tiny-CNN", "tinycnn"}) {
    EXPECT_EQ(build_workload(name).name, "tiny_cnn") << name;
  }
  EXPECT_EQ(build_workload("squeezenet1.1").name, "squeezenet_v1.1");
  EXPECT_EQ(build_workload("SqueezeNet_v1_1").name, "squeezenet_v1.1");
  EXPECT_EQ(build_workload("mobilenetv2").name, "mobilenet_v2");
}

}  // namespace
}  // namespace workbench

// Which layer a published golden tensor belongs to, and how its elements are read.
#include "explore/flow/golden_files.h"

#include <gtest/gtest.h>

#include "explore/flow/golden_text.h"
#include "sim/golden/golden.h"
#include "tests/support/archive.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

using Integers = std::vector<std::int64_t>;

Integers integers(const Tensor& tensor) {
  const std::vector<double> values = numbers(tensor);
  return {values.begin(), values.end()};
}

template <typename Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

Quantization steps_of_1(int bits, bool is_signed) {
  Quantization q{.bits = bits, .is_signed = is_signed};
  q.thresholds = {static_cast<double>(q.high())};
  return q;
}

// x [1,2,1,2] -> Conv_0 (x * 2 + 1 per channel, kept as it is) / 2 -> pool -> sum of all -> y.
struct Network {
  Graph graph{.name = "tiny"};

  ValueId value(const std::string& name, const Shape& shape, ElementType type) {
    Value value{.name = name, .shape = shape, .type = type};
    if (type == ElementType::Uint8) value.quantization = steps_of_1(8, false);
    if (type == ElementType::Int32) value.quantization = steps_of_1(32, true);
    return graph.add_value(value);
  }
  void node(Node node) { graph.nodes.push_back(std::move(node)); }

  Network() {
    const ValueId x = value("x", {1, 2, 1, 2}, ElementType::Float32);
    const ValueId codes = value("x_int8", {1, 2, 1, 2}, ElementType::Uint8);
    const ValueId a = value("a", {1, 2, 1, 2}, ElementType::Uint8);
    const ValueId pool = value("p", {1, 2, 1, 2}, ElementType::Uint8);
    const ValueId flat = value("f", {1, 4}, ElementType::Uint8);
    const ValueId sum = value("y_int8", {1, 1}, ElementType::Int32);
    const ValueId y = value("y", {1, 1}, ElementType::Float32);
    const ValueId w = graph.add_constant(
        "stack.0.weight", Tensor::from<std::int8_t>({2, 1, 1, 1}, std::vector<std::int8_t>{2, 2}));
    const ValueId ones = graph.add_constant(
        "fc", Tensor::from<std::int8_t>({4, 1}, std::vector<std::int8_t>{100, 1, 1, 1}));
    const Window window{.kernel = {1, 1},
                        .strides = {1, 1},
                        .dilations = {1, 1},
                        .pads_begin = {0, 0},
                        .pads_end = {0, 0}};
    node({.name = "quantize", .op = Quantize{}, .inputs = {x}, .outputs = {codes}});
    node({.name = "Conv_0",
          .op = Conv{.window = window, .groups = 2},
          .inputs = {codes, w},
          .outputs = {a},
          .merged = {"Clip_3"},
          .affine = AffineRequantize{.offset = {1}, .divisor = 2}});
    node({.name = "MaxPool_4", .op = MaxPool{.window = window}, .inputs = {a}, .outputs = {pool}});
    node({.name = "Reshape_5", .op = Reshape{{1, 4}}, .inputs = {pool}, .outputs = {flat}});
    node({.name = "Gemm_6",
          .op = Gemm{},
          .inputs = {flat, ones},
          .outputs = {sum},
          .affine = AffineRequantize{.low = -2147483648LL, .high = 2147483647}});
    node({.name = "dequantize", .op = Dequantize{}, .inputs = {sum}, .outputs = {y}});
    graph.inputs = {x};
    graph.outputs = {y};
  }

  std::vector<Tensor> run() const {
    const Tensor x = Tensor::from<float>({1, 2, 1, 2}, std::vector<float>{1, 2, 3, 4});
    return golden::run(graph, {&x, 1});
  }
  // As a simulator has them.
  NamedTensors computed() const {
    NamedTensors tensors;
    const std::vector<Tensor> values = run();
    for (std::size_t i = 0; i < values.size(); ++i) tensors[graph.values[i].name] = values[i];
    return tensors;
  }
};

GoldenText text_of(const TemporaryFolder& folder, const std::string& contents) {
  return read_golden_text(folder.write("text.txt", contents));
}

TEST(GoldenText, a_marked_header_means_pixels_first_unless_it_says_otherwise) {
  const TemporaryFolder folder;
  const Shape shape = {1, 2, 1, 3};
  const GoldenText pixels = text_of(folder, "# a (shape [1, 3, 2]),\n0,\n10,\n1,\n11,\n2,\n12,\n");
  EXPECT_EQ(integers(arranged(pixels, shape, false, "f")), (Integers{0, 1, 2, 10, 11, 12}));
  EXPECT_EQ(pixels.name, "a");
  const GoldenText planes = text_of(folder, "# a (shape [2, 1, 3]),\n0,\n1,\n2,\n10,\n11,\n12,\n");
  EXPECT_EQ(integers(arranged(planes, shape, false, "f")), (Integers{0, 1, 2, 10, 11, 12}));
}

TEST(GoldenText, a_header_without_mark_means_channels_first) {
  const TemporaryFolder folder;
  const GoldenText text =
      text_of(folder, "a (shape [1, 1, 3, 2]),\\\n0.000,\\\n1,\\\n2,\\\n-10.0,\\\n11,\\\n12,\\");
  EXPECT_EQ(integers(arranged(text, {1, 2, 1, 3}, false, "f")), (Integers{0, 1, 2, -10, 11, 12}));
}

TEST(GoldenText, four_times_as_many_values_are_bytes_of_int32) {
  const TemporaryFolder folder;
  const GoldenText text = text_of(folder, "# fc\n191,\n145,\n255,\n255,\n1,\n0,\n0,\n0,\n");
  // 0xffff91bf - 2^32 = -28225
  EXPECT_EQ(integers(arranged(text, {1, 2}, true, "f")), (Integers{-28225, 1}));
  EXPECT_EQ(error_of([&] {
              arranged(text, {1, 2}, false, "f.txt");
            }),
            "f.txt: expected 2 values for shape [1, 2], found 8");
}

TEST(GoldenText, what_is_no_number_is_named_by_its_line) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "text.txt").string();
  EXPECT_EQ(error_of([&] { text_of(folder, "# a\n1,\n2.5,\n"); }),
            path + ":3: expected one whole number, found '2.5,'");
  EXPECT_EQ(error_of([&] { text_of(folder, "# a\n1, 2,\n"); }),
            path + ":2: expected one whole number, found '1, 2,'");
  const GoldenText other = text_of(folder, "# a (shape [7, 1, 2]),\n0,\n1,\n2,\n3,\n");
  EXPECT_EQ(error_of([&] {
              arranged(other, {1, 2, 1, 2}, false, "f.txt");
            }),
            "f.txt:1: expected shape [1, 2, 2] (pixels first) or [2, 1, 2], found [7, 1, 2]");
}

// Conv_0 gives x rounded up by a half: x. Layers: Conv_0, MaxPool_4, Gemm_6 = 100 + 2 + 3 + 4.
void write_layers(const TemporaryFolder& folder, const std::string& pool_value = "2") {
  folder.write("out_layer0.txt", "# relu (shape [1, 2, 2]),\n1,\n3,\n2,\n4,\n");
  folder.write("out_layer1.txt", "# relu (shape [1, 2, 2]),\n1,\n3,\n" + pool_value + ",\n4,\n");
  folder.write("out_layer2.txt", "# fc (shape [1]),\n109,\n0,\n0,\n0,\n");
}

TEST(GoldenFiles, layers_follow_the_numbers_of_their_files) {
  const TemporaryFolder folder;
  write_layers(folder);
  ASSERT_TRUE(is_golden_folder(folder.path()));
  const Network network;
  const auto files = read_golden_folder(folder.path(), network.graph);
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(mapping_line(files[0]),
            "out_layer0.txt -> layer 'Conv_0', value 'a' (by order, pixels first)");
  EXPECT_EQ(mapping_line(files[2]),
            "out_layer2.txt -> layer 'Gemm_6', value 'y_int8' (by order, pixels first, int32 from "
            "bytes)");
  for (const Difference& one : compare(files, network.graph, network.computed(), network.run())) {
    EXPECT_EQ(one.mismatches, 0) << one.value;
  }
}

TEST(GoldenFiles, an_altered_value_is_a_mismatch_at_its_layer_alone) {
  const TemporaryFolder folder;
  write_layers(folder, "3");
  const Network network;
  const auto differences = compare(read_golden_folder(folder.path(), network.graph), network.graph,
                                   network.computed(), network.run());
  EXPECT_EQ(differences[0].mismatches, 0);
  EXPECT_EQ(differences[1].mismatches, 1);
  EXPECT_EQ(differences[1].value, "MaxPool_4 (out_layer1.txt)");
  EXPECT_EQ(differences[1].first, 1);  // channel 0, column 1
  EXPECT_EQ(differences[1].expected, 3);
  EXPECT_EQ(differences[1].got, 2);
  EXPECT_EQ(differences[2].mismatches, 0);
}

TEST(GoldenFiles, a_name_goes_before_the_number) {
  const TemporaryFolder folder;
  folder.write("out_layer0.txt", "# MaxPool_4 (shape [1, 2, 2]),\n1,\n3,\n2,\n4,\n");
  const auto files = read_golden_folder(folder.path(), Network().graph);
  EXPECT_EQ(mapping_line(files[0]),
            "out_layer0.txt -> layer 'MaxPool_4', value 'p' (by name, pixels first)");
}

TEST(GoldenFiles, a_file_without_layer_is_an_error) {
  const TemporaryFolder folder;
  const std::string path = folder.write("out_layer3.txt", "# a\n1,\n").string();
  EXPECT_EQ(error_of([&] { read_golden_folder(folder.path(), Network().graph); }),
            path + ": expected layers 0 to 2 of network tiny, found 3");
}

TEST(GoldenFiles, a_layer_of_another_size_is_named) {
  const TemporaryFolder folder;
  const std::string path = folder.write("out_layer0.txt", "# a\n1,\n").string();
  EXPECT_EQ(error_of([&] { read_golden_folder(folder.path(), Network().graph); }),
            path + " (layer 'Conv_0'): expected 4 values for shape [1, 2, 1, 2], found 1");
}

// An array of int64.
ZipMember array(const std::string& name, const std::string& shape, const Integers& values) {
  std::string header = "{'descr': '<i8', 'fortran_order': False, 'shape': (" + shape + "), }";
  while ((header.size() + 11) % 64 != 0) header += ' ';
  header += '\n';
  std::string bytes =
      std::string("\x93NUMPY\x01\x00", 8) + little_endian(header.size(), 2) + header;
  for (const std::int64_t value : values) {
    bytes += little_endian(static_cast<std::uint64_t>(value), 8);
  }
  return {.name = name + ".npy", .bytes = bytes};
}

TEST(GoldenFiles, accumulators_are_found_by_the_name_of_their_weights) {
  const TemporaryFolder folder;
  folder.write("activations.npz",
               zip_bytes({array("model_stack_0", "1,2,1,2", {2, 4, 6, 8}),
                          array("act", "1,2,1,2", {1, 2, 3, 4}),
                          array("pool", "1,2,1,2", {1, 2, 3, 4}), array("lin", "1,1", {109})}));
  folder.write("outputs.npz", zip_bytes({array("y", "1,1", {109})}));
  const Network network;
  const auto files = read_golden_folder(folder.path(), network.graph);
  ASSERT_EQ(files.size(), 5U);
  EXPECT_EQ(mapping_line(files[0]),
            "activations.npz:model_stack_0 -> layer 'Conv_0', accumulator before 'a' (by name)");
  EXPECT_EQ(mapping_line(files[1]), "activations.npz:act -> layer 'Conv_0', value 'a' (by order)");
  EXPECT_EQ(mapping_line(files[3]),
            "activations.npz:lin -> layer 'Gemm_6', value 'y_int8' (by order)");
  EXPECT_EQ(mapping_line(files[4]), "outputs.npz:y -> layer 'Gemm_6', value 'y_int8' (by name)");
  for (const Difference& one : compare(files, network.graph, network.computed(), network.run())) {
    EXPECT_EQ(one.mismatches, 0) << one.value;
  }
}

TEST(GoldenFiles, an_array_that_fits_no_layer_is_an_error) {
  const TemporaryFolder folder;
  const std::string path =
      folder.write("activations.npz", zip_bytes({array("act", "1,3", {1, 2, 3})})).string();
  EXPECT_EQ(error_of([&] { read_golden_folder(folder.path(), Network().graph); }),
            path + ":act: no layer of shape [1, 3] is left for it");
}

TEST(GoldenFiles, inputs_go_by_name_then_in_order_and_surplus_must_be_a_constant) {
  const TemporaryFolder folder;
  const Network network;
  const auto path = folder.write("inputs.npz", zip_bytes({array("arr_0", "1,2,1,2", {1, 2, 3, 4}),
                                                          array("arr_1", "2,1,1,1", {2, 2})}));
  const IntegerInput input = read_integer_input(path, network.graph);
  EXPECT_EQ(input.tensors[0], Tensor::from<float>({1, 2, 1, 2}, std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(input.notes, (std::vector<std::string>{
                             "inputs.npz:arr_0 -> input 'x' (by order)",
                             "inputs.npz:arr_1 ignored: it is the constant 'stack.0.weight'"}));
  folder.write("inputs.npz",
               zip_bytes({array("other", "2,1,1,1", {2, 3}), array("x", "1,2,1,2", {1, 2, 3, 4})}));
  EXPECT_EQ(error_of([&] { read_integer_input(path, network.graph); }),
            path.string() +
                ": array 'other' [2, 1, 1, 1]: expected an input or the values of a "
                "constant, found neither");
}

TEST(GoldenFiles, an_input_in_text_is_arranged_like_a_layer) {
  const TemporaryFolder folder;
  const auto path = folder.write("input.txt", "# input (shape [1, 2, 2]),\n1.000,\n3,\n2,\n4,\n");
  const IntegerInput input = read_integer_input(path, Network().graph);
  EXPECT_EQ(input.tensors[0], Tensor::from<float>({1, 2, 1, 2}, std::vector<float>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace workbench

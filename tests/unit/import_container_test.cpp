// What a model file may consist of besides nodes in a row: data beside it, sparse tensors,
// functions, branches, sequences, several names for one value.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "tests/support/onnx_model.h"
#include "tests/support/temporary_folder.h"

namespace workbench::test {
namespace {

namespace fs = std::filesystem;
using Integers = std::vector<std::int64_t>;

OnnxModel add_model() {
  OnnxModel model;
  model.input("x", {2}).output("y");
  model.node("Add", {"x", "w"}, {"y"});
  return model;
}

// `model` with w beside it: 3 bytes that are no data, then the floats 5 and 7.
struct External {
  explicit External(const std::string& location) {
    onnx::TensorProto& w = model.floats("w", {2}, {});
    w.set_data_location(onnx::TensorProto::EXTERNAL);
    set("location", location);
    set("offset", "3");
    const float values[] = {5, 7};
    std::string bytes = "abc";
    bytes.append(reinterpret_cast<const char*>(values), sizeof values);
    fs::create_directories(folder.path() / "in" / "sub");
    for (const char* file : {"w.bin", "in/w.bin", "in/sub/w.bin"}) {
      write_file(folder.path() / file, bytes);
    }
  }
  void set(const std::string& key, const std::string& value) {
    auto& data = *model.graph().mutable_initializer(0)->mutable_external_data();
    for (auto& entry : data) {
      if (entry.key() == key) entry.set_value(value);
      if (entry.key() == key) return;
    }
    auto& entry = *data.Add();
    entry.set_key(key);
    entry.set_value(value);
  }
  // The message without the model's path; empty: it imports.
  std::string error() {
    const fs::path path = folder.path() / "in" / "m.onnx";
    write_file(path, model.proto().SerializeAsString());
    try {
      EXPECT_EQ(floats_of(evaluate_one(import_model(path), {1, 2})), (std::vector<float>{6, 9}));
    } catch (const Error& error) {
      const std::string_view text = error.what();
      EXPECT_TRUE(text.starts_with(path.string() + ": initializer 'w': external data: ")) << text;
      return std::string(text.substr(path.string().size() + 34));
    }
    return {};
  }
  TemporaryFolder folder;
  OnnxModel model = add_model();
};

TEST(ImportExternal, data_lies_in_the_models_folder) {
  for (const char* location : {"w.bin", "./w.bin", "sub/w.bin"}) {
    EXPECT_EQ(External(location).error(), "") << location;
  }
}

TEST(ImportExternal, no_other_folder_is_read) {
  for (const std::string location : {"../w.bin", "sub/../../w.bin", "/etc/passwd"}) {
    EXPECT_EQ(External(location).error(),
              "expected a file in the model's folder, found location '" + location + "'");
  }
}

TEST(ImportExternal, a_link_that_leaves_the_folder_is_refused_and_one_inside_is_not) {
  External external("link.bin");
  fs::create_symlink("sub/w.bin", external.folder.path() / "in" / "link.bin");
  EXPECT_EQ(external.error(), "");
  fs::remove(external.folder.path() / "in" / "link.bin");
  fs::create_symlink("../w.bin", external.folder.path() / "in" / "link.bin");
  EXPECT_EQ(external.error(),
            "expected a file in the model's folder, found 'link.bin', a link to '" +
                fs::canonical(external.folder.path() / "w.bin").string() + "'");
}

TEST(ImportExternal, offset_and_length_stay_in_the_file) {
  External external("w.bin");
  external.set("length", "8");
  EXPECT_EQ(external.error(), "");
  external.set("length", "4");
  EXPECT_EQ(external.error(), "expected 8 bytes for its shape and type, found length 4");
  external.set("length", "8");
  external.set("offset", "4");
  EXPECT_EQ(external.error(), "expected 8 bytes at offset 4 of 'w.bin', found a file of 11 bytes");
  external.set("offset", "18446744073709551615");
  EXPECT_EQ(external.error(),
            "expected 8 bytes at offset 18446744073709551615 of 'w.bin', found a file of 11 bytes");
  external.set("offset", "-1");
  EXPECT_EQ(external.error(), "offset: expected a number of bytes, found '-1'");
}

TEST(ImportExternal, what_is_no_file_is_refused) {
  EXPECT_EQ(External("sub").error(), "expected a file, found 'sub', which is none");
  EXPECT_EQ(External("").error(), "expected a location, found none");
  EXPECT_NE(External("none.bin").error().find("cannot read"), std::string::npos);
}

TEST(ImportExternal, a_small_file_does_not_become_memory_without_end) {
  TemporaryFolder folder;
  write_file(folder.path() / "w.bin", std::string(1 << 20, '\0'));
  OnnxModel model;
  model.input("x", {1}).output("y");
  model.node("Relu", {"x"}, {"y"});
  for (int i = 0; i < 1000; ++i) {
    onnx::TensorProto& w = model.floats(fmt::format("w{}", i), {1 << 18}, {});
    w.set_data_location(onnx::TensorProto::EXTERNAL);
    auto& entry = *w.add_external_data();
    entry.set_key("location");
    entry.set_value("w.bin");
  }
  write_file(folder.path() / "m.onnx", model.proto().SerializeAsString());
  EXPECT_THROW(import_model(folder.path() / "m.onnx"), Error);
}

onnx::SparseTensorProto& sparse(OnnxModel& model, const Shape& shape, const Integers& indices,
                                const Shape& index_shape) {
  onnx::SparseTensorProto& tensor = *model.graph().add_sparse_initializer();
  for (const std::int64_t size : shape) tensor.add_dims(size);
  tensor.mutable_values()->set_name("w");
  tensor.mutable_values()->set_data_type(onnx::TensorProto::FLOAT);
  tensor.mutable_values()->add_dims(2);
  tensor.mutable_values()->add_float_data(5);
  tensor.mutable_values()->add_float_data(7);
  tensor.mutable_indices()->set_data_type(onnx::TensorProto::INT64);
  for (const std::int64_t size : index_shape) tensor.mutable_indices()->add_dims(size);
  for (const std::int64_t index : indices) tensor.mutable_indices()->add_int64_data(index);
  return tensor;
}

// 5 at place 1, 7 at place 4 of 6: [0, 1] and [1, 1] of [2, 3].
TEST(ImportSparse, initializers_become_dense) {
  for (const bool linear : {true, false}) {
    OnnxModel model;
    model.input("x", {2, 3}).output("y");
    model.node("Add", {"x", "w"}, {"y"});
    sparse(model, {2, 3}, linear ? Integers{1, 4} : Integers{0, 1, 1, 1},
           linear ? Shape{2} : Shape{2, 2});
    EXPECT_EQ(floats_of(evaluate_one(model.import(), {0, 0, 0, 0, 0, 0})),
              (std::vector<float>{0, 5, 0, 0, 7, 0}));
  }
}

TEST(ImportSparse, indices_stay_in_the_tensor_and_the_tensor_in_memory) {
  OnnxModel model = add_model();
  sparse(model, {2}, {0, 2}, {2});
  EXPECT_EQ(model.import_error(),
            "test: sparse initializer 'w': expected indices below 2, found 2");
  OnnxModel large = add_model();
  sparse(large, {1 << 30}, {0, 2}, {2});
  EXPECT_EQ(large.import_error(),
            "test: sparse initializer 'w': expected at most 16777216 elements for 2 that are "
            "stored, found shape [1073741824]");
}

// scaled(x, factor) = (x * factor) + one, the factor an attribute's constant.
onnx::FunctionProto& scaled_function(OnnxModel& model) {
  onnx::FunctionProto& function = *model.proto().add_functions();
  function.set_name("scaled");
  function.set_domain("own");
  function.add_input("a");
  function.add_input("b");
  function.add_output("r");
  function.add_attribute("one");
  function.add_opset_import()->set_version(13);
  onnx::NodeProto& one = *function.add_node();
  one.set_op_type("Constant");
  one.add_output("c");
  onnx::AttributeProto& value = *one.add_attribute();
  value.set_name("value_float");
  value.set_type(onnx::AttributeProto::FLOAT);
  value.set_ref_attr_name("one");
  onnx::NodeProto& mul = *function.add_node();
  mul.set_op_type("Mul");
  mul.add_input("a");
  mul.add_input("b");
  mul.add_output("m");
  onnx::NodeProto& add = *function.add_node();
  add.set_op_type("Add");
  add.add_input("m");
  add.add_input("c");
  add.add_output("r");
  return function;
}

TEST(ImportFunction, calls_become_the_nodes_of_the_body) {
  OnnxModel model;
  model.input("x", {2}).output("y");
  model.floats("w", {2}, {3, 4});
  scaled_function(model);
  for (const auto& [from, to] : {std::pair("x", "h"), std::pair("h", "y")}) {
    NodeBuilder call = model.node("scaled", {from, "w"}, {to});
    call.proto().set_domain("own");
    call.named(std::string("call_") + to).with("one", 1.0F);
  }
  const Graph graph = model.import();
  ASSERT_EQ(graph.nodes.size(), 4U);
  EXPECT_EQ(graph.nodes[0].name, "call_h/Mul_m");
  EXPECT_EQ(graph.value(graph.nodes[1].outputs[0]).name, "h");
  // ((1 * 3 + 1) * 3 + 1, (2 * 4 + 1) * 4 + 1)
  EXPECT_EQ(floats_of(evaluate_one(graph, {1, 2})), (std::vector<float>{13, 37}));
}

TEST(ImportFunction, a_function_that_calls_itself_is_refused) {
  OnnxModel model;
  model.input("x", {2}).output("y");
  onnx::FunctionProto& function = scaled_function(model);
  function.mutable_node(1)->set_op_type("scaled");
  function.mutable_node(1)->set_domain("own");
  model.node("scaled", {"x", "x"}, {"y"}).proto().set_domain("own");
  const std::string error = model.import_error();
  EXPECT_NE(error.find("nested at most 32 deep"), std::string::npos) << error;
}

// Each of 22 functions calls the next one twice: 2^22 nodes if nothing stopped it.
TEST(ImportFunction, functions_that_multiply_end_at_a_number_of_nodes) {
  OnnxModel model;
  model.input("x", {1}).output("y");
  for (int i = 0; i < 30; ++i) {
    onnx::FunctionProto& function = *model.proto().add_functions();
    function.set_name(fmt::format("f{}", i));
    function.set_domain("own");
    function.add_input("a");
    function.add_output("r");
    for (const auto& [from, to] : {std::pair("a", "m"), std::pair("m", "r")}) {
      onnx::NodeProto& call = *function.add_node();
      call.set_op_type(i == 29 ? "Relu" : fmt::format("f{}", i + 1));
      call.set_domain(i == 29 ? "" : "own");
      call.add_input(from);
      call.add_output(to);
    }
  }
  model.node("f8", {"x"}, {"y"}).proto().set_domain("own");
  const std::string error = model.import_error();
  EXPECT_NE(error.find("nodes in functions and branches"), std::string::npos) << error;
}

// Celu is no operator of the table: ONNX's library has its body. max(0,x) + min(0, exp(x)-1).
TEST(ImportFunction, bodies_of_onnxs_own_operators_are_used) {
  OnnxModel model;
  model.input("x", {1, 2, 2}).output("y");
  model.node("MeanVarianceNormalization", {"x"}, {"y"}).with("axes", Integers{2});
  const std::string error = model.import_error();
  if (!error.empty()) {  // of operators that the body has and the table has not
    EXPECT_EQ(error.find("(MeanVarianceNormalization): operator is not supported"),
              std::string::npos);
    return;
  }
  // Each row 0, 2: mean 1, deviation 1.
  const std::vector<float> y = floats_of(evaluate_one(model.import(), {0, 2, 0, 2}));
  EXPECT_NEAR(y[0], -1, 1e-4);
  EXPECT_NEAR(y[1], 1, 1e-4);
}

void add_branch(NodeBuilder& node, const std::string& name, const std::string& op) {
  onnx::AttributeProto& attribute = *node.proto().add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::GRAPH);
  onnx::GraphProto& graph = *attribute.mutable_g();
  onnx::NodeProto& inner = *graph.add_node();
  inner.set_op_type(op);
  inner.add_input("h");
  inner.add_output("inner");
  graph.add_output()->set_name("inner");
}

OnnxModel branching(bool condition) {
  OnnxModel model;
  model.input("x", {2}).output("y");
  model.codes("c", {}, onnx::TensorProto::BOOL, {condition});
  model.node("Exp", {"x"}, {"h"});
  NodeBuilder node = model.node("If", {"c"}, {"y"}).named("if");
  add_branch(node, "then_branch", "Relu");
  add_branch(node, "else_branch", "Tanh");
  return model;
}

TEST(ImportBranch, the_branch_of_a_known_condition_is_taken) {
  for (const bool condition : {true, false}) {
    const Graph graph = branching(condition).import();
    ASSERT_EQ(graph.nodes.size(), 2U);
    EXPECT_EQ(op_name(graph.nodes[1].op), condition ? "Relu" : "Tanh");
    EXPECT_EQ(graph.value(graph.outputs[0]).name, "y");
  }
}

TEST(ImportBranch, a_condition_of_values_is_refused) {
  OnnxModel model = branching(true);
  model.graph().clear_initializer();
  model.input("c", {}, onnx::TensorProto::BOOL);
  EXPECT_EQ(model.import_error(),
            "test: node 'if' (If): input 0 (cond): expected a constant, found 'c', known only at "
            "run time");
}

TEST(ImportBranch, an_obstacle_in_the_other_branch_is_none) {
  OnnxModel model = branching(true);
  NodeBuilder node(*model.graph().mutable_node(1));
  node.proto().mutable_attribute(1)->mutable_g()->mutable_node(0)->set_op_type("Twist");
  EXPECT_EQ(model.import_error(), "");
}

TEST(ImportSequence, constant_sequences_disappear) {
  OnnxModel model;
  model.input("x", {4}).output("y");
  model.integers("one", {1});
  model.graph().mutable_initializer(0)->clear_dims();
  model.node("SplitToSequence", {"x", "two"}, {"s"});
  model.integers("two", {2});
  model.graph().mutable_initializer(1)->clear_dims();
  model.node("SequenceAt", {"s", "one"}, {"b"});
  model.node("SequenceInsert", {"s", "b"}, {"t"});
  model.node("ConcatFromSequence", {"t"}, {"y"}).with("axis", 0);
  EXPECT_EQ(floats_of(evaluate_one(model.import(), {1, 2, 3, 4})),
            (std::vector<float>{1, 2, 3, 4, 3, 4}));
}

TEST(ImportNames, an_output_may_be_listed_twice_and_be_another_name_of_a_value) {
  OnnxModel model;
  model.input("x", {2}).output("y").output("y").output("w");
  model.floats("w", {1}, {3});
  model.node("Relu", {"x"}, {"y"});
  const Graph graph = model.import();
  ASSERT_EQ(graph.outputs.size(), 2U);
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "y");
  EXPECT_EQ(graph.value(graph.outputs[1]).name, "w");
  EXPECT_EQ(model.notes().size(), 1U);
}

TEST(ImportNames, nodes_of_one_name_are_told_apart) {
  OnnxModel model;
  model.input("x", {2}).output("y");
  model.node("Relu", {"x"}, {"a"}).named("n");
  model.node("Exp", {"a"}, {"b"}).named("n");
  model.node("Tanh", {"b"}, {"y"}).named("n");
  const Graph graph = model.import();
  EXPECT_EQ(graph.nodes[0].name, "n");
  EXPECT_EQ(graph.nodes[1].name, "n_2");
  EXPECT_EQ(graph.nodes[2].name, "n_3");
}

TEST(ImportNames, outputs_that_nothing_reads_are_no_demand) {
  OnnxModel model(13);
  model.input("x", {1, 2, 1, 1}).output("y");
  for (const char* name : {"s", "b", "m", "v"}) model.floats(name, {2}, {1, 1});
  model.node("BatchNormalization", {"x", "s", "b", "m", "v"}, {"y", "o1", "o2", "o3", "o4"});
  EXPECT_EQ(model.import_error(), "");
}

// 10^5 nodes of one name, in the order in which they can be read least easily.
TEST(ImportNames, large_graphs_take_no_longer_than_their_size) {
  OnnxModel model;
  constexpr int kNodes = 100'000;
  model.input("v0", {1}).output(fmt::format("v{}", kNodes));
  for (int i = kNodes; i > 0; --i) {
    model.node("Relu", {fmt::format("v{}", i - 1)}, {fmt::format("v{}", i)}).named("relu");
  }
  const Graph graph = model.import();
  EXPECT_EQ(graph.nodes.size(), static_cast<std::size_t>(kNodes));
  EXPECT_EQ(graph.nodes[0].name, fmt::format("relu_{}", kNodes));
}

}  // namespace
}  // namespace workbench::test

// Hostile files: a few small models, damaged in thousands of ways. Each either imports to a graph
// that verifies or ends in an Error of one line; nothing else may happen (run it under the
// sanitizers of the `dev` preset too).
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <random>

#include "compiler/import/export.h"
#include "compiler/quantize/integer_network.h"
#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Integers = std::vector<std::int64_t>;

constexpr int kCases = 3000;
constexpr std::uint64_t kSeed = 20241121;

// A small CNN with every kind of operand.
OnnxModel network() {
  OnnxModel model;
  model.input("x", {-1, 2, 6, 6}).output("y");
  model.floats("w", {4, 1, 3, 3}, std::vector<float>(36, 0.5F));
  model.floats("scale", {4}, {1, 2, 3, 4});
  model.floats("low", {}, {0});
  model.floats("high", {}, {6});
  model.integers("shape", {0, -1});
  model.floats("fc", {4, 3}, std::vector<float>(12, 1));
  model.node("Conv", {"x", "w"}, {"c"}).with("group", 2).with("auto_pad", "SAME_UPPER");
  model.node("BatchNormalization", {"c", "scale", "scale", "scale", "scale"}, {"b"});
  model.node("Clip", {"b", "low", "high"}, {"r"});
  model.node("MaxPool", {"r"}, {"p"})
      .with("kernel_shape", Integers{2, 2})
      .with("strides", Integers{2, 2})
      .with("pads", Integers{0, 0, 1, 1})
      .with("ceil_mode", 1);
  model.node("ConvTranspose", {"p", "w"}, {"t"}).with("strides", Integers{2, 2}).with("group", 4);
  model.node("GlobalAveragePool", {"t"}, {"g"});
  model.node("Reshape", {"g", "shape"}, {"f"});
  model.node("Gemm", {"f", "fc"}, {"l"}).with("alpha", 0.5F);
  model.node("Softmax", {"l"}, {"y"}).with("axis", -1);
  return model;
}

// Shape arithmetic and movement.
OnnxModel movement() {
  OnnxModel model(11);
  model.input("x", {2, 3, 4, 4}).output("y").output("s1");
  model.integers("starts", {1, -1});
  model.integers("ends", {3, -9});
  model.integers("axes", {1, 3});
  model.integers("steps", {1, -2});
  model.integers("zero", {0});
  model.integers("pads", {0, 0, 1, 0, 0, 0, 0, 2});
  model.floats("roi", {0}, {});
  model.floats("scales", {4}, {1, 1, 2, 2});
  model.node("Shape", {"x"}, {"s"});
  model.node("Gather", {"s", "zero"}, {"n"});
  model.node("Mul", {"n", "starts"}, {"m"});
  model.node("Concat", {"m", "s"}, {"s1"}).with("axis", 0);
  model.node("Slice", {"x", "starts", "ends", "axes", "steps"}, {"a"});
  model.node("Pad", {"a", "pads"}, {"b"});
  model.node("Resize", {"b", "roi", "scales"}, {"c"}).with("mode", "nearest");
  model.node("Transpose", {"c"}, {"d"}).with("perm", Integers{0, 2, 3, 1});
  model.node("Unsqueeze", {"d"}, {"e"}).with("axes", Integers{0});
  model.node("ReduceMean", {"e"}, {"f"}).with("axes", Integers{1, -1});
  model.node("Split", {"f"}, {"g", "h"}).with("axis", 2);
  model.node("Sum", {"g", "g", "h"}, {"y"});
  return model;
}

OnnxModel quantized() {
  OnnxModel model;
  model.input("x", {1, 2, 4, 4}).output("y");
  model.floats("s", {2}, {0.5F, 0.25F});
  model.codes("z", {2}, onnx::TensorProto::UINT8, {3, 4});
  model.codes("w", {1, 2, 1, 1}, onnx::TensorProto::INT8, {5, -6});
  model.floats("sw", {}, {0.125F});
  model.node("QuantizeLinear", {"x", "s", "z"}, {"q"});
  model.node("DequantizeLinear", {"q", "s", "z"}, {"d"});
  model.node("DequantizeLinear", {"w", "sw"}, {"wf"});
  model.node("Conv", {"d", "wf"}, {"y"});
  return model;
}

// Every kind of step of an integer network.
OnnxModel integers() {
  using Type = onnx::TensorProto;
  OnnxModel model;
  model.input("x", {1, 2, 3, 3}, Type::UINT8).output("y").output("z");
  model.codes("w", {2, 1, 3, 3}, Type::INT8, std::vector<std::int32_t>(18, -3));
  model.codes("k", {1, 2, 1, 1}, Type::INT32, {5, 70000});
  model.codes("d", {}, Type::INT32, {256});
  model.codes("low", {}, Type::INT32, {-128});
  model.codes("high", {}, Type::INT32, {127});
  model.codes("fc", {2, 2}, Type::INT8, {1, 2, 3, 4});
  model.floats("mul", {2, 1, 1}, {2, 3});
  model.floats("half", {}, {0.5F});
  model.integers("axes", {2, 3});
  model.integers("flat", {1, 2});
  model.integers("one", {1});
  model.node("ConvInteger", {"x", "w"}, {"a"}).with("group", 2).with("pads", Integers(4, 1));
  model.node("Mul", {"a", "k"}, {"b"});
  model.node("Sub", {"d", "b"}, {"c"});
  model.node("Div", {"c", "d"}, {"e"});
  model.node("Clip", {"e", "low", "high"}, {"f"});
  model.node("Cast", {"f"}, {"g"}).with("to", Type::FLOAT);
  NodeBuilder shift = model.node("RequantShift", {"g", "mul", "half"}, {"h"});
  shift.with("div", 4.0F).with("n_levels", 256.0F).with("signed", 1.0F);
  shift.proto().mutable_input()->RemoveLast();
  shift.proto().add_input("mul");
  NodeBuilder add = model.node("Add", {"g", "h"}, {"i"});
  for (const std::string in : {"in1", "out"}) {
    add.with(in + "_mul", 3).with(in + "_add", 2).with(in + "_shift", 2);
    add.with(in + "_n_levels", 256).with(in + "_rq", 1);
  }
  model.node("Mul", {"i", "half"}, {"j"});
  model.node("Floor", {"j"}, {"l"});
  model.node("Concat", {"l", "l"}, {"z"}).with("axis", 2);
  model.node("Cast", {"i"}, {"m"}).with("to", Type::INT32);
  model.node("ReduceSum", {"m", "axes"}, {"n"});
  model.node("Div", {"n", "d"}, {"o"});
  model.node("Cast", {"o"}, {"p"}).with("to", Type::INT8);
  model.node("Reshape", {"p", "flat"}, {"q"});
  model.node("MatMulInteger", {"q", "fc"}, {"r"});
  model.node("Gather", {"r", "one"}, {"y"}).with("axis", 1);
  return model;
}

void add_branch(NodeBuilder& node, const std::string& name, const std::string& op) {
  onnx::AttributeProto& attribute = *node.proto().add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::GRAPH);
  onnx::NodeProto& inner = *attribute.mutable_g()->add_node();
  inner.set_op_type(op);
  inner.add_input("a");
  inner.add_output("i");
  attribute.mutable_g()->add_output()->set_name("i");
}

// Functions, branches, sequences, sparse and external tensors, open sizes.
OnnxModel containers() {
  OnnxModel model(18);
  model.input("x", {-1, 2, -1, -1}).output("y");
  model.codes("c", {}, onnx::TensorProto::BOOL, {1});
  model.codes("n", {1, 2, 1, 1}, 22, {0x37}).clear_int32_data();
  model.graph().mutable_initializer(1)->set_raw_data("\x37");
  model.floats("scale", {}, {0.5F});
  model.integers("lengths", {1, 1});
  onnx::SparseTensorProto& sparse = *model.graph().add_sparse_initializer();
  sparse.mutable_values()->set_name("w");
  sparse.mutable_values()->set_data_type(onnx::TensorProto::FLOAT);
  sparse.mutable_values()->add_dims(1);
  sparse.mutable_values()->add_float_data(5);
  sparse.mutable_indices()->set_data_type(onnx::TensorProto::INT64);
  sparse.mutable_indices()->add_dims(1);
  sparse.mutable_indices()->add_int64_data(1);
  for (const std::int64_t size : {1, 2, 1, 1}) sparse.add_dims(size);
  onnx::FunctionProto& function = *model.proto().add_functions();
  function.set_name("f");
  function.set_domain("own");
  function.add_input("p");
  function.add_output("q");
  for (const auto& [op, from, to] : {std::tuple("Relu", "p", "r"), std::tuple("Tanh", "r", "q")}) {
    onnx::NodeProto& inner = *function.add_node();
    inner.set_op_type(op);
    inner.add_input(from);
    inner.add_output(to);
  }
  model.node("DequantizeLinear", {"n", "scale"}, {"d"});
  model.node("Add", {"x", "w"}, {"s"});
  model.node("Mul", {"s", "d"}, {"m"});
  model.node("f", {"m"}, {"a"}).proto().set_domain("own");
  NodeBuilder branch = model.node("If", {"c"}, {"b"});
  add_branch(branch, "then_branch", "Relu");
  add_branch(branch, "else_branch", "f");
  model.node("SplitToSequence", {"b", "lengths"}, {"parts"}).with("axis", 1);
  model.node("ConcatFromSequence", {"parts"}, {"y"}).with("axis", 1);
  return model;
}

std::size_t pick(std::mt19937_64& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

std::int64_t odd_integer(std::mt19937_64& random) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kOdd[] = {0,  -1, 1,       2,         -2,        3,    7,
                                   13, 64, 1 << 20, 1LL << 31, 1LL << 40, kMax, -kMax - 1};
  return kOdd[pick(random, std::size(kOdd))];
}

// Sets, removes or repeats one field of `message`; goes down into a submessage most of the time.
void mutate(Message& message, std::mt19937_64& random);

void mutate_scalar(Message& message, const FieldDescriptor& field, std::mt19937_64& random) {
  const Reflection& access = *message.GetReflection();
  const int size = field.is_repeated() ? access.FieldSize(message, &field) : 0;
  const int at = size > 0 ? static_cast<int>(pick(random, static_cast<std::size_t>(size))) : 0;
  const std::int64_t value = odd_integer(random);
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      field.is_repeated() ? access.SetRepeatedInt64(&message, &field, at, value)
                          : access.SetInt64(&message, &field, value);
      break;
    case FieldDescriptor::CPPTYPE_INT32:
      field.is_repeated()
          ? access.SetRepeatedInt32(&message, &field, at, static_cast<std::int32_t>(value))
          : access.SetInt32(&message, &field, static_cast<std::int32_t>(value));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      field.is_repeated() ? access.SetRepeatedFloat(&message, &field, at, static_cast<float>(value))
                          : access.SetFloat(&message, &field, static_cast<float>(value));
      break;
    case FieldDescriptor::CPPTYPE_STRING: {
      constexpr const char* kTexts[] = {"", "x", "y", "w", "Relu", "Constant", "\xff\n", "Cast"};
      const std::string text = kTexts[pick(random, std::size(kTexts))];
      field.is_repeated() ? access.SetRepeatedString(&message, &field, at, text)
                          : access.SetString(&message, &field, text);
      break;
    }
    default:
      access.ClearField(&message, &field);
  }
}

void mutate(Message& message, std::mt19937_64& random) {
  const Reflection& access = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  access.ListFields(message, &fields);
  if (fields.empty()) return;
  const FieldDescriptor& field = *fields[pick(random, fields.size())];
  const std::size_t action = pick(random, 10);
  if (action == 0) {
    access.ClearField(&message, &field);
  } else if (action == 1 && field.is_repeated()) {
    access.RemoveLast(&message, &field);
  } else if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    mutate_scalar(message, field, random);
  } else if (!field.is_repeated()) {
    mutate(*access.MutableMessage(&message, &field), random);
  } else {
    const int size = access.FieldSize(message, &field);
    const int at = static_cast<int>(pick(random, static_cast<std::size_t>(size)));
    if (action == 2) {
      access.SwapElements(&message, &field, 0, at);
    } else if (action == 3) {
      access.AddMessage(&message, &field)->CopyFrom(access.GetRepeatedMessage(message, &field, at));
    } else {
      mutate(*access.MutableRepeatedMessage(&message, &field, at), random);
    }
  }
}

// Damages bytes: flips, cuts, repeats.
std::string damaged(std::string bytes, std::mt19937_64& random) {
  const std::size_t times = 1 + pick(random, 4);
  for (std::size_t i = 0; i < times && !bytes.empty(); ++i) {
    const std::size_t at = pick(random, bytes.size());
    switch (pick(random, 4)) {
      case 0:
        bytes[at] = static_cast<char>(pick(random, 256));
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << pick(random, 8)));
        break;
      case 2:
        bytes.resize(at);
        break;
      default:
        bytes.insert(at, bytes.substr(at, pick(random, 16)));
    }
  }
  return bytes;
}

// What imports is an integer network, or one line says why not.
void integer_or_error(const Graph& graph) {
  try {
    if (is_integer_network(graph)) integer_network(graph, {});
  } catch (const Error& error) {
    const std::string_view text = error.what();
    EXPECT_EQ(text.find('\n'), std::string_view::npos) << text;
  }
}

// True: imported.
bool import_or_error(const std::string& bytes) {
  try {
    const Graph graph = import_onnx_bytes(bytes, "fuzz");
    EXPECT_TRUE(verify(graph).empty());
    integer_or_error(graph);
    return true;
  } catch (const Error& error) {
    const std::string_view text = error.what();
    EXPECT_EQ(text.find('\n'), std::string_view::npos) << text;
    EXPECT_TRUE(text.starts_with("fuzz: ")) << text;
    return false;
  }
}

std::vector<onnx::ModelProto> seeds() {
  std::vector<onnx::ModelProto> models{network().proto(), movement().proto(), quantized().proto(),
                                       integers().proto(), containers().proto()};
  onnx::ModelProto exported;  // raw_data where the others have typed fields
  EXPECT_TRUE(exported.ParseFromString(export_onnx_bytes(network().import())));
  models.push_back(exported);
  return models;
}

TEST(ImportFuzz, seed_models_import) {
  for (const onnx::ModelProto& seed : seeds()) {
    EXPECT_TRUE(import_or_error(seed.SerializeAsString()));
  }
}

TEST(ImportFuzz, seed_of_integers_is_an_integer_network) {
  const Graph graph = integers().import();
  EXPECT_TRUE(is_integer_network(graph));
  EXPECT_NO_THROW(integer_network(graph, {}));
}

TEST(ImportFuzz, damaged_bytes_import_or_end_in_one_line) {
  std::mt19937_64 random(kSeed);
  RecordProperty("seed", std::to_string(kSeed));
  const std::vector<onnx::ModelProto> models = seeds();
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    import_or_error(damaged(models[pick(random, models.size())].SerializeAsString(), random));
  }
}

TEST(ImportFuzz, damaged_fields_import_or_end_in_one_line) {
  std::mt19937_64 random(kSeed);
  RecordProperty("seed", std::to_string(kSeed));
  const std::vector<onnx::ModelProto> models = seeds();
  int imported = 0;
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    onnx::ModelProto model = models[pick(random, models.size())];
    const std::size_t times = 1 + pick(random, 3);
    for (std::size_t k = 0; k < times; ++k) mutate(model, random);
    imported += import_or_error(model.SerializeAsString()) ? 1 : 0;
  }
  EXPECT_GT(imported, kCases / 20);  // the damage must reach deep into the importer
  EXPECT_LT(imported, kCases * 19 / 20);
}

}  // namespace
}  // namespace workbench::test

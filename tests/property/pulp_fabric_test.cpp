// The C of nodes that the fabric controller computes gives the bits of the float evaluator's exact
// arithmetic: random nodes of every operator, built with this machine's compiler.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <sstream>

#include "compiler/pulp/c_runtime.h"
#include "compiler/pulp/c_text.h"
#include "compiler/pulp/fabric/elements.h"
#include "core/eval/evaluate.h"
#include "core/file.h"
#include "tests/support/host_nodes.h"
#include "tests/support/seeds.h"
#include "tests/support/temporary_folder.h"

namespace workbench::pulp {
namespace {

constexpr int kCases = 12;
const std::uint64_t kSeed = seed_of(11);

std::string number(const Tensor& tensor, std::size_t i) {
  switch (tensor.type()) {
    case ElementType::Float32:
      return c_float(tensor.values<float>()[i]);
    case ElementType::Bool:
      return tensor.values<bool>()[i] ? "1" : "0";
    case ElementType::Int8:
      return std::to_string(tensor.values<std::int8_t>()[i]);
    case ElementType::Uint8:
      return std::to_string(tensor.values<std::uint8_t>()[i]);
    case ElementType::Int32:
      return std::to_string(tensor.values<std::int32_t>()[i]);
    default:
      return std::to_string(tensor.values<std::int64_t>()[i]);
  }
}

// To codes and back, by each rounding: ties, ends, numbers far beyond them, zero points, a step per
// channel.
std::vector<OneNode> conversions() {
  std::vector<OneNode> nodes;
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> reals = {0, -0.0F, inf, -inf, std::nanf(""), 1e30F, -1e30F, 3e9F, -3e9F};
  for (int i = -600; i <= 600; ++i) reals.push_back(static_cast<float>(i) / 4);
  for (const Rounding rounding : {Rounding::HalfUp, Rounding::HalfEven, Rounding::HalfAwayFromZero,
                                  Rounding::Floor, Rounding::TowardZero}) {
    for (const bool is_signed : {true, false}) {
      for (const std::int64_t zero : {0, 7}) {
        Quantization codes{.is_signed = is_signed,
                           .thresholds = {is_signed ? 127.0 : 255.0, is_signed ? 42.5 : 85.2},
                           .zero_points = {zero, zero + 1},
                           .axis = 1,
                           .rounding = rounding};
        const auto count = static_cast<std::int64_t>(reals.size());
        std::vector<float> both = reals;
        both.insert(both.end(), reals.begin(), reals.end());
        const ElementType type = storage_type(codes);
        nodes.push_back({.op = Quantize{},
                         .operands = {Tensor::from<float>({1, 2, count}, both)},
                         .result = type,
                         .result_quantization = codes});
        Tensor all = Tensor::uninitialized(type, {1, 2, 128});
        for (int i = 0; i < 256; ++i) all.mutable_data()[i] = static_cast<std::byte>(i);
        nodes.push_back({.op = Dequantize{}, .operands = {all}, .operand_quantization = codes});
      }
    }
  }
  return nodes;
}

std::string operand_function(const std::string& name, const Value& value, const Tensor& tensor) {
  std::string text = fmt::format("static const {} {}_values[] = {{", c_type(value), name);
  for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.size()); ++i) {
    text += number(tensor, i) + ", ";
  }
  return text + fmt::format("}};\nstatic {0} {1}(int32_t i) {{ return {1}_values[i]; }}\n",
                            c_type(value), name);
}

// [Ci, Co/groups, kernel] as [Co, Ci/groups, kernel].
Tensor by_filter(const Tensor& w, std::int64_t groups) {
  const std::int64_t channels = w.dim(0) / groups, filters = w.dim(1);
  const std::int64_t taps = w.size() / w.dim(0) / filters;
  Tensor result = Tensor::zeros(ElementType::Float32, w.shape());
  for (std::int64_t ci = 0; ci < w.dim(0); ++ci) {
    for (std::int64_t f = 0; f < filters; ++f) {
      const std::int64_t co = ci / channels * filters + f;
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        result.mutable_values<float>()[static_cast<std::size_t>(
            (co * channels + ci % channels) * taps + tap)] =
            w.values<float>()[static_cast<std::size_t>((ci * filters + f) * taps + tap)];
      }
    }
  }
  return result;
}

// A program that prints the elements of all nodes, a line each.
class Printer {
 public:
  // False: there is no C for result `number` of the node.
  bool add(const OneNode& one, const Graph& graph, std::size_t number = 0) {
    const Node& node = graph.nodes[0];
    const std::string name = fmt::format("node{}", count_);
    for (std::size_t k = 0; k < one.operands.size(); ++k) {
      if (node.inputs[k] != kNoValue && c_type(graph.value(node.inputs[k])).empty()) return false;
    }
    const auto read = [&](std::size_t k, const std::string& index) {
      return fmt::format("{}_in{}({})", name, k, index);
    };
    const auto text = c_element(graph, node, number, name, read);
    if (!text) return false;
    for (std::size_t k = 0; k < one.operands.size(); ++k) {
      if (node.inputs[k] == kNoValue) continue;
      const auto* deconv = std::get_if<ConvTranspose>(&node.op);
      const bool turned = deconv != nullptr && k == 1 && graph.value(node.inputs[k]).constant;
      functions_ +=
          operand_function(fmt::format("{}_in{}", name, k), graph.value(node.inputs[k]),
                           turned ? by_filter(one.operands[k], deconv->groups) : one.operands[k]);
    }
    functions_ += text->function;
    const Value& result = graph.value(node.outputs[number]);
    main_ += text->at_begin + fmt::format("  for (int32_t i = 0; i < {}; ++i) print_{}({}(i));\n",
                                          element_count(result.shape), c_type(result), name);
    ++count_;
    return true;
  }

  std::vector<std::string> run() const {
    const TemporaryFolder folder;
    for (const RuntimeFile& file : runtime_files()) {
      const auto path = folder.path() / file.path;
      std::filesystem::create_directories(path.parent_path());
      write_file(path, file.contents);
    }
    write_file(folder.path() / "main.c",
               "#include <math.h>\n#include <stdio.h>\n#include \"fabric.h\"\n"
               "void ram_read(void* to, uint32_t from, size_t size) { (void)to; (void)from; "
               "(void)size; }\n"
               "void ram_write(uint32_t to, void* from, size_t size) { (void)to; (void)from; "
               "(void)size; }\n"
               "const int32_t network_l3_bytes = 0;\n"
               "static void print_float(float x) { uint32_t bits; memcpy(&bits, &x, 4); "
               "printf(\"%08lx\\n\", (unsigned long)bits); }\n"
               "static void print_int32_t(int32_t x) { printf(\"%ld\\n\", (long)x); }\n" +
                   functions_ + "int main(void) {\n" + main_ + "}\n");
    const std::string command = fmt::format(
        "cd {} && cc -std=gnu11 -O1 -w -ffp-contract=off -Inetwork -Ikernels -Ihost main.c "
        "network/fabric.c network/fabric_sample.c -lm -o main 2> log && ./main > out",
        folder.path().string());
    EXPECT_EQ(std::system(command.c_str()), 0) << read_file(folder.path() / "log");
    std::istringstream out(read_file(folder.path() / "out"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(out, line);) lines.push_back(line);
    return lines;
  }

 private:
  std::string functions_, main_;
  int count_ = 0;
};

// NaN is NaN, of either sign.
std::string printed(const Tensor& tensor, std::size_t i) {
  if (tensor.type() != ElementType::Float32) return number(tensor, i);
  const float x = tensor.values<float>()[i];
  return std::isnan(x) ? "nan" : fmt::format("{:08x}", std::bit_cast<std::uint32_t>(x));
}
std::string as_printed(const std::string& line, const Tensor& tensor) {
  if (tensor.type() != ElementType::Float32) return line;
  const auto bits = static_cast<std::uint32_t>(std::stoul(line, nullptr, 16));
  return std::isnan(std::bit_cast<float>(bits)) ? "nan" : line;
}

TEST(PulpFabric, elements_are_the_exact_evaluators) {
  struct Expected {
    std::string what;
    Tensor result;
  };
  std::vector<Expected> expected;
  Printer printer;
  std::map<std::string, int> without;  // kinds that have no C for any of their nodes
  for (const OneNode& one : conversions()) {
    const Graph graph = graph_of(one);
    ASSERT_TRUE(printer.add(one, graph));
    expected.push_back(
        {"conversion", evaluate_node(graph, graph.nodes[0], one.operands,
                                     {.arithmetic = Arithmetic::Exact, .threads = 1})[0]});
  }
  for (const auto& [name, make] : host_nodes(kSeed)) {
    without[name] = 1;
    for (int i = 0; i < kCases; ++i) {
      const OneNode one = make();
      const Graph graph = graph_of(one);
      const auto results = evaluate_node(graph, graph.nodes[0], one.operands,
                                         {.arithmetic = Arithmetic::Exact, .threads = 1});
      for (std::size_t k = 0; k < graph.outputs.size(); ++k) {
        if (!printer.add(one, graph, k)) continue;
        without[name] = 0;
        expected.push_back({fmt::format("{}, case {}, result {}", name, i, k), results[k]});
      }
    }
  }
  std::string missing;
  for (const auto& [name, none] : without) missing += none != 0 ? name + "; " : "";
  EXPECT_EQ(missing, "");
  const std::vector<std::string> lines = printer.run();
  std::size_t line = 0;
  for (const Expected& one : expected) {
    SCOPED_TRACE(one.what);
    for (std::size_t i = 0; i < static_cast<std::size_t>(one.result.size()); ++i, ++line) {
      ASSERT_LT(line, lines.size());
      ASSERT_EQ(as_printed(lines[line], one.result), printed(one.result, i)) << "element " << i;
    }
  }
  EXPECT_EQ(line, lines.size());
  EXPECT_GT(expected.size(), 300U);
}

// Weights that are computed lie as the network has them.
TEST(PulpFabric, transposed_convolutions_by_computed_weights_are_the_exact_evaluators) {
  for (const auto& [name, make] : host_nodes(kSeed)) {
    if (name != "transposed conv") continue;
    Printer printer;
    std::vector<Tensor> expected;
    for (int i = 0; i < kCases; ++i) {
      const OneNode one = make();
      Graph graph = graph_of(one);
      expected.push_back(evaluate_node(graph, graph.nodes[0], one.operands,
                                       {.arithmetic = Arithmetic::Exact, .threads = 1})[0]);
      graph.value(graph.nodes[0].inputs[1]).constant.reset();
      ASSERT_TRUE(printer.add(one, graph));
    }
    const std::vector<std::string> lines = printer.run();
    std::size_t line = 0;
    for (const Tensor& result : expected) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(result.size()); ++i, ++line) {
        ASSERT_LT(line, lines.size());
        ASSERT_EQ(as_printed(lines[line], result), printed(result, i)) << "element " << i;
      }
    }
    return;
  }
  FAIL() << "no transposed convolutions";
}

}  // namespace
}  // namespace workbench::pulp

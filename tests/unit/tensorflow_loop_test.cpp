// While loops of TensorFlow graphs: unrolled where every condition is known at import, else
// refused.
#include <gtest/gtest.h>

#include "tests/support/tensorflow_run.h"

namespace workbench::test {
namespace {

// while (CONDITION) of any number of variables; nodes of variable V: V:0 before the loop is INIT,
// "V/in" within an iteration, NEXT what it becomes, "V/end" behind the loop.
class Loop {
 public:
  Loop(GraphDef& graph, const std::string& frame) : graph_(graph), frame_(frame) {}
  Loop& enter(const std::string& name, const std::string& from) {
    graph_.add(TfNode("Enter", name, {from}).text("frame_name", frame_));
    return *this;
  }
  Loop& variable(const std::string& name, const std::string& init, const std::string& next) {
    enter(name + "/init", init);
    graph_.op("Merge", name, {name + "/init", name + "/next"})
        .op("Switch", name + "/switch", {name, frame_ + "/cond"})
        .op("Identity", name + "/in", {name + "/switch:1"})
        .op("NextIteration", name + "/next", {next})
        .op("Exit", name + "/end", {name + "/switch"});
    return *this;
  }
  Loop& condition(const std::string& from) {
    graph_.op("LoopCond", frame_ + "/cond", {from});
    return *this;
  }
  // while (NAME < LIMIT) NAME += 1
  Loop& count(const std::string& name, const std::string& limit) {
    graph_.integers(name + "/zero", {}, {0}).integers(name + "/one", {}, {1});
    graph_.op("Add", name + "/new", {name + "/in", name + "/one"});
    variable(name, name + "/zero", name + "/new").enter(name + "/limit", limit);
    graph_.op("Less", name + "/less", {name, name + "/limit"});
    return condition(name + "/less");
  }

 private:
  GraphDef& graph_;
  std::string frame_;
};

std::vector<std::vector<float>> run(const GraphDef& graph, const Tensor& x) {
  const Graph imported = import_graph_def(graph.bytes());
  std::vector<std::vector<float>> results;
  for (const Tensor& y : evaluate(imported, std::vector{x}, {.arithmetic = Arithmetic::Exact})) {
    results.push_back(values_of(y));
  }
  return results;
}

// h = h / 2 + x[t] for the three rows of x; y is the last h, all is every h.
GraphDef recurrence() {
  GraphDef graph;
  graph.placeholder("x", {3, 1, 2})
      .integers("three", {}, {3})
      .list("rows", {0, 1, 2})
      .reals("h0", {1, 2}, {0, 0})
      .reals("half", {}, {0.5F})
      .op("TensorArrayV3", "given", {"three"})
      .op("TensorArrayScatterV3", "fed", {"given", "rows", "x", "given:1"})
      .op("TensorArrayV3", "kept", {"three"});
  Loop(graph, "while")
      .count("t", "three")
      .enter("steps", "given")
      .enter("steps/flow", "fed")
      .enter("results", "kept")
      .variable("h", "h0", "h/new")
      .variable("flow", "kept:1", "flow/new");
  graph.op("TensorArrayReadV3", "now", {"steps", "t/in", "steps/flow"})
      .op("Mul", "decayed", {"h/in", "half"})
      .op("Add", "h/new", {"decayed", "now"})
      .op("TensorArrayWriteV3", "flow/new", {"results", "t/in", "h/new", "flow/in"})
      .op("TensorArrayGatherV3", "all", {"kept", "rows", "flow/end"})
      .op("Relu", "y", {"h/end"});
  return graph;
}

// 1 2; 0.5 + 3, 1 + 4; 1.75 + 5, 2.5 + 6.
TEST(TensorflowLoop, steps_of_a_tensor_array_are_unrolled) {
  const auto results = run(recurrence(), tensor_of({3, 1, 2}, {1, 2, 3, 4, 5, 6}));
  ASSERT_EQ(results.size(), 2U);  // the counter is a constant: no output
  EXPECT_EQ(results[0], (std::vector<float>{1, 2, 3.5F, 5, 6.75F, 8.5F}));
  EXPECT_EQ(results[1], (std::vector<float>{6.75F, 8.5F}));
}

// The same with TensorFlow 2's lists.
TEST(TensorflowLoop, steps_of_a_tensor_list_are_unrolled) {
  GraphDef graph;
  graph.placeholder("x", {3, 1, 2})
      .integers("three", {}, {3})
      .list("shape", {1, 2})
      .reals("h0", {1, 2}, {0, 0})
      .op("TensorListFromTensor", "given", {"x", "shape"})
      .op("TensorListReserve", "kept", {"shape", "three"});
  Loop(graph, "while")
      .count("t", "three")
      .enter("steps", "given")
      .variable("h", "h0", "h/new")
      .variable("list", "kept", "list/new");
  graph.op("TensorListGetItem", "now", {"steps", "t/in", "shape"})
      .op("Add", "h/new", {"h/in", "now"})
      .op("TensorListSetItem", "list/new", {"list/in", "t/in", "h/new"})
      .op("TensorListStack", "y", {"list/end", "shape"});
  const Graph imported = import_graph_def(graph.bytes());
  const Tensor x = tensor_of({3, 1, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(values_of(evaluate(imported, std::vector{x}).back()),
            (std::vector<float>{1, 2, 4, 6, 9, 12}));
}

// h is doubled 3 times in each of 2 iterations.
TEST(TensorflowLoop, loops_within_loops_are_unrolled) {
  GraphDef graph;
  graph.placeholder("x", {1, 1})
      .integers("two", {}, {2})
      .integers("three", {}, {3})
      .op("Relu", "positive", {"x"});
  Loop(graph, "outer").count("i", "two").variable("a", "positive", "b/end");
  Loop(graph, "inner").count("j", "three").variable("b", "a/in", "b/new");
  graph.op("Add", "b/new", {"b/in", "b/in"}).op("Neg", "y", {"a/end"});
  const auto results = run(graph, tensor_of({1, 1}, {1.5F}));
  EXPECT_EQ(results.back(), std::vector<float>{-1.5F * 64});
}

TEST(TensorflowLoop, a_loop_over_data_is_refused) {
  GraphDef graph;
  graph.placeholder("x", {1, 1}).reals("limit", {}, {10});
  Loop(graph, "while").variable("h", "x", "h/new").condition("small");
  graph.op("Add", "h/new", {"h/in", "h/in"}).op("Less", "small", {"h", "limit"});
  graph.op("Relu", "y", {"h/end"});
  const std::string error = import_error_of(graph.bytes());
  EXPECT_NE(error.find("loops and branches that depend on data are not supported"),
            std::string::npos)
      << error;
}

TEST(TensorflowLoop, a_loop_without_end_is_refused) {
  GraphDef graph;
  graph.placeholder("x", {1, 1}).integers("zero", {}, {0}).integers("one", {}, {1});
  graph.op("Less", "always", {"zero", "one"});
  Loop(graph, "while").variable("h", "x", "h/new").enter("forever", "always").condition("forever");
  graph.op("Identity", "h/new", {"h/in"}).op("Relu", "y", {"h/end"});
  const std::string error = import_error_of(graph.bytes());
  EXPECT_NE(error.find("expected loops that unroll to at most"), std::string::npos) << error;
}

TEST(TensorflowLoop, a_loop_without_a_condition_is_refused) {
  GraphDef graph;
  graph.placeholder("x", {1, 2})
      .op("Enter", "enter", {"x"})
      .op("Merge", "merge", {"enter", "next"})
      .op("NextIteration", "next", {"merge"})
      .op("Exit", "y", {"merge"});
  const std::string error = import_error_of(graph.bytes());
  EXPECT_NE(error.find("expected a loop with a LoopCond, found none"), std::string::npos) << error;
}

TEST(TensorflowLoop, an_array_is_no_operand_of_arithmetic) {
  GraphDef graph;
  graph.placeholder("x", {2, 2})
      .integers("two", {}, {2})
      .list("rows", {0, 1})
      .op("TensorArrayV3", "a", {"two"})
      .op("TensorArrayScatterV3", "fed", {"a", "rows", "x", "a:1"})
      .op("Relu", "y", {"fed"});
  EXPECT_EQ(import_error_of(graph.bytes()),
            "node 'y' (Relu): input 0: expected a tensor, found 'fed', an array of tensors");
}

TEST(TensorflowLoop, an_element_that_nothing_wrote_is_refused) {
  GraphDef graph;
  graph.placeholder("x", {2, 2})
      .integers("two", {}, {2})
      .integers("one", {}, {1})
      .op("TensorArrayV3", "a", {"two"})
      .op("TensorArrayReadV3", "r", {"a", "one", "a:1"})
      .op("Add", "y", {"r", "x"});
  EXPECT_EQ(import_error_of(graph.bytes()),
            "node 'r' (TensorArrayReadV3): expected an element that was written, found none");
}

}  // namespace
}  // namespace workbench::test

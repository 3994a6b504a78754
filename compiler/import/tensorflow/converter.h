// A TensorFlow graph on its way into an ONNX model: its nodes in order, what is known of each
// tensor, and the emission of ONNX nodes. Every function of the operator tables (ops_*.cpp) is
// written in terms of Op.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/import/input_sizes.h"
#include "compiler/import/model_builder.h"
#include "compiler/import/obstacles.h"
#include "compiler/import/tensorflow/arrangement.h"
#include "compiler/import/tensorflow/constant.h"
#include "compiler/import/tensorflow/graph_file.h"
#include "core/error.h"

namespace workbench::importer::tensorflow {

// The nodes of a GraphDef and their edges; control inputs are dropped.
struct Edge {
  int node = 0;
  int output = 0;
};
struct GraphNode {
  const wire::NodeDef* def = nullptr;
  std::string name;  // of the file; of a node of a loop with the number of the iteration
  std::vector<Edge> inputs;
  int readers = 0;  // edges from this node's outputs
  int frame = 0;    // the loop it belongs to: Converter::frames_
};

// The range that FakeQuant gives a constant; one for all or one per index of the last axis.
struct FakeQuant {
  Reals low, high;
  int bits = 8;
  bool narrow = false;  // the lowest code is not used
};

// Between SpaceToBatchND and BatchToSpaceND a tensor stands for the whole map, which a window with
// dilations reads. All lists are per dimension of the tensor.
struct Dilation {
  Integers block, pads_begin, pads_end;
  bool shared = false;              // what is within has readers beyond the BatchToSpaceND
  onnx::NodeProto* conv = nullptr;  // the ONNX node that has taken the padding, if one has
};

// One way in which a tensor is stored in the ONNX graph.
struct Form {
  std::string name;
  Arrangement arrangement;
};

// x cut at both ends.
struct Clipped {
  int value_id = 0;
  float low = 0, high = 0;
};

// An element of an array of tensors: a value, or one of its rows.
struct ArrayElement {
  int value_id = kUnwritten;
  std::optional<std::int64_t> row = {};
  static constexpr int kUnwritten = -1;
};

struct Value {
  std::string name;  // of the tensor in the file
  DataType type = DataType::Float;
  Shape shape;
  std::optional<Constant> constant;
  std::optional<FakeQuant> fake_quant;  // of a constant
  std::optional<Dilation> dilation;
  std::optional<Clipped> clipped;                  // what this is
  std::optional<std::vector<ArrayElement>> array;  // of a TensorArray's flow, or a TensorList
  std::vector<Form> forms;                         // the first is the one that was written
};

class Converter;

// One TensorFlow node whose operands are known.
class Op {
 public:
  Op(Converter& converter, int node);

  const std::string& name() const;
  const std::string& kind() const { return def_->op(); }
  int node() const { return node_; }

  // Throws Error "node 'NAME' (OP): ...".
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail("node '{}' ({}): {}", name(), kind(), fmt::format(format, std::forward<Args>(args)...));
  }

  // Attributes.
  const wire::AttrValue* find(std::string_view attribute) const;
  std::int64_t integer(std::string_view attribute, std::int64_t fallback) const;
  bool flag(std::string_view attribute, bool fallback) const;
  float real(std::string_view attribute, float fallback) const;
  std::string text(std::string_view attribute, const std::string& fallback) const;
  Integers integers(std::string_view attribute) const;  // empty when absent
  DataType type(std::string_view attribute, DataType fallback) const;
  // Channels last, unless data_format says that they are first.
  bool channels_last() const;

  // Operands.
  std::size_t input_count() const;
  const Value& value(std::size_t i) const;
  const Shape& shape(std::size_t i) const { return value(i).shape; }
  bool is_constant(std::size_t i) const;
  const Constant& constant(std::size_t i, std::string_view meaning) const;
  Integers constant_integers(std::size_t i, std::string_view meaning) const;
  std::int64_t constant_integer(std::size_t i, std::string_view meaning) const;
  float constant_real(std::size_t i, std::string_view meaning) const;
  std::size_t axis(std::int64_t axis, std::size_t rank) const;  // negative: from the back
  // The node that writes operand `i`, past nodes that only rename.
  Op writer(std::size_t i) const;
  int value_id(std::size_t i) const;
  // The same, or what else is known of it: operands of another node than the one that is read.
  int peek(std::size_t i) const;

  // Names of operands as stored; a form that does not exist yet is made.
  std::string stored(std::size_t i, const Arrangement& arrangement);
  std::string plain(std::size_t i);
  // How operand `i` is stored; plain for a constant.
  Arrangement arrangement(std::size_t i) const;
  // How an operator whose result has `rank` dimensions, and which works on any order, takes its
  // operands.
  Arrangement preferred(std::size_t rank) const;
  int readers() const;
  bool is_output() const;
  std::string initializer(const std::string& suffix, const Constant& constant);

  // Results.
  // Appends an ONNX node that writes output `output`, of `shape` and stored as `arrangement`.
  onnx::NodeProto& emit(const std::string& onnx_op, const std::vector<std::string>& inputs,
                        const Shape& shape, const Arrangement& arrangement, int output = 0);
  // One whose result only this TensorFlow node reads; returns its name. `attributes` in builder().
  std::string step(const std::string& onnx_op, const std::vector<std::string>& inputs);
  // Of results from now on. Default: operand 0's.
  void set_type(DataType type) { type_ = type; }
  void bind(int output, int value_id);
  void bind_constant(int output, Constant constant);
  Value& result(int output = 0);
  ModelBuilder& builder();
  Converter& converter() { return *converter_; }

 private:
  Converter* converter_;
  int node_;
  const wire::NodeDef* def_;
  std::optional<DataType> type_;
};

struct Rule {
  std::string_view name;
  void (*convert)(Op&);
  bool within_dilation = false;  // also between SpaceToBatchND and BatchToSpaceND
  enum class Channels { Any, First } channels = Channels::Any;  // what a map should be stored as
};

// What a converter is told beside the graph.
struct Request {
  std::map<std::string, Shape> input_shapes = {};
  std::map<std::string, Shape> likely_shapes = {};  // of data, for what is open
  std::string input_node;                           // the first tensor; empty: the placeholders
};

class Converter {
 public:
  // `file` outlives the converter.
  Converter(const GraphFile& file, const std::string& name, const Request& request);

  // Reads every node. Obstacles are kept, not thrown.
  void run();
  // Throws Error that names every obstacle, with `hint` behind them.
  onnx::ModelProto finish(const std::string& hint = "");
  // After run(): what stands in the way, what it cost in nodes, and how many were read without.
  const Obstacles& obstacles() const { return obstacles_; }
  std::int64_t work() const;
  std::int64_t progress() const { return nodes_before_obstacle_; }
  // After run(): the shape of a tensor, where it is known.
  std::optional<Shape> shape_of(int node) const;
  std::optional<int> find_node(const std::string& tensor) const;
  std::size_t node_count() const { return nodes_.size(); }
  // Placeholders whose sizes nothing gives, with what is declared of them.
  struct OpenInput {
    int node = 0;
    DataType type = DataType::Float;
    std::optional<Shape> declared;
  };
  const std::vector<OpenInput>& open_inputs() const { return open_inputs_; }
  const std::vector<GraphNode>& nodes() const { return nodes_; }

  // For Op.
  const GraphNode& node(int index) const { return nodes_[static_cast<std::size_t>(index)]; }
  const Value& value(int id) const { return values_[static_cast<std::size_t>(id)]; }
  Value& value(int id) { return values_[static_cast<std::size_t>(id)]; }
  int operand(int node, std::size_t i) const;
  int result(int node, int output) const;
  std::string stored(int value_id, const Arrangement& arrangement);
  int add_value(Value value);
  void set_result(int node, int output, int value_id);
  std::string tensor_name(int node, int output) const;
  // A name for a value of the ONNX graph: `wanted`, or one like it where that is taken. The names
  // of the network's outputs are kept for them.
  std::string claim(const std::string& wanted);
  // Writes an initializer; returns its name.
  std::string initializer(const std::string& wanted, const Constant& constant);
  // Counts elements of constants; throws Error where a file makes more of them than its size
  // explains.
  void charge(std::int64_t elements);
  bool is_output(int node) const { return outputs_.contains(node); }
  // Whether a window that wants its channels first reads this node's result, as it is or after
  // operators that work on any order.
  bool feeds_window(int node) const { return feeds_window_[static_cast<std::size_t>(node)]; }
  ModelBuilder& builder() { return builder_; }

 private:
  void read_nodes();
  Edge edge_to(const std::string& input, const std::string& reader) const;
  void find_outputs();
  std::vector<int> reachable() const;
  // Nodes that are converted together, each group's operands before it, otherwise as in the file.
  using Groups = std::vector<std::vector<int>>;
  Groups order(const std::vector<int>& nodes, int frame, bool whole_loops);
  bool is_back_edge(int node, const Edge& edge) const;
  int group_of(int node, int frame) const;
  bool is_within(int frame, int outer) const;
  int depth_of(int frame) const;
  int frame_around(int node);
  void nest(int node, int frame, int around);
  void find_frames(const Groups& ordered);
  void convert_all(const std::vector<int>& nodes, int frame);
  void unroll(const std::vector<int>& loop, int frame);
  std::map<int, int> next_iteration(const std::vector<int>& loop, int frame, std::int64_t iteration,
                                    const std::map<int, int>& before);
  std::optional<bool> condition(const std::vector<int>& loop, int frame,
                                const std::map<int, int>& iteration);
  void leave(const std::vector<int>& loop, int frame, const std::map<int, int>* last);
  void find_windows(const Groups& ordered);
  void convert_node(int node);
  bool note_unsupported(int node);
  void add_obstacle(int node, std::string_view message);
  void convert_known(int node);
  bool convert_branch(int node);
  bool convert_input(int node);
  void make_input(int node, DataType type, std::optional<Shape> shape);
  std::optional<Shape> declared_shape(int node) const;
  std::optional<Shape> shape_behind_front_end(int node) const;
  void mark(int node, int state);
  void write_output(int node, int output);
  std::string make_form(int value_id, const Arrangement& arrangement);
  std::string write_constant(int value_id, const Arrangement& arrangement);
  std::string write_codes(const Value& value, const std::string& name,
                          const Arrangement& arrangement);

  const GraphFile& file_;
  Request request_;
  ModelBuilder builder_;
  std::vector<GraphNode> nodes_;
  std::map<std::string, int, std::less<>> by_name_;
  std::vector<Value> values_;
  std::vector<std::vector<int>> results_;  // [node][output]: a value or one of the states below
  std::vector<bool> feeds_window_;
  std::set<int> outputs_;
  std::vector<Edge> output_order_;
  std::set<std::string> kept_names_;
  std::int64_t elements_left_ = 0;
  std::optional<int> input_node_;
  std::vector<OpenInput> open_inputs_;
  std::set<std::string> shapes_used_;
  Obstacles obstacles_;
  std::int64_t elements_allowed_ = 0, nodes_read_ = 0, nodes_before_obstacle_ = 0;
  // Loops, each within another one; the first is the graph itself.
  struct Frame {
    int parent = 0;
  };
  std::vector<Frame> frames_{Frame{}};
  std::int64_t unrolled_ = 0;  // nodes of iterations
};

// States of a tensor that has no value.
inline constexpr int kUnknown = -1;   // an obstacle lies before it
inline constexpr int kDead = -2;      // a text, or on the branch that is not taken
inline constexpr int kFrontEnd = -3;  // made from strings, files or sound

// The rows of each family.
std::span<const Rule> elementwise_rules();
std::span<const Rule> movement_rules();
std::span<const Rule> window_rules();
std::span<const Rule> reduction_rules();
std::span<const Rule> constant_rules();
std::span<const Rule> quantize_rules();
std::span<const Rule> array_rules();

// Results of `op`, whose operands are all constants; nullopt for an operator that is not computed
// at import.
std::optional<std::vector<Constant>> fold(const Op& op);

// Why an operator cannot be in a network that is compiled; empty for all others.
std::string_view refusal(std::string_view op);

// What one family has for another.

// Output `output` is row `row` of a value, without its first dimension.
void bind_row(Op& op, int value_id, std::int64_t row, int output);

// Output `output` is `value_id` in another shape of the same elements.
void reshape(Op& op, int value_id, const Shape& shape, int output = 0);
// The ONNX name of operand `i`, arranged so that it broadcasts to a result of `rank` dimensions.
std::string broadcast_operand(Op& op, std::size_t i, std::size_t rank,
                              const Arrangement& arrangement);
// Output 0 is an ONNX operator of operand 0 that works on each element alone.
onnx::NodeProto& emit_unary(Op& op, const std::string& onnx_op,
                            const std::vector<std::string>& more = {});

}  // namespace workbench::importer::tensorflow

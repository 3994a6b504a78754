// The Graph in the making, and what the names of the file stand for on the way.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "compiler/import/names.h"
#include "compiler/import/obstacles.h"
#include "compiler/import/tensor_proto.h"
#include "core/graph.h"

namespace workbench::importer {

// The file behind an import, which may read it several times (input_sizes.h).
struct Source {
  onnx::ModelProto model;
  TensorSource tensors;
  // Functions of the model by domain, name and overload, and bodies from ONNX's own library, made
  // when they are first asked for.
  std::map<std::string, onnx::FunctionProto*> functions = {};
  std::deque<onnx::FunctionProto> bodies = {};
};

// What a name stands for.
struct Binding {
  enum class Kind {
    Value,
    Sequence,  // of tensors: how many and which is known at import
    Absent,    // a function's operand that its call leaves out
    Unknown,   // the result of a node that was refused
  };
  Kind kind = Kind::Value;
  ValueId id = kNoValue;
  std::vector<ValueId> elements = {};
};

// The names of one graph, branch or function body.
struct Scope {
  const Scope* around = nullptr;  // a branch sees the names around it, a function does not
  std::int64_t opset = 0;
  std::string prefix = {};  // of what the Graph calls values and nodes: "NODE/"; the graph itself
                            // has none
  std::unordered_map<std::string, Binding> names = {};
  std::unordered_set<std::string> read = {};  // names that anything depends on
  // Results that the Graph calls as the node around does.
  std::unordered_map<std::string, std::string> visible = {};
  // Of the call of a function: what `ref_attr_name` refers to.
  std::unordered_map<std::string, onnx::AttributeProto*> attributes = {};

  const Binding* find(const std::string& name) const;  // nullptr: nothing was bound to it
};

struct ImportState {
  Source& source;
  Graph graph = {};
  Scope* scope = nullptr;
  Names value_names = {}, node_names = {};  // taken, now or later in the file
  std::map<ValueId, int> narrow = {};       // values whose codes have fewer bits than their type
  Obstacles obstacles = {};
  std::int64_t patience = 0;  // nodes are read until more than so many were refused
  bool may_be_empty = false;  // what the node at hand moves is folded, be it no element
  int depth = 0;              // of branches and function bodies around
  std::int64_t nodes_read = 0;
  std::int64_t inner_nodes = 0;            // those of branches and function bodies among them
  std::int64_t nodes_before_obstacle = 0;  // read until the first was refused
  std::vector<std::string> notes = {};
  std::int64_t made_static = 0;     // operators that quantize by what they read at run time
  std::int64_t computed_bytes = 0;  // of constants that are in no file

  // What the Graph calls the value `name` of the current scope; takes it.
  std::string graph_name(const std::string& name);
  void bind(const std::string& name, Binding binding);
  void bind(const std::string& name, ValueId id) { bind(name, Binding{.id = id}); }
};

// A hostile file must not make us fill memory: what an import computes is no larger.
inline constexpr std::int64_t kMaxComputedBytes = std::int64_t{1} << 30;

// Reads the nodes that `wanted` depends on into the Graph; `scope` has the names that are there
// without them. What is refused is an obstacle, and its results are unknown.
void read_nodes(google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes,
                const std::vector<std::string>& wanted, Scope& scope, ImportState& state);

// Binds the initializers of a graph or branch in the current scope.
void read_initializers(onnx::GraphProto& proto, ImportState& state);

// The version of the standard's operators that a list of imports names.
std::int64_t standard_opset(
    const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports,
    std::int64_t fallback);

bool is_standard(std::string_view domain);  // "" or its alias "ai.onnx"

}  // namespace workbench::importer

#include "compiler/import/function_call.h"

#include <google/protobuf/unknown_field_set.h>
#include <onnx/defs/schema.h>

#include <algorithm>
#include <utility>

namespace workbench::importer {

namespace {

// Fields of onnx.proto that came after Debian's version 1.12.
constexpr int kFunctionAttributes = 11, kFunctionOverload = 13, kNodeOverload = 8;

// The field as bytes, where a parser that does not know it has put it.
std::vector<std::string> unknown_texts(const google::protobuf::Message& message, int field) {
  const google::protobuf::UnknownFieldSet& fields =
      message.GetReflection()->GetUnknownFields(message);
  std::vector<std::string> texts;
  for (int i = 0; i < fields.field_count(); ++i) {
    const google::protobuf::UnknownField& found = fields.field(i);
    if (found.number() == field &&
        found.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
      texts.push_back(found.length_delimited());
    }
  }
  return texts;
}

std::string key_of(const std::string& domain, const std::string& name,
                   const std::vector<std::string>& overload) {
  return fmt::format("{}::{}:{}", domain == "ai.onnx" ? "" : domain, name,
                     overload.empty() ? "" : overload.back());
}

// Attributes with default values become part of the function as Debian's onnx.proto has it: what a
// call may refer to by name.
using Defaults = std::map<std::string, onnx::AttributeProto>;

Defaults defaults_of(const onnx::FunctionProto& function) {
  Defaults defaults;
  for (const std::string& bytes : unknown_texts(function, kFunctionAttributes)) {
    onnx::AttributeProto attribute;
    if (attribute.ParseFromString(bytes)) defaults[attribute.name()] = attribute;
  }
  return defaults;
}

onnx::TypeProto type_of(const NodeReader& node, std::size_t i) {
  onnx::TypeProto type;
  if (!node.has_input(i)) return type;
  auto& tensor = *type.mutable_tensor_type();
  tensor.set_elem_type(onnx_type(node.value(i).type));
  for (const std::int64_t size : node.shape(i)) {
    tensor.mutable_shape()->add_dim()->set_dim_value(size);
  }
  return type;
}

// What the call leaves out has the value that the operator's definition gives it.
onnx::NodeProto with_defaults(const NodeReader& node, const onnx::OpSchema& schema) {
  onnx::NodeProto proto = node.proto();
  proto.clear_attribute();
  for (const auto& [name, attribute] : node.attributes()) {
    *proto.add_attribute() = *attribute;
    proto.mutable_attribute()->rbegin()->set_name(name);
  }
  for (const auto& [name, attribute] : schema.attributes()) {
    if (!node.has(name) && attribute.default_value.has_type()) {
      *proto.add_attribute() = attribute.default_value;
    }
  }
  return proto;
}

// Values for what the body refers to become part of it: it serves this one call.
void set_attributes(onnx::FunctionProto& body, const onnx::NodeProto& node) {
  for (onnx::NodeProto& inner : *body.mutable_node()) {
    for (onnx::AttributeProto& attribute : *inner.mutable_attribute()) {
      if (attribute.ref_attr_name().empty()) continue;
      const auto given = std::ranges::find(node.attribute(), attribute.ref_attr_name(),
                                           &onnx::AttributeProto::name);
      if (given == node.attribute().end()) continue;
      const std::string name = attribute.name();
      attribute = *given;
      attribute.set_name(name);
    }
  }
}

onnx::FunctionProto* library_body(NodeReader& node) {
  constexpr std::int64_t kNewestInLibrary = 17;
  const auto version = static_cast<int>(std::min(node.opset(), kNewestInLibrary));
  const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(node.op(), version, "");
  if (schema == nullptr) return nullptr;
  onnx::FunctionProto body;
  const onnx::NodeProto proto = with_defaults(node, *schema);
  if (schema->HasFunction()) {
    body = *schema->GetFunction();
  } else if (schema->HasContextDependentFunction() && !node.any_unknown()) {
    std::vector<onnx::TypeProto> types;
    for (std::size_t i = 0; i < node.input_count(); ++i) types.push_back(type_of(node, i));
    const onnx::FunctionBodyBuildContextImpl context(proto, types);
    if (!schema->BuildContextDependentFunction(context, body)) return nullptr;
  } else {
    return nullptr;
  }
  if (body.opset_import_size() == 0) {
    body.add_opset_import()->set_version(schema->since_version());
  }
  set_attributes(body, proto);
  return &node.state().source.bodies.emplace_back(std::move(body));
}

Binding operand(const NodeReader& node, int i) {
  if (i >= node.proto().input_size() || node.proto().input(i).empty()) {
    return {.kind = Binding::Kind::Absent};
  }
  return *std::as_const(node).scope().find(node.proto().input(i));
}

// The node's outputs are called as the results of its body: `results` in order.
template <typename Name>
void bind_results(int count, const Name& result, const Scope& inner, NodeReader& node) {
  for (int i = 0; i < node.proto().output_size(); ++i) {
    if (node.proto().output(i).empty()) continue;
    const Binding* found = i < count ? inner.find(result(i)) : nullptr;
    if (found == nullptr) continue;  // unwanted, or more than there are
    node.state().bind(node.proto().output(i), *found);
  }
}

template <typename Name>
std::vector<std::string> wanted_results(int count, const Name& result, Scope& inner,
                                        NodeReader& node) {
  std::vector<std::string> wanted;
  for (int i = 0; i < std::min(count, node.proto().output_size()); ++i) {
    if (!node.wants_output(static_cast<std::size_t>(i))) continue;
    wanted.push_back(result(i));
    if (!inner.visible.contains(result(i))) {
      inner.visible[result(i)] = node.state().graph_name(node.proto().output(i));
    }
  }
  if (node.proto().output_size() > count) {
    node.refuse("expected at most {} outputs, found {}", count, node.proto().output_size());
  }
  return wanted;
}

}  // namespace

void index_functions(Source& source) {
  for (onnx::FunctionProto& function : *source.model.mutable_functions()) {
    const std::string key =
        key_of(function.domain(), function.name(), unknown_texts(function, kFunctionOverload));
    if (!source.functions.emplace(key, &function).second) {
      fail("function '{}' of domain '{}': expected one of this name, found two", function.name(),
           function.domain());
    }
  }
}

onnx::FunctionProto* find_function(NodeReader& node) {
  const onnx::NodeProto& proto = node.proto();
  const auto& functions = node.state().source.functions;
  const auto found =
      functions.find(key_of(proto.domain(), proto.op_type(), unknown_texts(proto, kNodeOverload)));
  if (found != functions.end()) return found->second;
  const bool in_library = is_standard(proto.domain()) && refusal(proto.op_type()).empty();
  return in_library ? library_body(node) : nullptr;
}

void call(onnx::FunctionProto& function, NodeReader& node) {
  ImportState& state = node.state();
  if (node.proto().input_size() > function.input_size()) {
    node.refuse("expected at most {} inputs, found {}", function.input_size(),
                node.proto().input_size());
  }
  Defaults defaults = defaults_of(function);
  Scope inner{.opset = standard_opset(function.opset_import(), node.opset()),
              .prefix = node.name() + "/"};
  for (auto& [name, attribute] : defaults) inner.attributes[name] = &attribute;
  for (const auto& [name, attribute] : node.attributes()) inner.attributes[name] = attribute;
  for (int i = 0; i < function.input_size(); ++i) {
    if (!inner.names.emplace(function.input(i), operand(node, i)).second) {
      node.refuse("function: expected one input '{}', found two", function.input(i));
    }
  }
  const auto result = [&](int i) -> const std::string& { return function.output(i); };
  const std::vector<std::string> wanted =
      wanted_results(function.output_size(), result, inner, node);
  read_nodes(*function.mutable_node(), wanted, inner, state);
  bind_results(function.output_size(), result, inner, node);
}

void read_branch(onnx::GraphProto& branch, NodeReader& node) {
  ImportState& state = node.state();
  if (branch.input_size() > 0) {
    node.refuse("branch: expected no inputs, found {}", branch.input_size());
  }
  Scope inner{.around = state.scope, .opset = node.opset(), .prefix = state.scope->prefix};
  inner.attributes = state.scope->attributes;
  const auto result = [&](int i) -> const std::string& { return branch.output(i).name(); };
  const std::vector<std::string> wanted = wanted_results(branch.output_size(), result, inner, node);
  Scope* const around = std::exchange(state.scope, &inner);
  const auto restored = [&] { state.scope = around; };
  try {
    read_initializers(branch, state);
  } catch (...) {
    restored();
    throw;
  }
  restored();
  read_nodes(*branch.mutable_node(), wanted, inner, state);
  bind_results(branch.output_size(), result, inner, node);
}

}  // namespace workbench::importer

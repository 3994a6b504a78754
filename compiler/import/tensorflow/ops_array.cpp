// Arrays of tensors, which loops read their steps from and write their results to: TensorArray of
// TensorFlow 1 and TensorList of TensorFlow 2. Nothing of them is left: an element is the tensor
// that was written. What passes from node to node is a TensorArray's flow, or the list itself.
#include <utility>

#include "compiler/import/tensorflow/converter.h"

namespace workbench::importer::tensorflow {

namespace {

using Elements = std::vector<ArrayElement>;

constexpr std::int64_t kMaxElementsOfArray = std::int64_t{1} << 16;

std::size_t array_size(const Op& op, std::int64_t size) {
  if (size < 0 || size > kMaxElementsOfArray) {
    op.refuse("expected an array of at most {} tensors, found {}", kMaxElementsOfArray, size);
  }
  return static_cast<std::size_t>(size);
}

void bind_array(Op& op, int output, Elements elements) {
  constexpr std::int64_t kElementsLikeOneHere = 16;
  op.converter().charge(kElementsLikeOneHere * static_cast<std::int64_t>(elements.size()));
  Value array{.name = op.name(), .type = DataType::Variant};
  array.array = std::move(elements);
  op.bind(output, op.converter().add_value(std::move(array)));
}

Elements array_of(const Op& op, std::size_t i) {
  const Value& value = op.value(i);
  if (!value.array) op.refuse("input {}: expected an array of tensors, found '{}'", i, value.name);
  return *value.array;
}

std::size_t index_of(const Op& op, std::int64_t index, std::size_t size) {
  if (index < 0 || static_cast<std::size_t>(index) >= size) {
    op.refuse("index: expected one of {} elements, found {}", size, index);
  }
  return static_cast<std::size_t>(index);
}

void bind_element(Op& op, const ArrayElement& element, int output) {
  if (element.value_id == ArrayElement::kUnwritten) {
    op.refuse("expected an element that was written, found none");
  }
  if (element.row) return bind_row(op, element.value_id, *element.row, output);
  op.bind(output, element.value_id);
}

// Each row of operand `i` where `indices` say, beyond that as many as the array has.
void scatter(const Op& op, std::size_t i, const Integers& indices, Elements& elements) {
  const Shape& x = op.shape(i);
  if (x.empty() || static_cast<std::int64_t>(indices.size()) != x[0]) {
    op.refuse("input {}: expected {} rows, one for each index, found {}", i, indices.size(),
              workbench::to_string(x));
  }
  for (std::size_t row = 0; row < indices.size(); ++row) {
    const std::size_t at = array_size(op, indices[row]);
    if (at >= elements.size()) elements.resize(at + 1);
    elements[at] = {op.value_id(i), static_cast<std::int64_t>(row)};
  }
}

Integers counting(std::int64_t count) {
  Integers values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(i);
  return values;
}

// Elements one upon the other along a new first dimension.
void bind_stack(Op& op, const Elements& elements) {
  if (elements.empty()) op.refuse("expected elements, found none");
  std::vector<std::string> parts;
  Shape part;
  constexpr int kSpare = 1;  // output 0 is the stack's, with its name
  for (const ArrayElement& element : elements) {
    bind_element(op, element, kSpare);
    const int id = op.converter().result(op.node(), kSpare);
    const Value& value = op.converter().value(id);
    if (value.array) op.refuse("expected elements that are tensors, found arrays of tensors");
    Shape shape = value.shape;
    shape.insert(shape.begin(), 1);
    if (!parts.empty() && shape != part) {
      op.refuse("expected elements of one shape, found {} and {}", workbench::to_string(part),
                workbench::to_string(shape));
    }
    part = shape;
    op.set_type(value.type);
    const std::string stored = op.converter().stored(id, plain(shape.size() - 1));
    parts.push_back(op.step("Reshape", {stored, op.builder().list(op.name() + "/shape", part)}));
  }
  op.bind(kSpare, kDead);
  part[0] = static_cast<std::int64_t>(elements.size());
  attribute(op.emit("Concat", parts, part, plain(part.size())), "axis", std::int64_t{0});
}

// TensorFlow 1: output 0 is a handle, which says nothing; output 1 the flow.
void convert_array(Op& op) {
  Elements elements(array_size(op, op.constant_integer(0, "size")));
  op.bind_constant(0, integer_list({0}, DataType::Int32));
  bind_array(op, 1, std::move(elements));
}

void convert_array_scatter(Op& op) {  // handle, indices, value, flow
  Elements elements = array_of(op, 3);
  scatter(op, 2, op.constant_integers(1, "indices"), elements);
  bind_array(op, 0, std::move(elements));
}

void convert_array_read(Op& op) {  // handle, index, flow
  const Elements elements = array_of(op, 2);
  bind_element(op, elements[index_of(op, op.constant_integer(1, "index"), elements.size())], 0);
}

void convert_array_write(Op& op) {  // handle, index, value, flow
  Elements elements = array_of(op, 3);
  const std::size_t at = array_size(op, op.constant_integer(1, "index"));
  if (at >= elements.size()) elements.resize(at + 1);
  elements[at] = {op.value_id(2)};
  bind_array(op, 0, std::move(elements));
}

void convert_array_gather(Op& op) {  // handle, indices, flow
  const Elements elements = array_of(op, 2);
  Elements chosen;
  for (const std::int64_t index : op.constant_integers(1, "indices")) {
    chosen.push_back(elements[index_of(op, index, elements.size())]);
  }
  bind_stack(op, chosen);
}

void bind_count(Op& op, std::size_t elements) {
  op.bind_constant(0, {.type = DataType::Int32,
                       .shape = {},
                       .values = Integers{static_cast<std::int64_t>(elements)}});
}

void convert_array_size(Op& op) { bind_count(op, array_of(op, 1).size()); }  // handle, flow

// TensorFlow 2.
void convert_list_reserve(Op& op) {  // element_shape, count
  bind_array(op, 0, Elements(array_size(op, op.constant_integer(1, "num_elements"))));
}

void convert_empty_list(Op& op) { bind_array(op, 0, {}); }

void convert_list_from_tensor(Op& op) {  // tensor, element_shape
  Elements elements;
  if (op.shape(0).empty()) op.refuse("input 0: expected rows, found one number");
  scatter(op, 0, counting(static_cast<std::int64_t>(array_size(op, op.shape(0)[0]))), elements);
  bind_array(op, 0, std::move(elements));
}

void convert_list_set(Op& op) {  // list, index, item
  Elements elements = array_of(op, 0);
  elements[index_of(op, op.constant_integer(1, "index"), elements.size())] = {op.value_id(2)};
  bind_array(op, 0, std::move(elements));
}

void convert_list_push(Op& op) {  // list, item
  Elements elements = array_of(op, 0);
  elements.push_back({op.value_id(1)});
  array_size(op, static_cast<std::int64_t>(elements.size()));
  bind_array(op, 0, std::move(elements));
}

void convert_list_get(Op& op) {  // list, index, element_shape
  const Elements elements = array_of(op, 0);
  bind_element(op, elements[index_of(op, op.constant_integer(1, "index"), elements.size())], 0);
}

void convert_list_stack(Op& op) { bind_stack(op, array_of(op, 0)); }
void convert_list_length(Op& op) { bind_count(op, array_of(op, 0).size()); }

constexpr Rule kRules[] = {
    {"EmptyTensorList", convert_empty_list},     {"TensorArrayGatherV3", convert_array_gather},
    {"TensorArrayReadV3", convert_array_read},   {"TensorArrayScatterV3", convert_array_scatter},
    {"TensorArraySizeV3", convert_array_size},   {"TensorArrayV3", convert_array},
    {"TensorArrayWriteV3", convert_array_write}, {"TensorListFromTensor", convert_list_from_tensor},
    {"TensorListGetItem", convert_list_get},     {"TensorListLength", convert_list_length},
    {"TensorListPushBack", convert_list_push},   {"TensorListReserve", convert_list_reserve},
    {"TensorListSetItem", convert_list_set},     {"TensorListStack", convert_list_stack},
};

}  // namespace

std::span<const Rule> array_rules() { return kRules; }

}  // namespace workbench::importer::tensorflow

// Shape arithmetic: what files compute from the sizes of tensors is known at import.
#include <algorithm>
#include <functional>
#include <numeric>

#include "compiler/import/tflite/converter.h"
#include "core/error.h"

namespace workbench::importer::tflite {

namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 16;  // numbers; no shape needs more
constexpr std::int64_t kFar = std::int64_t{1} << 31;   // keeps products in 64 bits

using Known = std::vector<Integral>;  // of all operands

// The result in the type that the file gives it.
void set_known(Step& step, const Shape& shape, const Integers& values) {
  const Type type = step.net.info(step.out()).type;
  Tensor tensor;
  if (type == Type::Int64) {
    tensor = Tensor::from<std::int64_t>(shape, values);
  } else if (type == Type::Int32) {
    tensor = Tensor::from<std::int32_t>(shape, {values.begin(), values.end()});
  } else if (type == Type::Float32) {
    std::vector<float> reals;
    for (const std::int64_t v : values) reals.push_back(static_cast<float>(v));
    tensor = Tensor::from<float>(shape, reals);
  } else {
    step.refuse("expected a result of whole numbers, found {}", type_name(type));
  }
  step.net.set_constant(step.out(), std::move(tensor));
}

std::int64_t divided(const Step& step, std::int64_t a, std::int64_t b, bool floors) {
  if (b == 0) step.refuse("expected a divisor other than 0");
  const std::int64_t quotient = a / b;
  return floors && a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::optional<std::int64_t> combined(const Step& step, std::int64_t a, std::int64_t b) {
  const std::string& name = step.op.name;
  if (name == "ADD") return a + b;
  if (name == "SUB") return a - b;
  if (name == "MUL") return a * b;
  if (name == "DIV") return divided(step, a, b, false);
  if (name == "FLOOR_DIV") return divided(step, a, b, true);
  if (name == "FLOOR_MOD") return a - b * divided(step, a, b, true);
  if (name == "MAXIMUM") return std::max(a, b);
  if (name == "MINIMUM") return std::min(a, b);
  return std::nullopt;
}

// Of two lists, or a list and a number.
bool fold_binary(Step& step, const Known& known) {
  if (known.size() != 2 || !combined(step, 1, 1)) return false;
  const Integral &a = known[0], &b = known[1];
  const Shape shape = step.broadcast(a.shape, b.shape);
  const auto count = static_cast<std::size_t>(element_count(shape));
  const auto fits = [&](const Integral& x) { return x.values.size() == 1 || x.shape == shape; };
  if (!fits(a) || !fits(b)) return false;
  Integers values;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t left = a.values[a.values.size() == 1 ? 0 : i];
    const std::int64_t right = b.values[b.values.size() == 1 ? 0 : i];
    if (std::abs(left) > kFar || std::abs(right) > kFar) {
      step.refuse("expected sizes below 2^31, found {} and {}", left, right);
    }
    values.push_back(*combined(step, left, right));
  }
  set_known(step, shape, values);
  return true;
}

bool fold_lists(Step& step, const Known& known) {
  const std::string& name = step.op.name;
  if (name != "PACK" && name != "CONCATENATION") return false;
  const bool packs = name == "PACK";
  Integers values;
  for (const Integral& list : known) {
    if (list.shape.size() != (packs ? 0U : 1U)) return false;
    values.insert(values.end(), list.values.begin(), list.values.end());
  }
  if (static_cast<std::int64_t>(values.size()) > kMost) return false;
  set_known(step, {static_cast<std::int64_t>(values.size())}, values);
  return true;
}

bool fold_gather(Step& step, const Known& known) {
  if (step.op.name != "GATHER" || known.size() != 2 || known[0].shape.size() != 1) return false;
  Integers values;
  for (const std::int64_t index : known[1].values) {
    if (index < 0 || index >= known[0].shape[0]) {
      step.refuse("input 1 (indices): expected values below {}, found {}", known[0].shape[0],
                  index);
    }
    values.push_back(known[0].values[static_cast<std::size_t>(index)]);
  }
  set_known(step, known[1].shape, values);
  return true;
}

bool fold_product(Step& step, const Known& known) {
  const auto* options = options_of<wire::Reducer>(step.op, wire::Options::Reducer);
  if (step.op.name != "REDUCE_PROD" || known.empty() || known[0].shape.size() != 1) return false;
  std::int64_t product = 1;
  for (const std::int64_t v : known[0].values) {
    if (std::abs(v) > kFar || std::abs(product) > kFar) step.refuse("expected sizes below 2^31");
    product *= v;
  }
  const bool keeps = options != nullptr && options->keep_dims();
  set_known(step, keeps ? Shape{1} : Shape{}, {product});
  return true;
}

bool fold_fill(Step& step, const Known& known) {
  if (step.op.name != "FILL" || known.empty()) return false;
  const Shape& shape = known[0].values;
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || size > kMost || (count *= size) > kMost) {
      step.refuse("input 0 (shape): expected at most {} elements, found {}", kMost,
                  to_string(shape));
    }
  }
  const Tensor number = step.net.real_constant(step.in(1));
  if (number.size() != 1) step.refuse("input 1: expected one number");
  if (number.type() == ElementType::Float32) {
    const std::vector<float> reals(static_cast<std::size_t>(count), number.values<float>()[0]);
    step.net.set_constant(step.out(), Tensor::from<float>(shape, reals));
  } else if (const auto whole = integral(number)) {
    set_known(step, shape, Integers(static_cast<std::size_t>(count), whole->values[0]));
  } else {
    return false;
  }
  return true;
}

bool fold_range(Step& step, const Known& known) {
  if (step.op.name != "RANGE" || known.size() != 3) return false;
  const std::int64_t begin = known[0].values.at(0), end = known[1].values.at(0),
                     by = known[2].values.at(0);
  if (by == 0 || std::abs(end) > kFar || std::abs(begin) > kFar) step.refuse("expected a range");
  Integers values;
  for (std::int64_t v = begin; by > 0 ? v < end : v > end; v += by) {
    values.push_back(v);
    if (static_cast<std::int64_t>(values.size()) > kMost) {
      step.refuse("expected at most {} numbers, found more", kMost);
    }
  }
  set_known(step, {static_cast<std::int64_t>(values.size())}, values);
  return true;
}

// One dimension of a list of sizes.
bool fold_slice(Step& step, const Known& known) {
  const bool strided = step.op.name == "STRIDED_SLICE";
  if ((!strided && step.op.name != "SLICE") || known[0].shape.size() != 1) return false;
  if (known.size() < 3 || known[1].values.size() != 1 || known[2].values.size() != 1) return false;
  const std::int64_t size = known[0].shape[0];
  std::int64_t begin = known[1].values[0], last = known[2].values[0];
  bool drop = false;
  if (strided) {
    const auto* o = options_of<wire::StridedSlice>(step.op, wire::Options::StridedSlice);
    if (known.size() != 4 || known[3].values.at(0) != 1 || o == nullptr) return false;
    if (o->new_axis_mask() != 0 || o->ellipsis_mask() != 0 || o->offset()) return false;
    drop = (o->shrink_axis_mask() & 1) != 0;
    begin = (o->begin_mask() & 1) != 0 ? 0 : begin < 0 ? begin + size : begin;
    last = (o->end_mask() & 1) != 0 ? size : last < 0 ? last + size : last;
    if (drop) last = begin + 1;
  } else {
    last = last == -1 ? size : begin + std::min(last, size);
  }
  begin = std::clamp<std::int64_t>(begin, 0, size);
  last = std::clamp<std::int64_t>(last, begin, size);
  const Integers values(known[0].values.begin() + begin, known[0].values.begin() + last);
  if (drop && values.empty()) step.refuse("expected an index below {}", size);
  set_known(step, drop ? Shape{} : Shape{last - begin}, values);
  return true;
}

bool fold_same(Step& step, const Known& known) {
  if (step.op.name != "CAST") return false;
  const Type type = step.net.info(step.out()).type;
  if (type != Type::Int32 && type != Type::Int64 && type != Type::Float32) return false;
  set_known(step, known[0].shape, known[0].values);
  return true;
}

}  // namespace

bool fold(Step& step) {
  if (step.op.name == "SHAPE" || step.op.name == "RANK") {
    const Shape& shape = step.shape(0);
    const auto rank = static_cast<std::int64_t>(shape.size());
    if (step.op.name == "RANK") {
      set_known(step, {}, {rank});
    } else {
      set_known(step, {rank}, shape);
    }
    return true;
  }
  Known known;
  for (std::size_t i = 0; i < step.inputs(); ++i) {
    const bool is_fill_value = step.op.name == "FILL" && i == 1;
    if (!step.has(i) || !step.net.is_constant(step.in(i))) return false;
    const auto numbers = step.net.integral(step.in(i));
    if (!numbers && !is_fill_value) return false;
    known.push_back(numbers.value_or(Integral{}));
  }
  if (known.empty()) return false;
  for (const auto& attempt : {fold_binary, fold_lists, fold_gather, fold_product, fold_fill,
                              fold_range, fold_slice, fold_same}) {
    if (attempt(step, known)) return true;
  }
  return false;
}

}  // namespace workbench::importer::tflite

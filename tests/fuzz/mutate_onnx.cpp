#include "tests/fuzz/mutate_onnx.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "compiler/import/export.h"
#include "tests/support/hostile_graph.h"
#include "tests/support/random_float_graph.h"

namespace workbench::fuzz {

namespace {

class Mutation {
 public:
  Mutation(onnx::GraphProto& graph, std::mt19937_64& random) : graph_(graph), random_(random) {}

  void once() {
    switch (random_() % 9) {
      case 0:
      case 1:
      case 2:
        return change_attribute();
      case 3:
        return reconnect();
      case 4:
        return swap_operators();
      case 5:
        return change_input_shape();
      case 6:
        return change_constant_shape();
      case 7:
        return change_constant();
      default:
        return change_node_list();
    }
  }

 private:
  int below(int end) {
    return end <= 0 ? 0 : static_cast<int>(random_() % static_cast<std::uint64_t>(end));
  }

  // Small numbers more often: others are refused at once.
  std::int64_t integer(std::int64_t before) {
    constexpr std::array<std::int64_t, 10> kSmall{0, 1, 2, 3, 4, 5, 7, 8, -1, -2};
    constexpr std::array<std::int64_t, 8> kOdd{
        16, 255, 4096, 65536, std::int64_t{1} << 31, std::int64_t{1} << 40, INT64_MAX, INT64_MIN};
    const auto kind = random_() % 8;
    if (kind < 4) return kSmall[random_() % kSmall.size()];
    if (kind < 6) return before + (random_() % 2 == 0 ? 1 : -1);
    return kOdd[random_() % kOdd.size()];
  }

  float real() {
    using Limits = std::numeric_limits<float>;
    constexpr std::array<float, 12> kReals{0,
                                           -0.0F,
                                           1,
                                           -1,
                                           0.5F,
                                           1e-6F,
                                           1e6F,
                                           Limits::max(),
                                           Limits::denorm_min(),
                                           Limits::infinity(),
                                           -Limits::infinity(),
                                           Limits::quiet_NaN()};
    return kReals[random_() % kReals.size()];
  }

  onnx::NodeProto* node() {
    return graph_.node_size() == 0 ? nullptr : graph_.mutable_node(below(graph_.node_size()));
  }

  void change_attribute() {
    onnx::NodeProto* of = node();
    for (int tries = 0; tries < 8 && of != nullptr && of->attribute_size() == 0; ++tries) {
      of = node();
    }
    if (of == nullptr || of->attribute_size() == 0) return;
    const int number = below(of->attribute_size());
    onnx::AttributeProto& attribute = *of->mutable_attribute(number);
    if (random_() % 10 == 0) {
      of->mutable_attribute()->DeleteSubrange(number, 1);
    } else if (attribute.ints_size() > 0) {
      const int i = below(attribute.ints_size());
      attribute.set_ints(i, integer(attribute.ints(i)));
      if (random_() % 12 == 0) attribute.mutable_ints()->RemoveLast();
    } else if (attribute.has_i()) {
      attribute.set_i(integer(attribute.i()));
    } else if (attribute.has_f()) {
      attribute.set_f(real());
    }
  }

  std::string some_value() {
    std::vector<std::string> names{""};
    for (const auto& one : graph_.node()) {
      names.insert(names.end(), one.output().begin(), one.output().end());
    }
    for (const auto& one : graph_.input()) names.push_back(one.name());
    for (const auto& one : graph_.initializer()) names.push_back(one.name());
    return names[random_() % names.size()];
  }

  void reconnect() {
    onnx::NodeProto* of = node();
    if (of == nullptr || of->input_size() == 0) return;
    const int at = below(of->input_size());
    if (random_() % 6 == 0) {
      of->mutable_input()->DeleteSubrange(at, 1);
    } else {
      of->set_input(at, some_value());
    }
  }

  void swap_operators() {
    onnx::NodeProto *a = node(), *b = node();
    if (a == nullptr) return;
    const std::string type = a->op_type();
    a->set_op_type(b->op_type());
    b->set_op_type(type);
  }

  void change_input_shape() {
    if (graph_.input_size() == 0) return;
    auto& type = *graph_.mutable_input(below(graph_.input_size()))->mutable_type();
    auto& shape = *type.mutable_tensor_type()->mutable_shape();
    if (shape.dim_size() == 0) return;
    auto& dim = *shape.mutable_dim(below(shape.dim_size()));
    dim.set_dim_value(integer(dim.dim_value()));
  }

  onnx::TensorProto* constant() {
    const int count = graph_.initializer_size();
    return count == 0 ? nullptr : graph_.mutable_initializer(below(count));
  }

  // Another shape of as many elements, or of others than there are bytes.
  void change_constant_shape() {
    onnx::TensorProto* const tensor = constant();
    if (tensor == nullptr || tensor->dims_size() == 0) return;
    const int i = below(tensor->dims_size()), j = below(tensor->dims_size());
    if (random_() % 2 == 0) {
      const std::int64_t dim = tensor->dims(i);
      tensor->set_dims(i, tensor->dims(j));
      tensor->set_dims(j, dim);
    } else {
      tensor->set_dims(i, integer(tensor->dims(i)));
    }
  }

  void change_constant() {
    onnx::TensorProto* const tensor = constant();
    if (tensor == nullptr) return;
    if (tensor->float_data_size() > 0) {
      tensor->set_float_data(below(tensor->float_data_size()), real());
      return;
    }
    std::string& raw = *tensor->mutable_raw_data();
    if (raw.size() < sizeof(float)) return;
    const float value = real();
    const std::size_t at = random_() % (raw.size() / sizeof(float)) * sizeof(float);
    std::copy_n(reinterpret_cast<const char*>(&value), sizeof value, raw.data() + at);
  }

  void change_node_list() {
    if (graph_.node_size() == 0) return;
    const int at = below(graph_.node_size());
    if (random_() % 2 == 0) {
      graph_.mutable_node()->SwapElements(at, below(graph_.node_size()));
    } else {
      graph_.mutable_node()->DeleteSubrange(at, 1);
    }
  }

  onnx::GraphProto& graph_;
  std::mt19937_64& random_;
};

}  // namespace

std::string random_onnx(std::mt19937_64& random) {
  const std::uint64_t seed = random() % 100'000;
  return export_onnx_bytes(random() % 4 == 0 ? hostile_graph(seed) : random_float_graph(seed));
}

std::string mutated_onnx(const std::string& bytes, std::mt19937_64& random) {
  onnx::ModelProto model;
  if (!model.ParseFromString(bytes)) return bytes;
  Mutation mutation(*model.mutable_graph(), random);
  const auto changes = 1 + random() % 3;
  for (std::uint64_t i = 0; i < changes; ++i) mutation.once();
  return model.SerializeAsString();
}

}  // namespace workbench::fuzz

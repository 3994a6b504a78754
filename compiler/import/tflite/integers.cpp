#include "compiler/import/mapped_file.h"
#include "compiler/import/names.h"
#include "compiler/import/tensor_proto.h"
#include "compiler/import/tflite/constants.h"
#include "compiler/import/tflite/reference.h"
#include "compiler/import/tflite_integers.h"
#include "core/error.h"

namespace workbench {

namespace {

template <typename Use>
auto with_file(const std::filesystem::path& model, const Use& use) {
  const importer::MappedFile mapped(model);
  try {
    if (!importer::tflite::has_identifier(mapped.bytes())) {
      fail("expected a TensorFlow Lite file, whose integers are in it");
    }
    return use(importer::tflite::read_file(mapped.bytes()));
  } catch (const Error& error) {
    fail("{}: {}", model.string(), importer::one_line(error.what()));
  }
}

}  // namespace

Graph tflite_interface(const std::filesystem::path& model) {
  return with_file(model, [](const importer::tflite::File& file) {
    Graph graph{.name = importer::one_line(file.name)};
    const auto add = [&](int id) {
      const importer::tflite::TensorInfo& tensor = file.tensor(id);
      const auto type = importer::tflite::number_type(tensor.type);
      if (!type) {
        fail("tensor '{}': expected numbers, found {}", tensor.name,
             importer::tflite::type_name(tensor.type));
      }
      constexpr std::int64_t kMost = std::int64_t{1} << 28;
      importer::check_shape(tensor.shape, fmt::format("tensor '{}'", tensor.name));
      if (element_count(tensor.shape) > kMost) {
        fail("tensor '{}': expected at most {} elements, found {}", tensor.name, kMost,
             to_string(tensor.shape));
      }
      return graph.add_value(
          {.name = importer::one_line(tensor.name), .shape = tensor.shape, .type = *type});
    };
    for (const int id : file.inputs) graph.inputs.push_back(add(id));
    for (const int id : file.outputs) graph.outputs.push_back(add(id));
    return graph;
  });
}

std::vector<Tensor> evaluate_tflite(const std::filesystem::path& model,
                                    const std::vector<Tensor>& inputs, bool rounds_twice) {
  using importer::tflite::Rescaling;
  return with_file(model, [&](const importer::tflite::File& file) {
    return evaluate_reference(file, inputs,
                              rounds_twice ? Rescaling::RoundsTwice : Rescaling::RoundsOnce);
  });
}

}  // namespace workbench

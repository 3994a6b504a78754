#include <string>
#include <utility>

#include "compiler/import/front_end.h"
#include "compiler/import/names.h"
#include "compiler/import/tensor_proto.h"
#include "compiler/import/tensorflow/converter.h"
#include "compiler/import/tensorflow/graph_file.h"
#include "compiler/import/tensorflow/open_sizes.h"
#include "core/error.h"

namespace workbench::importer {

namespace tensorflow {

namespace {

// The first tensor's shape where the nodes before it say it.
void find_input_node_shape(const GraphFile& file, const std::string& name, Request& request) {
  Request whole = request;
  whole.input_node.clear();
  Converter probe(file, name, whole);
  const auto node = probe.find_node(request.input_node);
  if (!node) return;
  const std::string& key = probe.nodes()[static_cast<std::size_t>(*node)].name;
  if (request.input_shapes.contains(key)) return;
  probe.run();
  if (const auto shape = probe.shape_of(*node)) request.input_shapes[key] = *shape;
}

onnx::ModelProto convert(const GraphFile& file, const std::string& name, Request request) {
  if (!request.input_node.empty()) find_input_node_shape(file, name, request);
  Converter converter(file, name, request);
  converter.run();
  if (converter.open_inputs().empty()) return converter.finish();
  InputSizes sizes = input_sizes_of(converter, request.likely_shapes);
  const auto with = [&](const InputShapes& shapes) {
    Request whole = request;
    whole.input_shapes.insert(shapes.begin(), shapes.end());
    return whole;
  };
  fitting_sizes(sizes, static_cast<std::int64_t>(converter.node_count()),
                [&](const InputShapes& shapes, std::int64_t) {
                  Converter trial(file, name, with(shapes));
                  trial.run();
                  return Attempt{.obstacles = trial.obstacles(),
                                 .work = trial.work(),
                                 .progress = trial.progress()};
                });
  Converter fitted(file, name, with(sizes.shapes()));
  fitted.run();
  for (const std::string& note : sizes.notes()) fitted.builder().remark(note);
  return fitted.finish(sizes.hint());
}

onnx::ModelProto read(const std::filesystem::path& path, std::string_view bytes,
                      const ImportOptions& options) {
  try {
    const GraphFile file = parse(bytes);
    return convert(file, path.stem().string(),
                   {.input_shapes = options.input_shapes,
                    .likely_shapes = options.likely_shapes,
                    .input_node = options.input_node});
  } catch (const Error& error) {
    fail("{}: {}", path.string(), one_line(error.what()));
  }
}

}  // namespace

}  // namespace tensorflow

const FrontEnd kTensorFlow{.format = "TensorFlow",
                           .recognises = tensorflow::recognises,
                           .read = tensorflow::read,
                           .takes_input_node = true};

}  // namespace workbench::importer

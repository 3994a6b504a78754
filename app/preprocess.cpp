// workbench preprocess: the steps by which images become input of a network, as a file beside it;
// an image that went through them, as an array.
#include "app/commands.h"
#include "app/terminal.h"
#include "core/error.h"
#include "core/file.h"
#include "data/arrays.h"
#include "data/image.h"
#include "explore/flow/inputs.h"

namespace workbench::app {

namespace {

Preprocessing steps_for(const Graph& graph, const PreprocessCommandOptions& options) {
  const auto file = preprocessing_file(options.model.name, options.preprocess);
  const Preprocessing known =
      file.empty() ? example_preprocessing(graph) : read_preprocessing(file);
  const Preprocessing steps = with_options(known, options.steps);
  const Shape& shape = graph.value(graph.inputs.at(0)).shape;
  if (shape_after(steps) != shape) {
    fail("{}: expected steps that make its input {}, found dims {} and transpose {}",
         options.model.name, to_string(shape), to_string(steps.dims), to_string(steps.transpose));
  }
  return steps;
}

}  // namespace

int preprocess(const PreprocessCommandOptions& options) {
  const auto beside = preprocessing_beside(options.model.name);
  std::error_code ignored;
  if (options.write && is_zoo(options.model)) {
    fail("--write: expected a network in a file, found {}", options.model.name);
  }
  if (options.write && !options.force && std::filesystem::exists(beside, ignored)) {
    fail("{}: is there already; --force writes over it", beside.string());
  }
  if (options.image.empty() != options.output.empty()) {
    fail("expected both --input IMAGE and -o FILE.npy, found one of them");
  }
  require_writable_file(options.output);
  const Graph graph = load_model(options.model);
  if (graph.inputs.size() != 1) {
    fail("{}: expected a network of one input, found {}", options.model.name, graph.inputs.size());
  }
  const Preprocessing steps = steps_for(graph, options);
  if (!options.image.empty()) {
    const std::string name = options.image.string();
    const Image image = decode_image(read_file(options.image), steps.dims[0], name);
    write_file(options.output, npy_bytes(preprocess(image, steps, name)));
  }
  if (options.write) {
    write_file(beside, preprocessing_text(steps));
    print(fmt::format("wrote {}: check its steps against those that the network was trained with\n",
                      beside.string()));
  } else {
    print(preprocessing_text(steps));
  }
  return 0;
}

}  // namespace workbench::app

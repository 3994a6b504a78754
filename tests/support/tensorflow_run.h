// Imports the bytes of a GraphDef and evaluates it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "compiler/import/import.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "tests/support/graph_def.h"
#include "tests/support/temporary_folder.h"

namespace workbench::test {

inline Graph import_graph_def(const std::string& bytes, const ImportOptions& options = {}) {
  const TemporaryFolder folder;
  return import_model(folder.write("graph.pb", bytes), options);
}

// What the import says, without the file's name.
inline std::string import_error_of(const std::string& bytes, const ImportOptions& options = {}) {
  try {
    import_graph_def(bytes, options);
  } catch (const Error& error) {
    const std::string text = error.what();
    return text.substr(text.find(".pb: ") + 5);
  }
  return "";
}

// The only output, exactly evaluated.
inline Tensor run_graph_def(const std::string& bytes, const std::vector<Tensor>& inputs,
                            const ImportOptions& options = {}) {
  const Graph graph = import_graph_def(bytes, options);
  return evaluate(graph, inputs, {.arithmetic = Arithmetic::Exact, .threads = 1}).at(0);
}

inline std::vector<float> values_of(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

inline Tensor tensor_of(const Shape& shape, const std::vector<float>& values) {
  return Tensor::from<float>(shape, values);
}

}  // namespace workbench::test

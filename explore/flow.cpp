#include "explore/flow.h"

#include <algorithm>
#include <set>

#include "compiler/import/export.h"
#include "core/eval/evaluate.h"

namespace workbench {

namespace {

std::set<std::string> computed_names(const Graph& graph) {
  std::set<std::string> names;
  for (const Value& value : graph.values) {
    if (!value.constant) names.insert(value.name);
  }
  return names;
}

}  // namespace

Measured measure(const Graph& imported, const Graph& passed, const RunData& data, int bits,
                 bool keep_reference) {
  const std::set<std::string> names = computed_names(passed);
  Measured measured;
  const auto keep = [&](ValueId id, const Tensor& tensor) {
    const std::string& name = imported.value(id).name;
    if (names.contains(name)) measured.reference.insert_or_assign(name, tensor);
  };
  const auto wanted = [&](const Value& value) { return names.contains(value.name); };
  const bool by_product = keep_reference && data.input_is_last_sample;
  measured.thresholds =
      calibrate(imported, data.calibration, bits,
                by_product ? keep : std::function<void(ValueId, const Tensor&)>(), wanted);
  if (keep_reference && !by_product) evaluate(imported, data.input, {.observe = keep});

  const auto missing = [&](const Value& value) {
    return value.type == ElementType::Float32 && !value.constant &&
           !measured.thresholds.contains(value.name);
  };
  if (std::any_of(passed.values.begin(), passed.values.end(), missing)) {
    measured.thresholds.merge(calibrate(passed, data.calibration, bits, {}, missing));
  }
  return measured;
}

NamedTensors reference_values(const Graph& imported, const Graph& passed,
                              std::span<const Tensor> input) {
  const std::set<std::string> names = computed_names(passed);
  NamedTensors reference;
  evaluate(imported, input, {.observe = [&](ValueId id, const Tensor& tensor) {
             const std::string& name = imported.value(id).name;
             if (names.contains(name)) reference.insert_or_assign(name, tensor);
           }});
  return reference;
}

Graph integers_by_recipe(const Graph& imported, const Graph& prepared, const RunData& data,
                         const CompileRequest& request, const QuantizeTarget& target,
                         Compiled& compiled, const Progress& progress) {
  const Recipe recipe = request.scheme == "default" ? default_recipe(target.name, request.effort)
                                                    : recipe_named(request.scheme);
  const Stopwatch stopwatch(compiled.wall.calibrate_seconds);
  if (request.keep_reference) {
    compiled.reference = reference_values(imported, prepared, data.input);
  }
  Annotated annotated = apply_recipe(prepared, in_memory(data.calibration), recipe, target,
                                     [&](std::string_view stage, double fraction) {
                                       if (progress) progress(stage, 0.1 + 0.2 * fraction);
                                     });
  compiled.notes.insert(compiled.notes.end(), annotated.notes.begin(), annotated.notes.end());
  return target.lower(annotated.graph);
}

void save_optimized(const Graph& passed, const std::filesystem::path& path,
                    std::vector<std::string>& warnings) {
  if (path.empty()) return;
  export_onnx(passed, path);
  const bool quantized =
      std::any_of(passed.values.begin(), passed.values.end(),
                  [](const Value& value) { return value.quantization.has_value(); });
  if (quantized) {
    warnings.push_back(fmt::format("{}: has no thresholds, --save-quantizer writes those of '{}'",
                                   path.string(), passed.name));
  }
}

}  // namespace workbench

#include "explore/flow/flow.h"

#include <algorithm>
#include <set>

#include "compiler/import/export.h"
#include "compiler/quantize/requantized_codes.h"
#include "compiler/quantize/statistics_cache.h"
#include "core/eval/evaluate.h"
#include "explore/flow/quantization.h"

namespace workbench {

namespace {

std::set<std::string> computed_names(const Graph& graph) {
  std::set<std::string> names;
  for (const Value& value : graph.values) {
    if (!value.constant) names.insert(value.name);
  }
  return names;
}

void append(std::vector<std::string>& lines, const std::vector<std::string>& more) {
  lines.insert(lines.end(), more.begin(), more.end());
}

}  // namespace

SampleSource calibration_samples(const RunData& data, const CompileRequest& request,
                                 Compiled& compiled) {
  return with_cache(in_memory(data.calibration), request.calibration_cache,
                    [&compiled](const std::string& text) { compiled.warnings.push_back(text); });
}

Measured measure(const Graph& imported, const Graph& passed, const RunData& data,
                 const SampleSource& samples, int bits, bool keep_reference) {
  const std::set<std::string> names = computed_names(passed);
  Measured measured;
  const auto keep = [&](ValueId id, const Tensor& tensor) {
    const std::string& name = imported.value(id).name;
    if (names.contains(name)) measured.reference.insert_or_assign(name, tensor);
  };
  const auto wanted = [&](const Value& value) { return names.contains(value.name); };
  const bool by_product = keep_reference && data.input_is_last_sample;
  measured.thresholds =
      calibrate(imported, samples, bits,
                by_product ? keep : std::function<void(ValueId, const Tensor&)>(), wanted);
  if (keep_reference && !by_product) evaluate(imported, data.input, {.observe = keep});

  const auto missing = [&](const Value& value) {
    return value.type == ElementType::Float32 && !value.constant &&
           !measured.thresholds.contains(value.name);
  };
  if (std::any_of(passed.values.begin(), passed.values.end(), missing)) {
    measured.thresholds.merge(calibrate(passed, samples, bits, {}, missing));
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

bool wants_published(const CompileRequest& request) {
  return request.scheme.empty() ||
         scheme_named(request.scheme, request.transforms).flow == Scheme::Flow::Published;
}

Graph integers_by_scheme(Graph imported, Graph prepared, const RunData& data,
                         const CompileRequest& request, const QuantizeTarget& target,
                         Compiled& compiled, const Progress& progress) {
  const Stopwatch stopwatch(compiled.wall.calibrate_seconds);
  QuantizedNetwork network{.target = target.name, .scheme = request.scheme};
  network.imported = std::move(imported);
  network = quantize_by_scheme(
      std::move(network), scheme_named(request.scheme, request.transforms), request.effort, target,
      [&](const Graph&) { return std::move(prepared); },
      calibration_samples(data, request, compiled),
      [&](std::string_view stage, double fraction) {
        if (progress) progress(stage, 0.1 + 0.2 * fraction);
      });
  if (request.keep_reference) {
    compiled.reference = reference_values(network.imported, network.floats, data.input);
  }
  append(compiled.notes, network.notes);
  append(compiled.warnings, network.calibrated ? data.warnings : data.uncalibrated_warnings);
  append(compiled.warnings, network.warnings);
  return std::move(network.integers);
}

Thresholds published_thresholds(const Graph& imported, const Graph& prepared, const RunData& data,
                                const CompileRequest& request, const QuantizeTarget& target,
                                int bits, Compiled& compiled) {
  const Stopwatch stopwatch(compiled.wall.calibrate_seconds);
  const bool came = came_quantized(imported);
  const bool calibrates =
      !came || !request.quantizer_table.empty() || !has_all_codes(prepared, target);
  append(compiled.warnings, calibrates ? data.warnings : data.uncalibrated_warnings);
  Measured measured;
  if (calibrates) {
    measured = measure(imported, prepared, data, calibration_samples(data, request, compiled), bits,
                       request.keep_reference);
  } else {
    for (const Value& value : prepared.values) {
      if (!value.constant) measured.thresholds[value.name] = 0;
    }
    if (request.keep_reference) {
      measured.reference = reference_values(imported, prepared, data.input);
    }
  }
  compiled.reference = std::move(measured.reference);
  if (came) {
    append(compiled.warnings,
           requantized_codes(imported, target.annotate(prepared, measured.thresholds)));
  }
  return std::move(measured.thresholds);
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

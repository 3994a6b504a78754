#include "app/quantize_options.h"

#include "compiler/quantize/statistics_cache.h"
#include "core/error.h"
#include "explore/flow/machine.h"

namespace workbench::app {

QuantizationRequest quantization_request(const QuantizationOptions& options) {
  QuantizationRequest request;
  request.model = {.name = options.model,
                   .width = options.width,
                   .resolution = options.resolution,
                   .seed = options.seed};
  for (const std::string& text : options.shapes) {
    request.model.import.input_shapes.insert(parse_input_shape(text));
  }
  request.target = options.target;
  if (!options.hw.empty()) request.machine = find_machine_file(options.hw);
  request.overrides = options.machine;
  request.scheme = options.scheme;
  request.transforms = transform_texts(options.transforms);
  require_target(scheme_named(options.scheme, request.transforms), options.target);
  request.effort = options.effort;
  request.calibration_cache = cache_folder(options.calibration_cache);
  request.passes = {.with = options.with_passes, .without = options.without_passes};
  return request;
}

ImageRequest calibration_request(const QuantizationOptions& options) {
  ImageRequest images;
  images.path = options.calibration;
  images.with_labels = false;
  images.selection = {.size = options.calibration_size, .seed = options.calibration_seed};
  if (!options.calibration_indices.empty()) {
    if (options.calibration_seed) fail("--calibration-indices: excludes --calibration-seed");
    images.selection.indices = parse_indices(options.calibration_indices);
  }
  images.skip_bad = options.skip_bad;
  return images;
}

}  // namespace workbench::app

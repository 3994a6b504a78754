// --calibration and --input of one sample or a few, in memory.
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/image_set.h"

namespace workbench {

std::vector<Tensor> read_samples(const std::filesystem::path& path, const Shape& input_shape,
                                 const std::optional<Preprocessing>& preprocessing,
                                 std::size_t limit) {
  return all_samples(open_images({.path = path,
                                  .with_labels = false,
                                  .input_shape = input_shape,
                                  .preprocessing = preprocessing,
                                  .selection = {.size = limit}}));
}

}  // namespace workbench

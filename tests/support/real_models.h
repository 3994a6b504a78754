// Trained networks and photos, which stay outside the repository, and what tests on them share.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "data/image.h"
#include "data/image_set.h"

namespace workbench {

constexpr std::size_t kCalibrationImages = 32;
constexpr const char* kNoRealModels = "the real models are not here (WORKBENCH_SHARED)";

// WORKBENCH_SHARED, else ../shared.
inline std::filesystem::path shared_folder() {
  const char* variable = std::getenv("WORKBENCH_SHARED");
  return variable != nullptr ? variable : "../shared";
}

// `path`: under networks/models, without .onnx.
inline std::filesystem::path real_model(const std::string& path) {
  return shared_folder() / "networks/models" / (path + ".onnx");
}

// How photos become input of that model.
inline Preprocessing real_model_preprocessing(const std::string& path) {
  return read_preprocessing(shared_folder() / "networks/models" / (path + ".preprocess.yaml"));
}

// WORKBENCH_IMAGES, else `sample`.
inline std::size_t images_to_score(std::size_t sample) {
  const char* variable = std::getenv("WORKBENCH_IMAGES");
  return variable != nullptr ? std::strtoul(variable, nullptr, 10) : sample;
}

// No image is in both.
struct Photos {
  ImageSet calibration, scored;
};

inline std::int64_t best_class(const Tensor& scores) {
  const auto values = scores.values<float>();
  return std::max_element(values.begin(), values.end()) - values.begin();
}

// Of classes in float and in integers, image by image, against labels.
struct Score {
  std::size_t images = 0, float_right = 0, integer_right = 0, same = 0;

  void add(std::int64_t in_float, std::int64_t in_integer, std::int64_t label) {
    ++images;
    float_right += in_float == label;
    integer_right += in_integer == label;
    same += in_float == in_integer;
  }
  double float_top1() const { return percent(float_right); }
  double integer_top1() const { return percent(integer_right); }
  double agreement() const { return percent(same); }
  // "float.top1 88.1 int8.top1 87.6 agreement 98.0 images 1000"
  std::string text() const {
    return fmt::format("float.top1 {:.1f} int8.top1 {:.1f} agreement {:.1f} images {}",
                       float_top1(), integer_top1(), agreement(), images);
  }

 private:
  double percent(std::size_t count) const {
    return 100.0 * static_cast<double>(count) / static_cast<double>(images);
  }
};

}  // namespace workbench

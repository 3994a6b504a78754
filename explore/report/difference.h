// How far computed values are from expected ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace workbench {

struct Tolerance {
  double absolute = 0, relative = 0;  // |got - expected| <= absolute + relative * |expected|
};

struct Difference {
  std::string value;
  std::int64_t values = 0, mismatches = 0;
  double largest_error = 0, decibel = 0;
  std::int64_t first = -1;  // row-major index of the first mismatch
  double expected = 0, got = 0;
};

// Elements in the order of the tensor, of any type.
std::vector<double> numbers(const Tensor& tensor);

// `expected` and `got` are as long. NaN stands for NaN.
Difference difference(const std::string& value, const std::vector<double>& expected,
                      const std::vector<double>& got, const Tolerance& tolerance);

}  // namespace workbench

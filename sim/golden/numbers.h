// Elements of a tensor of any type, as real or as whole numbers. Codes have functions of their own:
// these are for host steps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/tensor.h"

namespace workbench::golden {

bool is_whole(ElementType type);  // an integer type or Bool

double real_at(const Tensor& tensor, std::size_t i);
std::int64_t whole_at(const Tensor& tensor, std::size_t i);  // of a whole type

// put_real: the nearest float; of integer types as cast(). put_whole: the low bits. Of Bool whether
// it is not 0.
void put_real(Tensor& tensor, std::size_t i, double value);
void put_whole(Tensor& tensor, std::size_t i, std::int64_t value);

// A Cast: to integers fractions go, what does not fit is the nearest that does, NaN is 0.
Tensor cast(const Tensor& tensor, ElementType type);

}  // namespace workbench::golden

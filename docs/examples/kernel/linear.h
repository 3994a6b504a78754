#pragma once

#include "pmsis.h"

void linear(const uint8_t* in, const int8_t* weights, int32_t* out, int inputs, int outputs);

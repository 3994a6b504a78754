// What an application takes of L2 beside its network's buffer: tables and arrays as they are, code
// estimated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace workbench::pulp {

struct ApplicationParts {
  std::int64_t table_bytes = 0;  // of layers
  std::size_t layers = 0, checks = 0, kernels = 0;
  std::vector<std::string> turns;  // the text of src/fabric_NN.c
};

// Of code, constants, variables and the fabric controller's stack together. As Debian's gcc 12.2
// builds twelve networks at -O2 with the plain Makefile, some 10,000 bytes above and below.
std::int64_t estimated_l2_bytes(const ApplicationParts& parts);

// Of the arrays of numbers that a text in C has at file scope, a declaration beginning a line.
std::int64_t array_bytes(const std::string& text);

}  // namespace workbench::pulp

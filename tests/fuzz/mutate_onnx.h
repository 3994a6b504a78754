// ONNX files that get past the parser: random networks as an exporter writes them, with attributes,
// shapes, constants and connections that no exporter writes. From the seed alone.
#pragma once

#include <random>
#include <string>

namespace workbench::fuzz {

// Of a random float network.
std::string random_onnx(std::mt19937_64& random);
// `bytes` itself where they are no model.
std::string mutated_onnx(const std::string& bytes, std::mt19937_64& random);

}  // namespace workbench::fuzz

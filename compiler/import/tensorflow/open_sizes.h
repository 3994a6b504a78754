// What a TensorFlow graph says of inputs whose sizes it leaves open (input_sizes.h).
#pragma once

#include "compiler/import/input_sizes.h"
#include "compiler/import/tensorflow/converter.h"

namespace workbench::importer::tensorflow {

// Of the open inputs of a converter that has run. `likely`: of data at hand.
InputSizes input_sizes_of(const Converter& converter, const InputShapes& likely);

}  // namespace workbench::importer::tensorflow

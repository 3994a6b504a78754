#include "compiler/import/checker.h"

#include <onnx/checker.h>
#include <onnx/defs/schema.h>

#include "compiler/import/model_file.h"
#include "compiler/import/text.h"
#include "core/error.h"

namespace workbench {

namespace {

// Deeploy writes RequantShift in the standard domain (pulp.md 3.1).
void register_requant_shift() {
  using onnx::OpSchema;
  const auto tensor = onnx::AttributeProto::TENSOR;
  OpSchema schema("RequantShift", __FILE__, __LINE__);
  schema.SinceVersion(1)
      .SetDoc("y = clip(floor((x * mul + add) / div + 1/2))")
      .Input(0, "x", "accumulators", "T")
      .Input(1, "mul", "one number, or one per channel", "P")
      .Input(2, "add", "one number, or one per channel", "P")
      .Output(0, "y", "codes", "R")
      .Attr("div", "divisor", tensor, true)
      .Attr("n_levels", "number of codes", tensor, false)
      .Attr("n_levels_out", "number of codes", tensor, false)
      .Attr("signed", "whether codes are below 0, too", tensor, true);
  for (const char* type : {"T", "P", "R"}) {
    schema.TypeConstraint(type, OpSchema::all_numeric_types(), "numbers");
  }
  onnx::RegisterSchema(std::move(schema));
}

}  // namespace

void check_onnx(const std::filesystem::path& path) {
  static const bool registered = (register_requant_shift(), true);
  CHECK(registered, "RequantShift");
  try {
    onnx::checker::check_model(importer::read_model(path));
  } catch (const onnx::checker::ValidationError& error) {
    fail("{}: {}", path.string(), importer::one_line(error.what()));
  }
}

}  // namespace workbench

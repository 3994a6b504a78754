// Quantized graph -> xDNN program of any family: order, layouts, allocation, instructions, wait
// bits.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "compiler/xdnn/choices.h"
#include "compiler/xdnn/order.h"
#include "compiler/xdnn/support.h"
#include "core/graph.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

struct CompileOptions {
  bool allow_host = true;  // false: host steps other than the classifier tail and LRN are an Error
  OrderOptions order;
  // false: Program::constants stays empty, everything else is as with them. Laying out filters
  // takes most of a compilation's time and changes no time on the machine.
  bool constants = true;
  // Why nodes that the overlay could run are the host's all the same, by name.
  std::map<std::string, std::string> left_to_host = {};
  // Takes what the user should know of this compilation, a line each.
  std::function<void(const std::string&)> remark = {};
  Choices choices = {};
  bool thorough = false;  // search with thorough_search(), too; the better result is taken
  // How the thorough search stands: best so far, bound and gap, and the share of it that is done.
  std::function<void(std::string_view, double)> progress = {};
  std::int64_t images = 1;  // `quantized` is several_images() of so many
};

// `quantized` as compiler/quantize makes it with host_reasons(machine), and more on the host.
// Throws Error naming the layer when something does not fit the machine.
Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options = {});

}  // namespace workbench::xdnn

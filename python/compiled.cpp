// compile() and run().
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "explore/flow/detailed.h"
#include "explore/flow/pipeline.h"
#include "explore/report/compiler_reports.h"
#include "explore/report/export.h"
#include "explore/report/text.h"
#include "explore/sweep/parameter.h"
#include "explore/validate/support.h"
#include "python/native.h"

namespace workbench::python {

namespace {

using nlohmann::ordered_json;

struct Run {
  SimulatedNetwork simulated;
  ProgramInfo program;
  std::vector<riscv::Spent> layers;  // of the detailed tier
};

Point point_of(const std::string& network, const std::string& machine, const Settings& settings) {
  Point point{.network = network, .machine = machine, .settings = {}};
  for (const auto& [name, value] : settings) point.settings.push_back({name, value});
  return point;
}

Compiled compile(const std::string& network, const std::string& machine, const Settings& settings) {
  return compile_network(request_of(point_of(network, machine, settings)));
}

Run run(const Compiled& compiled, bool golden, bool values, const std::string& tier) {
  const RunRequest request{.golden = golden && values, .values = values};
  DetailedRun done;  // of the transaction tier only its network
  if (tier == "detailed") {
    require_riscv_compiler();
    done = run_detailed(compiled, request);
  } else if (tier == "transaction") {
    done.network = run_network(compiled, request);
  } else {
    fail("tier: expected 'transaction' or 'detailed', found '{}'", tier);
  }
  Run run{std::move(done.network), compiled.info(), std::move(done.layers)};
  run.simulated.result.support = support_of(compiled);
  return run;
}

std::string program_json(const Compiled& compiled) {
  const ProgramInfo& info = compiled.info();
  ordered_json layers = ordered_json::array();
  for (const LayerInfo& layer : info.layers) {
    layers.push_back({{"name", layer.name},
                      {"op", layer.op},
                      {"shape", layer.shape},
                      {"macs", layer.macs},
                      {"ops", layer.ops}});
  }
  ordered_json host = ordered_json::array();
  for (const HostStepInfo& step : info.host_steps) {
    ordered_json nodes = ordered_json::array();
    for (const HostNodeInfo& node : step.nodes) {
      nodes.push_back({{"name", node.name}, {"op", node.op}, {"reason", node.reason}});
    }
    host.push_back(
        {{"name", step.name}, {"op", step.op}, {"reason", step.reason}, {"nodes", nodes}});
  }
  const ordered_json whole = {{"network", info.network},
                              {"machine", name(compiled.machine)},
                              {"macs", info.network_macs},
                              {"ops", info.network_ops},
                              {"parameters", info.network_parameters},
                              {"instructions", info.instruction_layer.size()},
                              {"peak_bytes", info.peak_bytes},
                              {"minimum_bytes", info.minimum_bytes},
                              {"capacity_bytes", info.capacity_bytes},
                              {"moveops", info.moveops},
                              {"layers", layers},
                              {"host", host},
                              {"warnings", compiled.warnings}};
  return whole.dump();
}

std::string xfdnn_text(const Compiled& compiled) {
  if (!is_xdnn(compiled)) {
    fail("xfdnn_report: expected an xDNN machine, found {}", name(compiled.machine));
  }
  return xfdnn_report(compiled, StepOrder::Model);
}

py::dict constants(const Compiled& compiled) {
  py::dict arrays;
  for (const Value& value : compiled.quantized.values) {
    if (value.constant) arrays[py::str(value.name)] = as_array(*value.constant);
  }
  return arrays;
}

py::list input(const Compiled& compiled) {
  py::list arrays;
  for (const Tensor& tensor : compiled.input) arrays.append(as_array(tensor));
  return arrays;
}

py::list input_names(const Compiled& compiled) {
  py::list names;
  for (const ValueId id : compiled.quantized.inputs) {
    names.append(py::str(compiled.quantized.value(id).name));
  }
  return names;
}

// In the order of the network's outputs.
py::dict outputs(const Compiled& compiled, const Run& run) {
  py::dict arrays;
  for (std::size_t i = 0; i < run.simulated.outputs.size(); ++i) {
    const ValueId id = compiled.quantized.outputs.at(i);
    arrays[py::str(compiled.quantized.value(id).name)] = as_array(run.simulated.outputs[i]);
  }
  return arrays;
}

template <typename Number, typename Get>
py::array_t<Number> column(const std::vector<Interval>& intervals, const Get& get) {
  py::array_t<Number> array(static_cast<py::ssize_t>(intervals.size()));
  auto cells = array.template mutable_unchecked<1>();
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    cells(static_cast<py::ssize_t>(i)) = get(intervals[i]);
  }
  return array;
}

// One array per field; resource and cause are indices into the lists of names.
py::dict timeline(const Run& run) {
  const Timeline& timeline = run.simulated.result.timeline;
  const auto& intervals = timeline.intervals;
  py::list causes;
  for (int cause = 0; cause <= static_cast<int>(Cause::Idle); ++cause) {
    causes.append(std::string(to_string(static_cast<Cause>(cause))));
  }
  py::dict columns;
  columns["resources"] = timeline.resources;
  columns["causes"] = causes;
  columns["cycles"] = timeline.end.value;
  columns["resource"] = column<std::int32_t>(intervals, [](const auto& i) { return i.resource; });
  columns["instruction"] =
      column<std::int32_t>(intervals, [](const auto& i) { return i.instruction; });
  columns["begin"] = column<std::int64_t>(intervals, [](const auto& i) { return i.begin.value; });
  columns["end"] = column<std::int64_t>(intervals, [](const auto& i) { return i.end.value; });
  columns["bytes"] = column<std::int64_t>(intervals, [](const auto& i) { return i.bytes.value; });
  columns["cause"] = column<std::int8_t>(
      intervals, [](const auto& i) { return static_cast<std::int8_t>(i.cause); });
  return columns;
}

py::object bit_exact(const Run& run) {
  const std::optional<Verdict>& verdict = run.simulated.result.verdict;
  if (!verdict) return py::none();
  return py::bool_(verdict->bit_exact());
}

}  // namespace

void add_compiled(py::module_& module) {
  using Release = py::call_guard<py::gil_scoped_release>;
  py::class_<Compiled>(module, "Compiled")
      .def("program", &program_json, Release())
      .def("xfdnn_report", &xfdnn_text, Release())
      .def(
          "save",
          [](const Compiled& compiled, const std::string& file) { save(compiled.program, file); },
          Release())
      .def("constants", &constants)
      .def("reference", [](const Compiled& compiled) { return as_arrays(compiled.reference); })
      .def("input", &input)
      .def("input_names", &input_names);
  py::class_<Run>(module, "Run")
      .def(
          "report", [](const Run& run) { return json_report(run.simulated.result, run.layers); },
          Release())
      .def(
          "csv", [](const Run& run) { return csv_report(run.simulated.result.report); }, Release())
      .def(
          "text", [](const Run& run) { return text_report(run.simulated.result, {}); }, Release())
      .def(
          "trace",
          [](const Run& run) {
            const RunResult& result = run.simulated.result;
            return trace_json(run.program, result.timeline, result.report.machine);
          },
          Release())
      .def("tensors", [](const Run& run) { return as_arrays(run.simulated.tensors); })
      .def("timeline", &timeline)
      .def("bit_exact", &bit_exact)
      .def("passed", [](const Run& run) { return passed(run.simulated.result); });
  module.def("compile", &compile, Computes());
  module.def("run", &run, Computes());
  module.def("outputs", &outputs);
}

}  // namespace workbench::python

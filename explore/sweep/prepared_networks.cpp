#include "explore/sweep/prepared_networks.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/fields.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// Every field of a machine as text, doubles so that they read back the same.
struct FieldTexts {
  std::string text;
  template <typename T, typename... Meta>
  void operator()(std::string_view name, const T& value, Meta&&...) {
    if constexpr (HasFields<T>) {
      for_each_field(value, *this);
    } else {
      text += fmt::format("{}={};", name, value);
    }
  }
};

template <typename Machine>
std::string text_of(const Machine& machine) {
  FieldTexts fields;
  for_each_field(machine, fields);
  return fields.text;
}

// Content that a file's name stands for may change while a process lives.
std::string file_text(const fs::path& path) {
  if (path.empty()) return "-";
  std::error_code none;
  const auto time = fs::last_write_time(path, none).time_since_epoch().count();
  return fmt::format("{}@{}", path.string(), time);
}

std::string model_key(const CompileRequest& request) {
  const ModelSource& model = request.model;
  std::string key = is_zoo(model) ? model.name : file_text(model.name);
  for (const auto& [name, shape] : model.import.input_shapes) {
    key += fmt::format("|{}={}", name, to_string(shape));
  }
  if (model.width) key += fmt::format("|width={}", *model.width);
  if (model.resolution) key += fmt::format("|resolution={}", *model.resolution);
  if (model.seed) key += fmt::format("|seed={}", *model.seed);
  return key;
}

// What has no say in what is an integer and with which scale: memories, transfers, control, the
// card. (tests/property/sweep_evaluate_test.cpp changes each and compares.)
xdnn::Machine for_integers(xdnn::Machine machine) {
  const xdnn::Machine plain;
  machine.name.clear();
  machine.am = plain.am;
  machine.clocks.ddr = plain.clocks.ddr;
  machine.ddr = plain.ddr;
  machine.control = plain.control;
  machine.slice0 = plain.slice0;
  machine.board = plain.board;
  machine.host = plain.host;
  return machine;
}

// One engine is compiled for, however many there are.
xdnn::Machine for_program(xdnn::Machine machine) {
  machine.board = {};
  return machine;
}

}  // namespace

std::string integers_key(const CompileRequest& request, const Machine& machine) {
  std::string key = model_key(request);
  key += fmt::format("|scheme={}|{}|effort={}|table={}|calibration={}|input={}|preprocessing={}|{}",
                     request.scheme, fmt::join(request.transforms, " "),
                     static_cast<int>(request.effort), file_text(request.quantizer_table),
                     file_text(request.data.calibration), file_text(request.data.input),
                     file_text(request.data.preprocessing), request.data.calibration_limit);
  key += fmt::format("|with={}|without={}", fmt::join(request.passes.with, ","),
                     fmt::join(request.passes.without, ","));
  const auto* xdnn = std::get_if<xdnn::Machine>(&machine);
  return key + (xdnn != nullptr ? "|xdnn|" + text_of(for_integers(*xdnn)) : "|pulp");
}

std::string program_key(const CompileRequest& request, const Machine& machine) {
  std::string key = integers_key(request, machine);
  key +=
      fmt::format("|host={}|goal={}", request.allow_host, static_cast<int>(request.schedule.goal));
  if (request.schedule.file) {
    for (const auto& entry : request.schedule.file->entries) key += "|" + entry.node;
  }
  key += fmt::format("|tiler={}|norm={}|", static_cast<int>(request.tiler),
                     static_cast<int>(request.norm_bits));
  if (const auto* xdnn = std::get_if<xdnn::Machine>(&machine)) {
    return key + text_of(for_program(*xdnn));
  }
  return key + text_of(std::get<pulp::Machine>(machine));
}

PreparedNetworks::Imported& PreparedNetworks::imported(const CompileRequest& request) {
  return imported_.get(model_key(request), [&] {
    const ModelSource& model = request.model;
    Imported imported;
    try {
      imported.graph = load_model(model);
    } catch (const Error& error) {
      if (!model.width && !model.resolution && !model.seed) throw;
      imported.obstacle = one_line(error.what());
      return imported;
    }
    imported.numbers = numbers_of(imported.graph);
    return imported;
  });
}

PreparedNetworks::Answer& PreparedNetworks::integers(const CompileRequest& request,
                                                     const Machine& machine) {
  return integers_.get(integers_key(request, machine), [&] {
    const Imported& source = imported(request);
    Answer answer{.compiled = {}, .numbers = source.numbers, .obstacle = source.obstacle};
    if (!answer.obstacle.empty()) return answer;
    answer.compiled.machine = machine;
    try {
      make_integers(source.graph, request, answer.compiled, {});
    } catch (const Error& error) {
      answer.obstacle = one_line(error.what());
    }
    return answer;
  });
}

PreparedNetworks::Answer& PreparedNetworks::program(const CompileRequest& request,
                                                    const Machine& machine, bool constants) {
  check(request.passes, known_passes());
  std::string key = program_key(request, machine);
  key += constants ? "|constants" : "";
  Answer& answer = programs_.get(key, [&] {
    Answer made = integers(request, machine);
    made.constants = constants;
    if (!made.obstacle.empty()) return made;
    made.compiled.machine = machine;
    try {
      made.compiled.program = make_program(made.compiled.quantized, machine, request, constants);
    } catch (const Error& error) {
      made.obstacle = one_line(error.what());
      return made;
    }
    describe_network(made.numbers, info(made.compiled.program));
    return made;
  });
  answer.compiled.machine = machine;
  return answer;
}

}  // namespace workbench

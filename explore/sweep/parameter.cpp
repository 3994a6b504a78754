#include "explore/sweep/parameter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "compiler/quantize/statistics_cache.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/energy/technology.h"
#include "explore/flow/machine.h"
#include "explore/flow/quantization.h"
#include "isa/yaml_fields.h"

namespace workbench {

namespace {

template <typename T>
T number(const char* name, const std::string& value, const char* expected) {
  T parsed{};
  const char* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, parsed);
  bool good = error == std::errc() && stop == end;
  if constexpr (std::is_floating_point_v<T>) good = good && std::isfinite(parsed);
  if (!good) fail("{}={}: expected {}, found '{}'", name, value, expected, value);
  return parsed;
}

std::int64_t whole(const char* name, const std::string& value) {
  return number<std::int64_t>(name, value, "a whole number");
}

// As it is given; the machine reads the suffix.
std::string byte_count(const char* name, const std::string& value) {
  const std::string bytes = without_suffix(value);
  std::int64_t parsed{};
  const auto [stop, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), parsed);
  if (error != std::errc() || stop != bytes.data() + bytes.size()) {
    fail("{}={}: expected a number of bytes such as 65536 or 64k, found '{}'", name, value, value);
  }
  return value;
}

double real(const char* name, const std::string& value) {
  return number<double>(name, value, "a number");
}

// Points are named by what the file has, so that it has to be there.
const std::string& existing(const char* name, const std::string& value) {
  std::error_code ignored;
  if (!std::filesystem::exists(value, ignored)) {
    fail("{}={}: expected a file or a folder, found none of that name", name, value);
  }
  return value;
}

// A clock in MHz, as --clock takes it; what it may be is a matter of the machine.
void set_clock(CompileRequest& request, const char* parameter, const std::string& value) {
  (void)real(parameter, value);
  const std::string_view name(parameter);
  request.overrides.clocks.push_back(fmt::format("{}={}", name.substr(name.find('.') + 1), value));
}

template <typename T>
T one_of(const char* name, const std::string& value,
         const std::vector<std::pair<std::string, T>>& choices) {
  std::string names;
  for (const auto& [choice, meaning] : choices) {
    if (choice == value) return meaning;
    names += (names.empty() ? "" : ", ") + choice;
  }
  fail("{}={}: expected one of {}, found '{}'", name, value, names, value);
}

// Passes by name, "+" between them; "none" is none.
std::vector<std::string> passes(const std::string& value) {
  std::vector<std::string> names;
  if (value == "none") return names;
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find('+', begin), value.size());
    names.push_back(value.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

// What DDR delivers is word_bytes * efficiency * clock; the first two stay what the machine (or a
// setting of theirs) says, the clock is what makes it `value` GB/s.
void set_bandwidth(CompileRequest& request, const std::string& value) {
  const double gigabytes = real("bandwidth", value);
  for (const std::string& clock : request.overrides.clocks) {
    if (clock.starts_with("ddr=")) {
      fail("bandwidth={}: expected no clock.ddr beside it, which it sets; found {}", value, clock);
    }
  }
  auto machine = std::get<xdnn::Machine>(load_machine(request.machine, {}));
  for (const std::string& setting : request.overrides.settings) {
    const std::size_t equals = setting.find('=');
    if (setting.starts_with("ddr.word_bytes=") || setting.starts_with("ddr.efficiency=")) {
      set_yaml_field(machine, setting.substr(0, equals), setting.substr(equals + 1), setting);
    } else if (setting.starts_with("clocks.ddr=")) {
      fail("bandwidth={}: expected no clocks.ddr beside it, which it sets; found {}", value,
           setting);
    }
  }
  const double bytes = static_cast<double>(machine.ddr.word_bytes) * machine.ddr.efficiency;
  const double megahertz = gigabytes * 1e3 / bytes;
  if (!(megahertz >= 1 && megahertz <= 10000)) {
    fail(
        "bandwidth={}: expected {:g} to {:g} GB/s, what a DDR clock of 1 to 10000 MHz gives, found "
        "'{}'",
        value, bytes * 1e-3, bytes * 10, value);
  }
  request.overrides.clocks.push_back(fmt::format("ddr={}", megahertz));
}

using Request = CompileRequest;
using Text = std::string;

constexpr Parameter kParameters[] = {
    {"dsp", "xdnn", "width of the array: pixels (V2), channels (V3, Darius)",
     [](Request& r, const Text& v) { r.overrides.xdnn.dsp = whole("dsp", v); }},
    {"bits", "xdnn", "width of codes and weights: 8, or 16 (V2, V3)",
     [](Request& r, const Text& v) { r.overrides.xdnn.bits = whole("bits", v); }},
    {"memory", "xdnn", "activation memory in MB of 2^20 bytes",
     [](Request& r, const Text& v) { r.overrides.xdnn.memory_mb = real("memory", v); }},
    {"ddr", "xdnn", "DDR of an engine in MB of 2^20 bytes",
     [](Request& r, const Text& v) { r.overrides.xdnn.ddr_mb = real("ddr", v); }},
    {"bandwidth", "xdnn",
     "what DDR delivers in GB/s of 10^9 bytes: its clock becomes that over word_bytes * efficiency",
     set_bandwidth},
    {"engines", "xdnn", "engines on the card, 1 to 8",
     [](Request& r, const Text& v) { r.overrides.xdnn.engines = whole("engines", v); }},
    {"mode", "xdnn", "latency, or throughput: the first layer on an array of its own (V3)",
     [](Request& r, const Text& v) {
       r.overrides.xdnn.mode =
           one_of<Text>("mode", v, {{"latency", "latency"}, {"throughput", "throughput"}});
     }},
    {"clock.report", "xdnn", "MHz of memory and control, the clock of all cycle figures",
     [](Request& r, const Text& v) { set_clock(r, "clock.report", v); }},
    {"clock.array", "xdnn", "MHz of the array",
     [](Request& r, const Text& v) { set_clock(r, "clock.array", v); }},
    {"clock.ddr", "xdnn", "MHz of the DDR interface",
     [](Request& r, const Text& v) { set_clock(r, "clock.ddr", v); }},
    {"schedule", "xdnn", "order of the layers: time, space or natural",
     [](Request& r, const Text& v) {
       r.schedule.goal = one_of<xdnn::OrderGoal>("schedule", v,
                                                 {{"time", xdnn::OrderGoal::Time},
                                                  {"space", xdnn::OrderGoal::Space},
                                                  {"natural", xdnn::OrderGoal::Natural}});
     }},
    {"schedule-file", "xdnn", "file with the order of the layers, one name per line",
     [](Request& r, const Text& v) { r.schedule.file = xdnn::parse_order_file(read_file(v), v); }},
    {"quantizer-json", "xdnn", "file with thresholds and scales, as the xfDNN quantizer writes it",
     [](Request& r, const Text& v) { r.quantizer_table = existing("quantizer-json", v); }},
    {"l1", "pulp", "L1 buffer without stacks in bytes, or with k, M",
     [](Request& r, const Text& v) { r.overrides.pulp.l1 = byte_count("l1", v); }},
    {"l2", "pulp", "L2 buffer in bytes, or with k, M",
     [](Request& r, const Text& v) { r.overrides.pulp.l2 = byte_count("l2", v); }},
    {"cores", "pulp", "cores of the cluster, 1 to 16",
     [](Request& r, const Text& v) { r.overrides.pulp.cores = whole("cores", v); }},
    {"dma-width", "pulp", "bytes of the cluster DMA per cycle, each way",
     [](Request& r, const Text& v) { r.overrides.pulp.dma_width = whole("dma-width", v); }},
    {"clock.cluster", "pulp", "MHz of the cluster, the clock of all cycle figures",
     [](Request& r, const Text& v) { set_clock(r, "clock.cluster", v); }},
    {"clock.fabric", "pulp", "MHz of the fabric",
     [](Request& r, const Text& v) { set_clock(r, "clock.fabric", v); }},
    {"tiler", "pulp", "tiles by modelled cycles (optimal) or by DORY's rules (dory)",
     [](Request& r, const Text& v) {
       r.tiler = one_of<pulp::Tiler>(
           "tiler", v, {{"optimal", pulp::Tiler::Optimal}, {"dory", pulp::Tiler::Dory}});
     }},
    {"norm-bits", "pulp", "width of batch norm: auto, 32 or 64",
     [](Request& r, const Text& v) {
       r.norm_bits = one_of<pulp::NormBits>("norm-bits", v,
                                            {{"auto", pulp::NormBits::Auto},
                                             {"32", pulp::NormBits::Bits32},
                                             {"64", pulp::NormBits::Bits64}});
     }},
    {"technology", "", "what the machine is made in, for energy and area: asic_40nm, ... or a file",
     [](Request& r, const Text& v) { (void)technology_for(load_machine(r.machine, {}), v); }},
    {"scheme", "", "how to quantize: default, published, graffitist, nemo or a recipe",
     [](Request& r, const Text& v) {
       (void)scheme_named(v);
       r.scheme = v;
     }},
    {"effort", "", "of the default scheme: fast, normal or best",
     [](Request& r, const Text& v) {
       r.effort = one_of<Effort>(
           "effort", v,
           {{"fast", Effort::Fast}, {"normal", Effort::Normal}, {"best", Effort::Best}});
     }},
    {"calibration", "", "calibration data: .npy, .npz, .pb or a folder of images",
     [](Request& r, const Text& v) {
       r.data.calibration = existing("calibration", v);
       r.calibration_cache = cache_folder("");
     }},
    {"calibration-limit", "", "at most that many calibration samples",
     [](Request& r, const Text& v) {
       r.data.calibration_limit =
           number<std::size_t>("calibration-limit", v, "a whole number of at least 0");
     }},
    {"input", "", "what the network runs on: .npy, .npz, .pb or an image",
     [](Request& r, const Text& v) { r.data.input = existing("input", v); }},
    {"preprocess", "", "file that says how images become input",
     [](Request& r, const Text& v) { r.data.preprocessing = existing("preprocess", v); }},
    {"with", "", "passes to run too: NAME+NAME, or none",
     [](Request& r, const Text& v) { r.passes.with = passes(v); }},
    {"without", "", "passes not to run: NAME+NAME, or none",
     [](Request& r, const Text& v) { r.passes.without = passes(v); }},
    {"width", "", "zoo:mobilenet: multiplier of the channel counts",
     [](Request& r, const Text& v) { r.model.width = real("width", v); }},
    {"resolution", "", "zoo: input side in pixels",
     [](Request& r, const Text& v) {
       const std::int64_t side = whole("resolution", v);
       if (side < 1) fail("resolution={}: expected at least 1, found '{}'", v, v);
       r.model.resolution = side;
     }},
    {"seed", "", "zoo: seed of the weights",
     [](Request& r, const Text& v) {
       r.model.seed = number<std::uint64_t>("seed", v, "a whole number of at least 0");
     }},
};

const Parameter* find_named(std::string_view name) {
  const auto found = std::ranges::find(kParameters, name, &Parameter::name);
  return found == std::end(kParameters) ? nullptr : found;
}

const char* family_of(const Machine& machine) {
  return std::holds_alternative<pulp::Machine>(machine) ? "pulp" : "xdnn";
}

const char* shown_family(std::string_view family) { return family == "pulp" ? "PULP" : "xDNN"; }

// Calls visit(dotted name, member) for every knob but the name and the family, which say what
// machine it is.
template <HasFields T>
void for_each_knob(const T& object, const std::string& prefix, const auto& visit) {
  for_each_field(object, [&](std::string_view name, const auto& member, auto...) {
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (HasFields<Member>) {
      for_each_knob(member, prefix + std::string(name) + ".", visit);
    } else if constexpr (!std::same_as<Member, std::string>) {
      visit(prefix + std::string(name), member);
    }
  });
}

std::vector<std::string> knobs(const Machine& machine) {
  std::vector<std::string> names;
  std::visit(
      [&](const auto& m) {
        for_each_knob(m, "", [&](std::string name, const auto&) { names.push_back(name); });
      },
      machine);
  return names;
}

[[noreturn]] void refuse_unknown(const std::string& name, const Machine& machine) {
  std::vector<std::string> known = knobs(machine);
  for (const Parameter& parameter : kParameters) {
    if (parameter.family.empty() || parameter.family == family_of(machine)) {
      known.insert(known.begin(), std::string(parameter.name));
    }
  }
  const auto distance = [&](const std::string& other) { return edit_distance(name, other); };
  std::ranges::stable_sort(known, {}, distance);
  constexpr std::size_t kShown = 3;
  known.resize(std::min(known.size(), kShown));
  fail("parameter {}: expected one of {}, the nearest: {}; found no such name", name,
       workbench::name(machine), fmt::join(known, ", "));
}

// nullptr: a dotted knob.
const Parameter* checked(const std::string& name, const Machine& machine) {
  if (const Parameter* named = find_named(name)) {
    if (!named->family.empty() && named->family != family_of(machine)) {
      fail("parameter {}: expected one of {} machines, found one of {} machines; {} is {}", name,
           shown_family(family_of(machine)), shown_family(named->family), workbench::name(machine),
           shown_family(family_of(machine)));
    }
    return named;
  }
  const std::vector<std::string> known = knobs(machine);
  if (std::ranges::find(known, name) == known.end()) refuse_unknown(name, machine);
  return nullptr;
}

// A knob's type is checked here; its range is a matter of the machine, like contradictions.
void set_knob(CompileRequest& request, const Setting& setting, const Machine& machine) {
  const std::string value = without_suffix(setting.value);
  const std::string where = setting.name + "=" + setting.value;
  std::visit(
      [&](const auto& m) {
        for_each_knob(m, "", [&](const std::string& name, const auto& member) {
          if (name != setting.name) return;
          auto ignored = member;
          yaml::read_scalar(YAML::Node(value), ignored, where, name);
        });
      },
      machine);
  request.overrides.settings.push_back(setting.name + "=" + value);
}

}  // namespace

std::span<const Parameter> named_parameters() { return kParameters; }

std::string knob_of(std::string_view parameter) {
  constexpr std::pair<std::string_view, std::string_view> kKnobs[] = {
      {"dsp", "array.rows"},
      {"bits", "array.bits"},
      {"memory", "am.size_bytes"},
      {"ddr", "ddr.size_bytes"},
      {"bandwidth", "clocks.ddr"},
      {"engines", "board.engines"},
      {"mode", "slice0.used"},
      {"l1", "l1.buffer_bytes"},
      {"l2", "l2.buffer_bytes"},
      {"cores", "cluster.cores"},
      {"dma-width", "dma.bytes_per_cycle"}};
  for (const auto& [name, knob] : kKnobs) {
    if (name == parameter) return std::string(knob);
  }
  constexpr std::string_view kClock = "clock.";
  if (parameter.starts_with(kClock)) {
    return fmt::format("clocks.{}", parameter.substr(kClock.size()));
  }
  return parameter.find('.') == std::string_view::npos ? "" : std::string(parameter);
}

std::string without_suffix(const std::string& value) {
  if (value.size() < 2 || value.size() > 10) return value;
  const char suffix = value.back();
  const std::string digits = value.substr(0, value.size() - 1);
  if ((suffix != 'k' && suffix != 'K' && suffix != 'M') ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return value;
  }
  return std::to_string(std::stoll(digits) * (suffix == 'M' ? 1048576 : 1024));
}

CompileRequest request_of(const Point& point) {
  CompileRequest request;
  request.model.name = point.network;
  request.machine = find_machine_file(point.machine);
  const Machine machine = load_machine(request.machine, {});
  std::vector<const Setting*> last;  // wants to know the others
  for (const Setting& setting : point.settings) {
    const Parameter* named = checked(setting.name, machine);
    if (named == nullptr) {
      set_knob(request, setting, machine);
    } else if (named->set == set_bandwidth) {
      last.push_back(&setting);
    } else {
      named->set(request, setting.value);
    }
  }
  for (const Setting* setting : last) set_bandwidth(request, setting->value);
  return request;
}

void check_parameter(const std::string& name, const std::string& machine) {
  (void)checked(name, load_machine(find_machine_file(machine), {}));
}

void check_values(const std::string& name, std::span<const std::string> values,
                  const std::string& machine) {
  const std::filesystem::path file = find_machine_file(machine);
  const Machine loaded = load_machine(file, {});
  const Parameter* named = checked(name, loaded);
  for (const std::string& value : values) {
    CompileRequest scratch;
    scratch.machine = file;
    if (named == nullptr) {
      set_knob(scratch, {name, value}, loaded);
    } else {
      named->set(scratch, value);
    }
  }
}

// A point as commands that people can copy.

namespace {

// As it is where no shell would read it another way.
std::string shell_word(const std::string& word) {
  const auto plain = [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
           std::string_view("-_=+./:,@%").find(letter) != std::string_view::npos;
  };
  if (!word.empty() && std::ranges::all_of(word, plain)) return word;
  std::string quoted = "'";
  for (const char letter : word) quoted += letter == '\'' ? "'\\''" : std::string(1, letter);
  return quoted + "'";
}

// Options of `workbench run`; empty: the setting is none of its business.
std::string run_option(const Setting& setting) {
  const auto& [name, value] = setting;
  constexpr std::string_view kClock = "clock.";
  if (name == "technology") return "";  // of energy and area alone
  if (name.starts_with(kClock)) {
    return "--clock " + shell_word(name.substr(kClock.size()) + "=" + value);
  }
  if (name == "with" || name == "without") {
    std::string names = value;
    std::ranges::replace(names, '+', ',');
    return value == "none" ? "" : "--" + name + " " + shell_word(names);
  }
  const auto named = named_parameters();
  if (std::ranges::find(named, name, &Parameter::name) == named.end()) {
    return "--set " + shell_word(name + "=" + without_suffix(value));
  }
  return "--" + name + " " + shell_word(value);
}

}  // namespace

std::string sweep_command(const Point& point) {
  std::string command = "workbench sweep --hw " + shell_word(point.machine);
  for (const Setting& setting : point.settings) {
    command += " --set " + shell_word(setting.name + "=" + setting.value);
  }
  if (point.tier != Tier::Analytic) command += fmt::format(" --tier {}", to_string(point.tier));
  return command + " " + shell_word(point.network);
}

std::string run_command(const Point& point) {
  std::string command = "workbench run --hw " + shell_word(point.machine);
  for (const Setting& setting : point.settings) {
    if (setting.name == "bandwidth") continue;
    const std::string option = run_option(setting);
    if (!option.empty()) command += " " + option;
  }
  const bool bandwidth = std::ranges::count(point.settings, "bandwidth", &Setting::name) > 0;
  if (bandwidth) {  // which is a clock, depending on the machine and on other settings
    command += " --clock " + shell_word(request_of(point).overrides.clocks.back());
  }
  return command + " " + shell_word(point.network);
}

}  // namespace workbench

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
T number(std::string_view name, const std::string& value, const char* expected) {
  T parsed{};
  const char* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, parsed);
  bool good = error == std::errc() && stop == end;
  if constexpr (std::is_floating_point_v<T>) good = good && std::isfinite(parsed);
  if (!good) fail("{}={}: expected {}, found '{}'", name, value, expected, value);
  return parsed;
}

// The machine reads the suffix.
void check_bytes(std::string_view name, const std::string& value) {
  const std::string bytes = without_suffix(value);
  std::int64_t parsed{};
  const auto [stop, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), parsed);
  if (error != std::errc() || stop != bytes.data() + bytes.size()) {
    fail("{}={}: expected a number of bytes such as 65536 or 64k, found '{}'", name, value, value);
  }
}

double real(std::string_view name, const std::string& value) {
  return number<double>(name, value, "a number");
}

template <typename T>
T one_of(std::string_view name, const std::string& value, const WordList<T>& words) {
  std::string names;
  for (const auto& [word, meaning] : words) {
    if (word == value) return meaning;
    names += (names.empty() ? "" : ", ") + word;
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

// A point's text into the member of an option.
class Put {
 public:
  Put(std::string_view name, const std::string& value, const CompileRequest& request)
      : name_(name), value_(value), request_(request) {}

  void operator()(const Option& option, std::optional<std::int64_t>& member) const {
    member = number<std::int64_t>(name_, value_, "a whole number");
    if (option.takes == Takes::Side && *member < 1) {
      fail("{}={}: expected at least 1, found '{}'", name_, value_, value_);
    }
  }
  void operator()(const Option&, std::optional<double>& member) const {
    member = real(name_, value_);
  }
  void operator()(const Option&, std::optional<std::uint64_t>& member) const { member = count(); }
  void operator()(const Option&, std::size_t& member) const { member = count(); }
  void operator()(const Option&, int& member) const {
    member = number<int>(name_, value_, "a whole number");
  }
  void operator()(const Option& option, std::string& member) const {
    switch (option.takes) {
      case Takes::ByteCount:
        check_bytes(name_, value_);
        break;
      case Takes::Mode:
        (void)one_of<int>(name_, value_, {{"latency", 0}, {"throughput", 1}});
        break;
      case Takes::SchemeName:
        (void)scheme_named(value_);
        break;
      case Takes::TechnologyName:
        (void)technology_for(load_machine(request_.machine, {}), value_);
        break;
      case Takes::Value:
      case Takes::Side:
      case Takes::Names:
      case Takes::Repeated:
        break;
    }
    member = value_;
  }
  // Points are named by what the file has, so that it has to be there.
  void operator()(const Option&, std::filesystem::path& member) const {
    std::error_code ignored;
    if (!std::filesystem::exists(value_, ignored)) {
      fail("{}={}: expected a file or a folder, found none of that name", name_, value_);
    }
    member = value_;
  }
  void operator()(const Option&, std::optional<xdnn::OrderFile>& member) const {
    member = xdnn::parse_order_file(read_file(value_), value_);
  }
  void operator()(const Option&, std::vector<std::string>& member) const {
    member = passes(value_);
  }
  template <typename T>
  requires std::is_enum_v<T>
  void operator()(const Option&, T& member) const {
    member = one_of(name_, value_, Words<T>::all());
  }

 private:
  std::size_t count() const {
    return number<std::size_t>(name_, value_, "a whole number of at least 0");
  }

  std::string_view name_;
  const std::string& value_;
  const CompileRequest& request_;
};

constexpr std::string_view kBandwidth = "bandwidth", kClock = "clock.";

bool is_parameter(const Option& option) { return option.varies && option.takes != Takes::Repeated; }

void put(CompileRequest& request, const Parameter& parameter, const std::string& value) {
  if (parameter.name == kBandwidth) {
    set_bandwidth(request, value);
    return;
  }
  if (parameter.name.starts_with(kClock)) {  // what a clock may be is a matter of the machine
    (void)real(parameter.name, value);
    request.overrides.clocks.push_back(parameter.name.substr(kClock.size()) + "=" + value);
    return;
  }
  const Put text(parameter.name, value, request);
  for_each_option(request, [&](const Option& option, auto& member) {
    if constexpr (std::invocable<const Put&, const Option&, decltype(member)>) {
      if (option.name == parameter.name) text(option, member);
    }
  });
}

std::vector<Parameter> all_parameters() {
  std::vector<Parameter> all;
  CompileRequest request;
  for_each_option(request, [&](const Option& option, const auto& member) {
    if (!is_parameter(option)) return;
    all.push_back({.name = std::string(option.name),
                   .stage = option.stage,
                   .family = option.family,
                   .meaning = option.meaning,
                   .without = default_text(option, member),
                   .knob = std::string(option.knob),
                   .is_list = option.takes == Takes::Names});
  });
  // One each of what `clock` takes, and what follows from clocks.
  const auto add = [&](std::string_view name, std::string_view family, std::string_view meaning,
                       std::string_view knob) {
    all.push_back({.name = std::string(name),
                   .stage = Stage::Hardware,
                   .family = family,
                   .meaning = meaning,
                   .knob = std::string(knob)});
  };
  add("clock.report", "xdnn", "MHz of memory and control, the clock of all cycle figures",
      "clocks.report");
  add("clock.array", "xdnn", "MHz of the array", "clocks.array");
  add("clock.ddr", "xdnn", "MHz of the DDR interface", "clocks.ddr");
  add(kBandwidth, "xdnn",
      "what DDR delivers in GB/s of 10^9 bytes: its clock becomes that over word_bytes * "
      "efficiency",
      "clocks.ddr");
  add("clock.cluster", "pulp", "MHz of the cluster, the clock of all cycle figures",
      "clocks.cluster");
  add("clock.fabric", "pulp", "MHz of the fabric", "clocks.fabric");
  return all;
}

const Parameter* find_named(std::string_view name) {
  const std::vector<Parameter>& all = named_parameters();
  const auto found = std::ranges::find(all, name, &Parameter::name);
  return found == all.end() ? nullptr : &*found;
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
  for (const Parameter& parameter : named_parameters()) {
    if (parameter.family.empty() || parameter.family == family_of(machine)) {
      known.insert(known.begin(), parameter.name);
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

const std::vector<Parameter>& named_parameters() {
  static const std::vector<Parameter> all = all_parameters();
  return all;
}

std::string knob_of(std::string_view parameter) {
  if (const Parameter* named = find_named(parameter)) return named->knob;
  return parameter.find('.') == std::string_view::npos ? "" : std::string(parameter);
}

Stage stage_of(std::string_view parameter) {
  const Parameter* named = find_named(parameter);
  return named == nullptr ? Stage::Hardware : named->stage;
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
  std::vector<std::string> bandwidths;  // last: they want to know the other settings
  for (const Setting& setting : point.settings) {
    const Parameter* named = checked(setting.name, machine);
    if (named == nullptr) {
      set_knob(request, setting, machine);
    } else if (named->name == kBandwidth) {
      bandwidths.push_back(setting.value);
    } else {
      put(request, *named, setting.value);
    }
  }
  for (const std::string& value : bandwidths) set_bandwidth(request, value);
  if (!request.data.calibration.empty()) request.calibration_cache = cache_folder("");
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
      put(scratch, *named, value);
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

}  // namespace

std::string sweep_command(const Point& point) {
  std::string command = "workbench sweep --hw " + shell_word(point.machine);
  for (const Setting& setting : point.settings) {
    command += " --set " + shell_word(setting.name + "=" + setting.value);
  }
  if (point.tier != Tier::Analytic) command += fmt::format(" --tier {}", to_string(point.tier));
  return command + " " + shell_word(point.network);
}

std::vector<std::string> run_options(const Point& point) {
  std::vector<std::string> words;
  const auto add = [&](const std::string& option, const std::string& value) {
    words.insert(words.end(), {"--" + option, value});
  };
  bool bandwidth = false;
  for (const auto& [name, value] : point.settings) {
    const Parameter* named = find_named(name);
    if (name == kBandwidth) {
      bandwidth = true;
    } else if (name.starts_with(kClock)) {
      add("clock", name.substr(kClock.size()) + "=" + value);
    } else if (named == nullptr) {
      add("set", name + "=" + without_suffix(value));
    } else if (named->is_list) {
      std::string names = value;
      std::ranges::replace(names, '+', ',');
      if (value != "none") add(name, names);
    } else if (named->stage != Stage::Reported) {  // which changes no simulation
      add(name, value);
    }
  }
  // A clock, depending on the machine and on other settings.
  if (bandwidth) add("clock", request_of(point).overrides.clocks.back());
  return words;
}

std::string run_command(const Point& point) {
  std::string command = "workbench run --hw " + shell_word(point.machine);
  for (const std::string& word : run_options(point)) command += " " + shell_word(word);
  return command + " " + shell_word(point.network);
}

}  // namespace workbench

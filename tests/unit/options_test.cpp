// The list of options: every member of a request has one, and what is kept of a stage is kept under
// a key that every option of that stage and of those before it changes.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/file.h"
#include "explore/sweep/evaluate.h"
#include "explore/sweep/parameter.h"
#include "tests/support/onnx_model.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

// Makes a value another one.
struct Change {
  void operator()(std::string& value) const { value += "x"; }
  void operator()(std::filesystem::path& value) const { value += "x"; }
  void operator()(bool& value) const { value = !value; }
  void operator()(std::size_t& value) const { ++value; }
  void operator()(int& value) const { ++value; }
  void operator()(std::vector<std::string>& value) const { value.emplace_back("x"); }
  void operator()(std::map<std::string, Shape>& value) const { value["x"] = {1}; }
  void operator()(std::optional<xdnn::OrderFile>& value) const {
    value = xdnn::OrderFile{.path = "", .entries = {{"x", 1}}};
  }
  template <typename T>
  void operator()(std::optional<T>& value) const {
    value = value.value_or(0) + 1;
  }
  template <typename T>
  requires std::is_enum_v<T>
  void operator()(T& value) const {
    value =
        value == Words<T>::all()[0].second ? Words<T>::all()[1].second : Words<T>::all()[0].second;
  }
};

CompileRequest with_changed(std::string_view name) {
  CompileRequest request;
  for_each_option(request, [&](const Option& option, auto& member) {
    if (option.name == name) Change()(member);
  });
  return request;
}

std::vector<Option> all_options() {
  std::vector<Option> all;
  CompileRequest request;
  for_each_option(request, [&](const Option& option, auto&) { all.push_back(option); });
  return all;
}

TEST(Options, have_names_of_their_own) {
  std::set<std::string_view> names;
  for (const Option& option : all_options()) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
    EXPECT_FALSE(option.meaning.empty()) << option.name;
  }
}

TEST(Options, change_the_keys_of_their_stage_and_of_all_later_ones) {
  for (const Machine& machine : {Machine(xdnn::Machine{}), Machine(pulp::Machine{})}) {
    const CompileRequest plain;
    for (const Option& option : all_options()) {
      const CompileRequest other = with_changed(option.name);
      const bool read_by_integers =
          option.stage == Stage::Imported || option.stage == Stage::Quantized;
      const bool read_by_program = read_by_integers || option.stage == Stage::Compiled;
      EXPECT_EQ(integers_key(other, machine) != integers_key(plain, machine), read_by_integers)
          << option.name;
      EXPECT_EQ(program_key(other, machine) != program_key(plain, machine), read_by_program)
          << option.name;
    }
  }
}

TEST(Options, are_seen_by_no_stage_before_theirs) {
  const Machine machine = xdnn::Machine{};
  const std::string plain = program_key(CompileRequest(), machine);
  for (const Option& option : all_options()) {
    const CompileRequest seen = read_by(Stage::Quantized, with_changed(option.name));
    const bool visible = option.stage == Stage::Imported || option.stage == Stage::Quantized;
    EXPECT_EQ(program_key(seen, machine) != plain, visible) << option.name;
  }
}

// Members lie one behind the other: one without an option leaves a gap that no alignment explains.
TEST(Options, cover_every_member_of_a_request) {
  CompileRequest request;
  std::map<const char*, std::size_t> sizes;
  const auto add = [&](const auto& member) {
    sizes[reinterpret_cast<const char*>(&member)] = sizeof member;
  };
  for_each_option(request, [&](const Option&, auto& member) { add(member); });
  add(request.keep_reference);  // a command's own choice, as the next
  add(request.model.import.likely_shapes);
  add(request.overrides.xdnn.clocks);  // copies of those of both families
  add(request.overrides.xdnn.settings);
  add(request.overrides.pulp.clocks);
  add(request.overrides.pulp.settings);
  const char* end = reinterpret_cast<const char*>(&request);
  for (const auto& [begin, size] : sizes) {
    EXPECT_LT(begin - end, 8) << "behind " << end - reinterpret_cast<const char*>(&request);
    end = begin + size;
  }
  EXPECT_LT(reinterpret_cast<const char*>(&request + 1) - end, 8);
}

// A worker lives as long as a sweep, and files change meanwhile: results of what they were are no
// answers.
TEST(Options, change_keys_by_the_contents_of_their_files) {
  const TemporaryFolder folder;
  const Machine machine = xdnn::Machine{};
  CompileRequest request;
  request.model.name =
      folder.write("net.onnx", test::model_with_external_data("weights.bin")).string();
  folder.write("weights.bin", "weights");
  std::filesystem::create_directory(folder.path() / "images");
  folder.write("images/one.png", "1");
  request.data.calibration = folder.path() / "images";
  std::set<std::string> integers{integers_key(request, machine)};
  std::set<std::string> programs{program_key(request, machine)};
  const auto all_are_new = [&] {
    const bool fresh = integers.insert(integers_key(request, machine)).second;
    return programs.insert(program_key(request, machine)).second && fresh;
  };
  folder.write("weights.bin", "other weights");
  EXPECT_TRUE(all_are_new()) << "external data";
  folder.write("net.preprocess.yaml", "scale: 2");
  EXPECT_TRUE(all_are_new()) << "preprocessing beside the network";
  folder.write("net.preprocess.yaml", "scale: 3.5");
  EXPECT_TRUE(all_are_new()) << "its contents";
  folder.write("images/one.png", "another image");
  EXPECT_TRUE(all_are_new()) << "an image of the folder";
  folder.write("more.bin", "more");
  folder.write("net.onnx", test::model_with_external_data("more.bin"));
  EXPECT_TRUE(all_are_new()) << "network file";
}

// Rows of the tables in docs/options.md.
template <typename Request>
std::string rows_of(const Request& request) {
  std::string rows;
  for_each_option(request, [&](const Option& option, const auto& member) {
    EXPECT_FALSE(option.varies) << option.name << ": only options of CompileRequest are parameters";
    const std::string without = default_text(option, member);
    rows +=
        fmt::format("| `--{}` | {}{}{} |\n", option.name, option.family == "pulp" ? "PULP: " : "",
                    option.meaning, without.empty() ? "" : " (default: " + without + ")");
  });
  return rows;
}

TEST(Options, of_images_and_of_files_to_write_are_in_the_documentation) {
  const std::string text = read_file("docs/options.md") + "\n";
  for (const std::string& rows :
       {rows_of(CalibrationOptions()), rows_of(ViewOptions()), rows_of(RunFiles())}) {
    const std::string table = "|---|---|\n" + rows + "\n";
    EXPECT_NE(text.find(table), std::string::npos) << "docs/options.md: expected\n" << table;
  }
}

TEST(Parameters, are_the_options_that_may_differ_between_points) {
  const auto find = [](std::string_view name) -> const Parameter* {
    for (const Parameter& parameter : named_parameters()) {
      if (parameter.name == name) return &parameter;
    }
    return nullptr;
  };
  for (const Option& option : all_options()) {
    const bool expected = option.varies && option.takes != Takes::Repeated;
    EXPECT_EQ(find(option.name) != nullptr, expected) << option.name;
  }
  ASSERT_NE(find("clock.cluster"), nullptr);
  EXPECT_EQ(find("clock.cluster")->knob, "clocks.cluster");
  EXPECT_EQ(find("effort")->without, "normal");
  EXPECT_EQ(stage_of("tiler"), Stage::Compiled);
  EXPECT_EQ(stage_of("ddr.efficiency"), Stage::Hardware);
}

}  // namespace
}  // namespace workbench

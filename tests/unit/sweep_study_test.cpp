#include <gtest/gtest.h>

#include "core/error.h"
#include "explore/flow/knobs.h"
#include "explore/sweep/conditions.h"
#include "explore/sweep/parameter.h"
#include "explore/sweep/study.h"
#include "explore/track/record.h"

namespace workbench {
namespace {

std::string refusal(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

Study small_study() {
  return {.name = "small",
          .networks = {"zoo:tiny_cnn", "zoo:tiny_mobile"},
          .machines = {"gap8"},
          .parameters = {{"l1", {"16k", "32k"}}, {"cores", {"1", "2", "4"}}},
          .options = {{"tiler", "dory"}},
          .objectives = {{"cycles", Better::Lower}}};
}

TEST(SweepStudy, the_last_parameter_varies_fastest) {
  const Study study = small_study();
  EXPECT_NO_THROW(check(study));
  const std::vector<Point> all = points(study);
  ASSERT_EQ(all.size(), 12u);
  const auto is = [&](std::size_t i, const char* network, const char* l1, const char* cores) {
    EXPECT_EQ(all[i].network, network);
    EXPECT_EQ(all[i].settings,
              (std::vector<Setting>{{"tiler", "dory"}, {"l1", l1}, {"cores", cores}}));
  };
  is(0, "zoo:tiny_cnn", "16k", "1");
  is(1, "zoo:tiny_cnn", "16k", "2");
  is(3, "zoo:tiny_cnn", "32k", "1");
  is(11, "zoo:tiny_mobile", "32k", "4");
  EXPECT_EQ(shape_text(study), "2 networks x 1 machine x 2 l1 x 3 cores");
}

TEST(SweepStudy, conditions_leave_out_points) {
  Study study = small_study();
  study.conditions = {"l1 * cores <= 64k", "tiler == dory"};
  EXPECT_EQ(choices(study).size(), 2 * 5u);  // of 32k * 4 alone the product is above 64k
  study.conditions = {"cores > 8"};
  EXPECT_EQ(refusal([&] { choices(study); }),
            "small: expected conditions that leave a point, found that cores > 8 leave none of 12");
}

TEST(SweepStudy, too_many_points_want_a_search) {
  Study study = small_study();
  study.parameters.clear();
  for (const char* name : {"l1", "l2", "cores", "dma-width"}) {
    Dimension& dimension = study.parameters.emplace_back(Dimension{name, {}});
    for (int i = 1; i <= 32; ++i) dimension.values.push_back(std::to_string(i));
  }
  const std::string text = refusal([&] { choices(study); });
  EXPECT_NE(text.find("2.09715e+06"), std::string::npos) << text;  // 2 * 32^4
  EXPECT_NE(text.find("search"), std::string::npos) << text;
}

std::string condition_error(const std::string& text) {
  const std::vector<Dimension> variables = {
      {"l1", {"16k", "32k"}}, {"dma-width", {"4", "8"}}, {"l1.banks", {"16"}}, {"tiler", {"dory"}}};
  return refusal([&] { Conditions({&text, 1}, variables, "here"); });
}

bool holds(const std::string& text) {
  const std::vector<Dimension> variables = {
      {"l1", {"32k"}}, {"dma-width", {"4"}}, {"l1.banks", {"16"}}, {"tiler", {"dory", "optimal"}}};
  const std::vector<std::size_t> indices = {0, 0, 0, 1};
  return Conditions({&text, 1}, variables, "here").hold(indices);
}

TEST(SweepConditions, names_have_dots_and_hyphens_and_numbers_suffixes) {
  EXPECT_TRUE(holds("l1 == 32k"));
  EXPECT_TRUE(holds("dma-width*2 == 8 && l1.banks == 16"));
  EXPECT_TRUE(holds("l1-dma-width == 32764"));
  EXPECT_TRUE(holds("tiler == optimal"));
  EXPECT_FALSE(holds("tiler == dory"));
  EXPECT_TRUE(holds("min(l1, 1M) < 0.5M || 0"));
  EXPECT_TRUE(holds("l1/1e3 > 32"));
}

TEST(SweepConditions, what_cannot_be_read_is_shown) {
  EXPECT_EQ(condition_error("core <= 4"),
            "here: expected parameters and options of the study in 'core <= 4', the nearest is "
            "dory; found core");
  EXPECT_NE(condition_error("l1 = 4").find("expected =="), std::string::npos);
  for (const char* text : {"", "l1 <=", "l1 <= 4x", "(l1", "l1, l1", "l1;l1", "foo(l1)", "l1 l1",
                           "\"a\"", "1.2.3", "@"}) {
    const std::string error = condition_error(text);
    EXPECT_EQ(error.rfind("here: expected ", 0), 0u) << text << ": " << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << text;
  }
}

TEST(SweepConditions, no_number_is_an_error) {
  EXPECT_NE(refusal([] { holds("0/0"); }).find("no number"), std::string::npos);
}

std::string check_error(const auto& change) {
  Study study = small_study();
  change(study);
  return refusal([&] { check(study); });
}

TEST(SweepStudy, what_no_point_could_be_computed_with_is_refused) {
  EXPECT_NE(check_error([](Study& s) { s.networks = {"zoo:tiny_cn"}; }).find("zoo:tiny_cnn"),
            std::string::npos);
  EXPECT_NE(check_error([](Study& s) { s.networks = {"absent.onnx"}; }).find("absent.onnx"),
            std::string::npos);
  EXPECT_NE(check_error([](Study& s) { s.networks = {}; }).find("network"), std::string::npos);
  EXPECT_NE(check_error([](Study& s) { s.machines = {}; }).find("--hw"), std::string::npos);
  EXPECT_NE(check_error([](Study& s) { s.machines = {"gap9"}; }).find("gap8"), std::string::npos);
  EXPECT_EQ(check_error([](Study& s) {
              s.machines = {"gap8", "gap8"};
            }),
            "machine gap8: expected once, found twice");
  EXPECT_EQ(check_error([](Study& s) {
              s.options.push_back({"cores", "4"});
            }),
            "parameter cores: expected once, found twice");
  EXPECT_NE(check_error([](Study& s) { s.parameters[1].name = "core"; }).find("cores"),
            std::string::npos);
  EXPECT_EQ(check_error([](Study& s) {
              s.parameters[0] = {"dsp", {"96"}};
            }),
            "parameter dsp: expected one of PULP machines, found one of xDNN machines; gap8 is "
            "PULP");
  EXPECT_EQ(check_error([](Study& s) { s.parameters[1].values[2] = "many"; }),
            "cores=many: expected a whole number, found 'many'");
  EXPECT_NE(check_error([](Study& s) { s.options[0].value = "best"; }).find("optimal, dory"),
            std::string::npos);
  EXPECT_EQ(check_error([](Study& s) {
              s.objectives = {{"cycles", Better::Lower}, {"cycles", Better::Higher}};
            }),
            "objective cycles: expected once, found twice");
  EXPECT_EQ(check_error([](Study& s) {
              s.objectives = {{"dma-width", Better::Lower}};
            }),
            "small: objective dma-width: expected values of that parameter (--set dma-width=...), "
            "found none");
  EXPECT_EQ(check_error([](Study& s) {
              s.parameters.push_back({"norm-bits", {"32", "auto"}});
              s.objectives = {{"norm-bits", Better::Lower}};
            }),
            "small: objective norm-bits: expected numbers as its values, found 'auto'");
  EXPECT_NE(check_error([](Study& s) {
              s.search.emplace();
              s.search->population = 4'000'000'000'000;
            }).find("at most 1000000 points"),
            std::string::npos);
}

TEST(SweepStudy, what_is_no_number_and_files_that_are_absent_are_no_points) {
  const auto error = [](const char* name, const char* value) {
    return refusal([&] { check_values(name, std::vector<std::string>{value}, "gap8"); });
  };
  EXPECT_EQ(error("clock.cluster", "fast"), "clock.cluster=fast: expected a number, found 'fast'");
  EXPECT_EQ(error("clock.fabric", "nan"), "clock.fabric=nan: expected a number, found 'nan'");
  EXPECT_EQ(error("resolution", "0"), "resolution=0: expected at least 1, found '0'");
  for (const char* name : {"input", "calibration", "preprocess"}) {
    EXPECT_EQ(
        error(name, "/no/such"),
        std::string(name) + "=/no/such: expected a file or a folder, found none of that name");
  }
}

TEST(SweepStudy, a_number_of_the_machine_has_one_name_at_a_time) {
  EXPECT_EQ(check_error([](Study& s) {
              s.options.push_back({"cluster.cores", "8"});
            }),
            "parameter cluster.cores: expected no cores beside it, which sets the same number of "
            "the machine");
  // What a parameter is said to set is what it sets: a value of its own moves that knob.
  for (const auto& [machine, parameter, value] : {std::tuple("v3_96", "dsp", "64"),
                                                  {"v3_96", "bits", "16"},
                                                  {"v3_96", "memory", "3"},
                                                  {"v3_96", "ddr", "100"},
                                                  {"v3_96", "bandwidth", "1"},
                                                  {"v3_96", "engines", "3"},
                                                  {"v3_96", "mode", "throughput"},
                                                  {"v3_96", "clock.array", "350"},
                                                  {"gap8", "l1", "10k"},
                                                  {"gap8", "l2", "100k"},
                                                  {"gap8", "l3", "32M"},
                                                  {"gap8", "cores", "3"},
                                                  {"gap8", "dma-width", "4"},
                                                  {"gap8", "clock.fabric", "99"}}) {
    const CompileRequest request = request_of(
        {.network = "zoo:tiny_cnn", .machine = machine, .settings = {{parameter, value}}});
    const auto base = knobs_of(load_machine(request.machine, {}));
    const auto moved = knobs_of(load_machine(request.machine, request.overrides));
    ASSERT_EQ(base.size(), moved.size());
    std::vector<std::string> knobs;
    for (std::size_t i = 0; i < base.size(); ++i) {
      if (base[i] != moved[i]) knobs.push_back(base[i].first);
    }
    EXPECT_EQ(knobs, std::vector<std::string>{knob_of(parameter)});
  }
}

TEST(SweepParameter, a_point_is_what_the_options_would_be) {
  const CompileRequest pulp = request_of({.network = "zoo:tiny_mobile",
                                          .machine = "gap8",
                                          .settings = {{"l1", "20k"},
                                                       {"cores", "4"},
                                                       {"clock.cluster", "200"},
                                                       {"l3.size_bytes", "16M"},
                                                       {"tiler", "dory"},
                                                       {"width", "0.5"},
                                                       {"with", "a+b"},
                                                       {"weight-bits", "4"},
                                                       {"activation-bits", "2"},
                                                       {"effort", "fast"}}});
  EXPECT_EQ(pulp.weight_bits, 4);
  EXPECT_EQ(pulp.activation_bits, 2);
  EXPECT_EQ(pulp.model.name, "zoo:tiny_mobile");
  EXPECT_EQ(pulp.model.width, 0.5);
  EXPECT_EQ(pulp.overrides.pulp.l1, "20k");
  EXPECT_EQ(pulp.overrides.pulp.cores, 4);
  EXPECT_EQ(pulp.overrides.clocks, std::vector<std::string>{"cluster=200"});
  EXPECT_EQ(pulp.overrides.settings, std::vector<std::string>{"l3.size_bytes=16777216"});
  EXPECT_EQ(pulp.tiler, pulp::Tiler::Dory);
  EXPECT_EQ(pulp.passes.with, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(pulp.effort, Effort::Fast);
  const auto machine = std::get<pulp::Machine>(load_machine(pulp.machine, pulp.overrides));
  EXPECT_EQ(machine.l1.buffer_bytes, 20480);
  EXPECT_EQ(machine.l3.size_bytes, 16777216);
}

TEST(SweepParameter, every_name_is_taken_by_its_family_alone) {
  for (const Parameter& parameter : named_parameters()) {
    const std::string name(parameter.name);
    for (const auto& [machine, family] : {std::pair("v3_96", "xdnn"), {"gap8", "pulp"}}) {
      const std::string error = refusal([&] { check_parameter(name, machine); });
      EXPECT_EQ(error == "no error", parameter.family.empty() || parameter.family == family)
          << name << " " << machine << ": " << error;
    }
  }
}

xdnn::Machine xdnn_machine(std::vector<Setting> settings) {
  const CompileRequest request =
      request_of({.network = "zoo:tiny_cnn", .machine = "v3_96", .settings = std::move(settings)});
  return std::get<xdnn::Machine>(load_machine(request.machine, request.overrides));
}

double gigabytes_per_second(const xdnn::Machine& machine) {
  return static_cast<double>(machine.ddr.word_bytes) * machine.ddr.efficiency * machine.clocks.ddr /
         1e3;
}

TEST(SweepParameter, bandwidth_is_what_ddr_delivers) {
  for (const char* value : {"1", "4.5", "13.6", "30"}) {
    EXPECT_DOUBLE_EQ(gigabytes_per_second(xdnn_machine({{"bandwidth", value}})), std::stod(value));
    // Whatever the others are, and in whichever order they come.
    EXPECT_DOUBLE_EQ(gigabytes_per_second(xdnn_machine(
                         {{"bandwidth", value}, {"ddr.efficiency", "0.5"}, {"dsp", "64"}})),
                     std::stod(value));
  }
  EXPECT_EQ(refusal([] {
              xdnn_machine({{"bandwidth", "1"}, {"clock.ddr", "300"}});
            }),
            "bandwidth=1: expected no clock.ddr beside it, which it sets; found ddr=300");
  // 64 bytes * 0.71 at 1 to 10000 MHz.
  EXPECT_EQ(
      refusal([] {
        xdnn_machine({{"bandwidth", "0"}});
      }),
      "bandwidth=0: expected 0.04544 to 454.4 GB/s, what a DDR clock of 1 to 10000 MHz gives, "
      "found '0'");
}

TEST(SweepParameter, unknown_names_get_the_nearest) {
  const auto error = [](const char* name) {
    return refusal([&] { check_parameter(name, "v3_96"); });
  };
  EXPECT_NE(error("dps").find("dsp"), std::string::npos) << error("dps");
  EXPECT_NE(error("ddr.eficiency").find("ddr.efficiency"), std::string::npos);
  EXPECT_NE(error("array.row").find("array.rows"), std::string::npos);
  EXPECT_EQ(error("ddr.efficiency"), "no error");
  for (const char* name : {"name", "family", "ddr.", "array", ""}) {
    EXPECT_NE(error(name), "no error") << name;
  }
}

TEST(SweepParameter, a_point_has_a_command) {
  EXPECT_EQ(sweep_command({.network = "zoo:mobilenet_v1?resolution=128&width=0.5",
                           .machine = "configs/gap8.yaml",
                           .settings = {{"l1", "16k"}, {"scheme", "it's"}},
                           .tier = Tier::Transaction}),
            "workbench sweep --hw configs/gap8.yaml --set l1=16k --set 'scheme=it'\\''s' --tier "
            "transaction 'zoo:mobilenet_v1?resolution=128&width=0.5'");
}

constexpr const char* kStudy = R"(name: l1 and cores
networks: zoo:tiny_mobile
machines: [gap8, pulp_open]
parameters:
  l1: 16k..64k:x2
  cores: [1, 2..4:2, 8]
options: {tiler: dory}
conditions:
  - l1 * cores <= 256k
objectives: [min cycles, max images_per_second]
constraints: l1_bytes <= 60k
refine: {neighbours: 2, sample: 5, seed: 3}
search: {method: nsga2, population: 16, generations: 4, seed: 9, above: 1000}
)";

TEST(SweepStudyFile, every_key_is_read) {
  const Study study = parse_study(kStudy, "study.yaml");
  EXPECT_EQ(study.name, "l1 and cores");
  EXPECT_EQ(study.networks, std::vector<std::string>{"zoo:tiny_mobile"});
  EXPECT_EQ(study.machines, (std::vector<std::string>{"gap8", "pulp_open"}));
  ASSERT_EQ(study.parameters.size(), 2u);
  EXPECT_EQ(study.parameters[0].values, (std::vector<std::string>{"16k", "32k", "64k"}));
  EXPECT_EQ(study.parameters[1].values, (std::vector<std::string>{"1", "2", "4", "8"}));
  EXPECT_EQ(study.options, (std::vector<Setting>{{"tiler", "dory"}}));
  EXPECT_EQ(to_string(study.objectives.at(1)), "max images_per_second");
  EXPECT_EQ(to_string(study.constraints.at(0)), "l1_bytes <= 61440");
  EXPECT_EQ(study.refine->neighbours, 2);
  EXPECT_EQ(study.refine->sample, 5);
  EXPECT_EQ(study.search->population, 16);
  EXPECT_EQ(study.search->above, 1000);
  EXPECT_NO_THROW(check(study));
  // JSON is YAML: what the store keeps of a study is a study again.
  EXPECT_EQ(study_json(parse_study(study_json(study), "again")), study_json(study));
}

TEST(SweepStudyFile, mistakes_are_shown_with_their_line) {
  const auto error = [](const std::string& text) {
    return refusal([&] { parse_study(text, "s.yaml"); });
  };
  const auto begins = [&](const std::string& text, const std::string& beginning) {
    EXPECT_EQ(error(text).rfind(beginning, 0), 0u) << text << "\n" << error(text);
    EXPECT_EQ(error(text).find('\n'), std::string::npos) << error(text);
  };
  begins("name: x\nnetwork: y\n", "s.yaml:2: expected one of the keys name, networks,");
  EXPECT_NE(error("network: y\n").find("the nearest is networks; found 'network'"),
            std::string::npos);
  begins("name: x\nname: y\n", "s.yaml:2: key 'name' appears twice");
  begins("parameters:\n  l1: 64k..16k\n", "s.yaml:2: l1: expected LOW..HIGH");
  begins("parameters:\n  l1: []\n", "s.yaml:2: l1: expected a value");
  begins("parameters:\n  l1:\n", "s.yaml:2: l1: expected a value");
  begins("parameters:\n  l1: [[1]]\n", "s.yaml:2: l1: expected a value or a list");
  begins("parameters: 3\n", "s.yaml:1: expected parameters as a mapping");
  begins("name: x\nobjectives: min cycle\n", "s.yaml:2: objectives: expected a metric");
  begins("objectives: least cycles\n", "s.yaml:1: objectives: expected min METRIC");
  begins("objectives: macs\n", "s.yaml:1: objectives: expected min macs or max macs");
  begins("constraints: cycles <= many\n", "s.yaml:1: constraints: expected a number");
  begins("constraints: cycles\n", "s.yaml:1: constraints: expected METRIC <= NUMBER");
  begins("tier: detailed\n", "s.yaml:1: tier: expected analytic or transaction");
  begins("refine: {sample: -1}\n", "s.yaml:1: sample: expected at least 0");
  begins("refine: {samples: 1}\n", "s.yaml:1: expected one of the keys front,");
  begins("search: {population: 10}\n", "s.yaml:1: population: expected a multiple of 4");
  begins("search: {method: random}\n", "s.yaml:1: method: expected nsga2");
  begins("search: genetic\n", "s.yaml:1: search: expected nsga2");
  EXPECT_EQ(error("- 1\n"),
            "s.yaml:1: expected a study as a mapping of keys to values, found a list");
  begins("a: [1\n", "s.yaml:");
  EXPECT_EQ(error(""), "s.yaml: expected a study as a mapping of keys to values, found nothing");
}

TEST(SweepObjectives, a_metric_alone_has_its_own_direction) {
  EXPECT_EQ(parse_objective("cycles", "o").better, Better::Lower);
  EXPECT_EQ(parse_objective("images_per_second", "o").better, Better::Higher);
  EXPECT_EQ(parse_objective("max  cycles", "o").better, Better::Higher);
}

TEST(SweepObjectives, a_parameter_has_none_of_its_own) {
  EXPECT_EQ(parse_objective("min cores", "o").metric, "cores");
  EXPECT_EQ(parse_objective("max dma.bytes_per_cycle", "o").better, Better::Higher);
  EXPECT_EQ(refusal([] { parse_objective("cores", "o"); }),
            "o: expected min cores or max cores, found 'cores'");
  EXPECT_NE(refusal([] { parse_objective("min kores", "o"); }).find("expected a metric"),
            std::string::npos);
}

TEST(SweepObjectives, constraints_compare) {
  const Metrics metrics = {{"cycles", 10}};
  const auto met = [&](const char* text) {
    const Constraint constraint = parse_constraint(text, "c");
    return meets(metrics, {&constraint, 1});
  };
  EXPECT_TRUE(met("cycles <= 10"));
  EXPECT_FALSE(met("cycles < 10"));
  EXPECT_TRUE(met("cycles >= 10"));
  EXPECT_FALSE(met("cycles > 10"));
  EXPECT_TRUE(met("cycles == 10"));
  EXPECT_FALSE(met("latency_ms < 1k"));  // there is none
}

TEST(SweepObjectives, violations_add_up) {
  const Metrics metrics = {{"cycles", 30}, {"latency_ms", 0.5}};
  const auto of = [&](std::initializer_list<const char*> texts) {
    std::vector<Constraint> constraints;
    for (const char* text : texts) constraints.push_back(parse_constraint(text, "c"));
    return violation(metrics, constraints);
  };
  EXPECT_EQ(of({"cycles <= 30", "latency_ms < 1"}), 0);
  EXPECT_DOUBLE_EQ(of({"cycles <= 20"}), 0.001 + 0.5);                            // 10 / 20
  EXPECT_DOUBLE_EQ(of({"cycles <= 20", "latency_ms > 0.6"}), 0.002 + 0.5 + 0.1);  // 0.1 / 1
  EXPECT_GT(of({"cycles < 30"}), 0);  // by nothing, but broken
  EXPECT_GT(of({"macs > 1"}), of({"cycles <= 1"}));
}

}  // namespace
}  // namespace workbench

#include "tests/support/random_pulp.h"

#include <algorithm>
#include <concepts>

namespace workbench {

namespace {

using namespace pulp;  // NOLINT(google-build-using-namespace)

class Draw {
 public:
  explicit Draw(std::mt19937_64& random) : random_(random) {}

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }

  // Some that have to be quoted.
  std::string name() {
    static const std::vector<std::string> kNames = {
        "conv1",        "a b",     "",           "x=y",      "say \"hi\"", "back\\slash",
        "# no comment", "caf\xe9", "two\nlines", "tab\tbed", "/layer/0",   "Conv 3x3/2 +Relu"};
    return kNames[static_cast<std::size_t>(between(0, 11))] + std::to_string(between(0, 99));
  }

  // Most numbers are small, some as they are declared.
  template <HasFields T>
  void fill(T& object) {
    for_each_field(object, [&](std::string_view, auto& member) {
      using Member = std::remove_cvref_t<decltype(member)>;
      if (between(0, 2) == 0) return;
      if constexpr (std::same_as<Member, std::string>) {
        member = name();
      } else if constexpr (std::is_enum_v<Member>) {
        member = static_cast<Member>(between(0, static_cast<std::int64_t>(last(Member{}))));
      } else if constexpr (std::same_as<Member, bool>) {
        member = between(0, 1) == 1;
      } else if constexpr (std::same_as<Member, std::int32_t>) {
        member = static_cast<std::int32_t>(between(0, 100));
      } else {
        const std::int64_t most = between(0, 3) == 0 ? std::int64_t{1} << 40 : 1000;
        member = between(-most, most);
      }
    });
  }

  TensorPlace place() {
    static constexpr std::int64_t kBits[] = {2, 4, 8, 32};
    return {.value = name(),
            .space = static_cast<Space>(between(0, 2)),
            .address = between(0, 1000),
            .channels = between(1, 70),
            .height = between(1, 9),
            .width = between(1, 9),
            .pixel_stride = between(0, 300),
            .row_stride = between(0, 3000),
            .bits = kBits[between(0, 3)],
            .is_signed = between(0, 1) == 1};
  }

 private:
  std::mt19937_64& random_;
};

Graph host_graph(Draw& draw) {
  Graph graph{.name = draw.name()};
  const ValueId real = graph.add_value({.name = "real", .shape = {1, 3, 4, 4}});
  const ValueId code = graph.add_value({.name = "code",
                                        .shape = {1, 3, 4, 4},
                                        .type = ElementType::Uint8,
                                        .quantization = Quantization{.thresholds = {0.5}}});
  graph.nodes.push_back(
      {.name = draw.name(), .op = Quantize{}, .inputs = {real}, .outputs = {code}});
  graph.inputs = {real};
  graph.outputs = {code};
  return graph;
}

void fill_info(ProgramInfo& info, Draw& draw) {
  info.network = draw.name();
  info.machine = draw.name();
  for (std::int64_t n = draw.between(1, 4); n > 0; --n) {
    info.layers.push_back({.name = draw.name(),
                           .op = draw.name(),
                           .shape = {1, draw.between(1, 99), draw.between(1, 9)},
                           .merged = {draw.name(), draw.name()},
                           .macs = draw.between(0, 1 << 30),
                           .ops = draw.between(0, 1 << 30),
                           .result_words = draw.between(0, 99)});
  }
  info.host_steps = {{.name = draw.name(),
                      .op = "Softmax",
                      .reason = draw.name(),
                      .milliseconds = 1.0 / static_cast<double>(draw.between(1, 99)),
                      .macs = 5,
                      .bytes_in = draw.between(0, 99),
                      .bytes_out = draw.between(0, 99),
                      .nodes = {{draw.name(), "Softmax", draw.name()}}}};
  info.network_macs = draw.between(0, 1 << 30);
  info.peak_bytes = draw.between(0, 1 << 20);
}

void fill_tables(Program& program, Draw& draw) {
  const auto count = static_cast<std::int32_t>(program.instructions.size());
  for (std::int64_t n = draw.between(0, 3); n > 0; --n) {
    program.inputs.push_back(draw.place());
    program.outputs.push_back(draw.place());
    const auto first = static_cast<std::int32_t>(draw.between(0, count - 1));
    program.memory_map.push_back({.name = draw.name(),
                                  .space = static_cast<Space>(draw.between(0, 2)),
                                  .address = draw.between(0, 99),
                                  .bytes = draw.between(0, 99),
                                  .first = first,
                                  .last = static_cast<std::int32_t>(draw.between(first, count))});
    program.probes.push_back({.place = draw.place(), .after = first});
    draw.fill(program.tilings.emplace_back());
    program.tilings.back().layer = 0;
  }
  std::sort(program.probes.begin(), program.probes.end(),
            [](const Probe& a, const Probe& b) { return a.after < b.after; });
  program.host_steps = {{.before = 0, .nodes = {}}, {.before = count, .nodes = {0}}};
}

class LoopDraw {
 public:
  LoopDraw(std::mt19937_64& random, std::int64_t layers)
      : random_(random), draw_(random), layers_(layers) {}

  std::vector<Entry> run() {
    body(0);
    return std::move(entries_);
  }

 private:
  void body(std::size_t depth) {
    for (std::int64_t n = draw_.between(1, 4); n > 0; --n) {
      if (depth == kLoopVariables.size() || draw_.between(0, 2) != 0) {
        entries_.push_back(line(depth));
        continue;
      }
      const std::size_t at = entries_.size();
      const auto over = draw_.between(0, static_cast<std::int64_t>(last(LoopOver{})));
      entries_.push_back(Loop{draw_.between(1, 5), 0, static_cast<LoopOver>(over)});
      body(depth + 1);
      std::get<Loop>(entries_[at]).length = static_cast<std::int64_t>(entries_.size() - at - 1);
    }
  }

  Line line(std::size_t depth) {
    Line line{.instruction = random_instruction(random_),
              .layer = static_cast<std::int32_t>(draw_.between(0, layers_ - 1)),
              .text = draw_.between(0, 1) == 0 ? draw_.name() : "kernel 07 tile ",
              .advances = {}};
    std::visit(
        [&](auto& op) {
          for_each_field(op, [&](std::string_view name, auto& member) {
            if constexpr (std::same_as<decltype(member), std::int64_t&>) {
              if (draw_.between(0, 3) != 0) return;
              member = draw_.between(-1000, 1000);
              line.advances.push_back({std::string(name), steps(depth)});
            }
          });
        },
        line.instruction);
    if (depth > 0) line.text += "{" + to_string(Formula{draw_.between(0, 50), steps(depth)}) + "}";
    return line;
  }

  std::vector<std::int64_t> steps(std::size_t depth) {
    std::vector<std::int64_t> steps;
    for (std::size_t d = 0; d < depth; ++d) {
      steps.push_back(draw_.between(0, 1) * draw_.between(-9, 99));
    }
    return steps;
  }

  std::mt19937_64& random_;
  Draw draw_;
  std::int64_t layers_;
  std::vector<Entry> entries_;
};

}  // namespace

std::vector<Entry> random_loops(std::mt19937_64& random, std::int64_t layers) {
  return LoopDraw(random, layers).run();
}

Instruction random_instruction(std::mt19937_64& random) {
  static constexpr const char* kOpcodes[] = {"barrier", "dma",           "dma_wait",
                                             "l3",      "l3_wait",       "code",
                                             "kernel",  "counter_start", "counter_stop"};
  Draw draw(random);
  Instruction instruction = *blank_instruction(kOpcodes[draw.between(0, 8)]);
  std::visit([&](auto& op) { draw.fill(op); }, instruction);
  return instruction;
}

Program random_pulp_program(std::mt19937_64& random) {
  Draw draw(random);
  Program program;
  fill_info(program.info, draw);
  if (draw.between(0, 1) == 0)
    unroll(random_loops(random, std::ssize(program.info.layers)), program);
  for (std::int64_t n = draw.between(1, 12); n > 0; --n) {
    const Instruction& instruction = program.instructions.emplace_back(random_instruction(random));
    const std::int64_t layer = draw.between(0, std::ssize(program.info.layers) - 1);
    program.info.instruction_layer.push_back(static_cast<std::int32_t>(layer));
    program.info.instruction_text.push_back(
        draw.between(0, 1) == 0 ? draw.name()
                                : std::string(opcode(instruction)) + " " +
                                      program.info.layers[static_cast<std::size_t>(layer)].name);
  }
  for (std::int64_t n = draw.between(0, 200); n > 0; --n) {
    program.constants += static_cast<char>(draw.between(-128, 127));
  }
  program.l1_bytes = program.l2_bytes = program.l3_bytes = draw.between(100000, 200000);
  program.host = host_graph(draw);
  fill_tables(program, draw);
  return program;
}

}  // namespace workbench

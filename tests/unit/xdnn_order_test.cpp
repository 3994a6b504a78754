// Orders of networks: sub-graphs, the published example inception_3b, schedule files.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "compiler/xdnn/compile.h"
#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/network_tasks.h"
#include "compiler/xdnn/placed.h"
#include "explore/report/compiler_reports.h"
#include "tests/support/graph_builder.h"
#include "tests/support/xdnn_program.h"
#include "workloads/workloads.h"

namespace workbench {
namespace {

xdnn::Machine v3() { return xdnn::load_machine("configs/v3_96.yaml"); }

// inception_3b of GoogLeNet between two joins, with few channels in front.
Graph inception_3b() {
  GraphBuilder b;
  b.graph().name = "net";
  const auto conv = [&](const std::string& name, ValueId x, std::int64_t channels,
                        std::int64_t kernel) {
    return b.relu("relu_" + name, b.conv(name, x, channels, square_window(kernel, 1, kernel / 2)));
  };
  const std::string m = "inception_3b/";
  const ValueId in = conv("before", b.input("data", {1, 8, 28, 28}), 256, 1);
  const ValueId direct = conv(m + "1x1", in, 128, 1);
  const ValueId three = conv(m + "3x3", conv(m + "3x3_reduce", in, 128, 1), 192, 3);
  const ValueId five = conv(m + "5x5", conv(m + "5x5_reduce", in, 32, 1), 96, 5);
  const ValueId pool = b.add(m + "pool", MaxPool{.window = square_window(3, 1, 1)}, {in});
  const ValueId projected = conv(m + "pool_proj", pool, 64, 1);
  const ValueId out = b.add(m + "output", Concat{}, {direct, three, five, projected});
  b.output(conv("after", out, 8, 1));
  return b.graph();
}

const xdnn::Region* region_called(const xdnn::NetworkTasks& network, const std::string& name) {
  for (const xdnn::Region& region : network.regions) {
    if (region.name == name) return &region;
  }
  return nullptr;
}

bool is_order(const Graph& graph, const std::vector<std::size_t>& order) {
  std::vector<bool> done(graph.nodes.size(), false);
  const auto writer = producers(graph);
  for (const std::size_t n : order) {
    if (n >= done.size() || done[n]) return false;
    for (const ValueId id : graph.nodes[n].inputs) {
      const std::ptrdiff_t from = id == kNoValue ? -1 : writer[static_cast<std::size_t>(id)];
      if (from >= 0 && !done[static_cast<std::size_t>(from)]) return false;
    }
    done[n] = true;
  }
  return order.size() == done.size();
}

TEST(XdnnOrder, inception_3b_has_the_published_schedules_and_space) {
  // The slides of docs/facts/xdnn.md, GoogLeNet's inception_3b: with both reduces merged, six
  // layers of which 3x3 and 5x5 follow the reduce and pool_proj the pool: 6! / (3 * 2) = 120
  // orders. The concat needs its parts and its output: 784 pixels of 480 + 480 channels, 2 bytes
  // each.
  const Graph graph = quantized_for(inception_3b(), v3());
  const auto network = network_tasks(graph, v3(), xdnn::Grouping::MergedReduces);
  const xdnn::Region* region = region_called(network, "inception_3b/output");
  ASSERT_NE(region, nullptr);
  EXPECT_EQ(region->entry, "before");
  const xdnn::OrderProblem problem = part_of(network.published, *region);
  EXPECT_EQ(count_orders(problem), 120);
  std::int64_t best = std::numeric_limits<std::int64_t>::max();
  for (const xdnn::TaskOrder& order : all_orders(problem)) {
    best = std::min(best, score(problem, order).peak);
  }
  EXPECT_EQ(best, 784 * 2 * (480 + 480));
  std::set<std::string> names;
  for (const xdnn::Task& task : problem.tasks) names.insert(task.name);
  EXPECT_TRUE(names.contains("inception_3b/5x5_reduce_merged_3x3_reduce"));
}

TEST(XdnnOrder, unmerged_the_same_sub_graph_has_630) {
  // Seven layers, three pairs in order: 7! / 2^3.
  const Graph graph = quantized_for(inception_3b(), v3());
  const auto network = network_tasks(graph, v3());
  const xdnn::Region* region = region_called(network, "inception_3b/output");
  ASSERT_NE(region, nullptr);
  EXPECT_EQ(count_orders(part_of(network.compiled, *region)), 630);
}

TEST(XdnnOrder, the_dump_shows_counts_paths_and_best_space) {
  const std::string text =
      schedule_report(quantized_for(inception_3b(), v3()), v3(), xdnn::OrderOptions{});
  EXPECT_NE(text.find("630 valid schedules"), std::string::npos) << text;
  EXPECT_NE(text.find("120 valid schedules"), std::string::npos) << text;
  EXPECT_NE(text.find("path memories 150528, 200704, 301056, 401408; best space 1505280"),
            std::string::npos)
      << text;
}

TEST(XdnnOrder, our_own_concat_takes_no_copy) {
  // As allocated here the parts are written into the concat's volume: the least AM is below the
  // published figure, which has them twice.
  const Graph graph = quantized_for(inception_3b(), v3());
  const auto network = network_tasks(graph, v3());
  const xdnn::Region& region = *region_called(network, "inception_3b/output");
  const auto ours = best_order(part_of(network.compiled, region), xdnn::Goal::Space);
  // 784 pixels of 5 words of 96 (480 channels) and of 3 (256) at the least.
  EXPECT_GE(ours.score.peak, 784 * 5 * 96 + 784 * 3 * 96);
  EXPECT_LT(ours.score.peak, 1505280);
}

TEST(XdnnOrder, tasks_outside_a_fork_are_sub_graphs_of_their_own) {
  const Graph graph = quantized_for(inception_3b(), v3());
  const auto network = network_tasks(graph, v3());
  ASSERT_EQ(network.regions.size(), 3u);
  EXPECT_EQ(network.regions[0].name, "before");
  EXPECT_EQ(network.regions[2].name, "after");
}

TEST(XdnnOrder, residual_blocks_end_at_their_sums) {
  const Graph graph = quantized_for(build_workload("tiny_residual"), v3());
  const auto network = network_tasks(graph, v3());
  int sums = 0;
  for (const xdnn::Region& region : network.regions) {
    const std::size_t last = network.groups.nodes[static_cast<std::size_t>(region.end - 1)].front();
    sums += std::holds_alternative<Binary>(graph.nodes[last].op) ? 1 : 0;
  }
  EXPECT_EQ(sums, 3);
}

TEST(XdnnOrder, every_goal_gives_an_order_of_all_nodes) {
  for (const char* name : {"tiny_cnn", "tiny_residual", "tiny_inception", "tiny_mobile"}) {
    const Graph graph = quantized_for(build_workload(name), v3());
    for (const auto goal :
         {xdnn::OrderGoal::Time, xdnn::OrderGoal::Space, xdnn::OrderGoal::Natural}) {
      EXPECT_TRUE(is_order(graph, xdnn::order_nodes(graph, v3(), goal))) << name;
    }
  }
}

TEST(XdnnOrder, the_default_is_never_slower_than_the_alternatives) {
  for (const char* name : {"tiny_residual", "tiny_inception"}) {
    const Graph graph = quantized_for(build_workload(name), v3());
    const Cycles chosen = xdnn::place_fastest_order(graph, v3()).time;
    for (const auto goal : {xdnn::OrderGoal::Space, xdnn::OrderGoal::Natural}) {
      EXPECT_LE(chosen, xdnn::place_fastest_order(graph, v3(), {.goal = goal}).time) << name;
    }
  }
}

TEST(XdnnOrder, an_order_that_does_not_fit_has_no_placement) {
  xdnn::Machine machine = v3();
  const Graph graph = quantized_for(build_workload("tiny_residual"), machine);
  const auto order = xdnn::natural_order(graph);
  EXPECT_TRUE(xdnn::place_in_order(graph, machine, order));
  machine.am.size_bytes = 64 * machine.word_bytes();
  EXPECT_FALSE(xdnn::place_in_order(graph, machine, order));
}

std::string file_error(const std::string& text) {
  const Graph graph = quantized_for(inception_3b(), v3());
  try {
    xdnn::order_nodes(graph, xdnn::parse_order_file(text, "s.txt"));
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(XdnnScheduleFile, names_of_layers_make_an_order) {
  const Graph graph = quantized_for(inception_3b(), v3());
  const auto order = xdnn::order_nodes(
      graph, xdnn::parse_order_file("# mine\n\n  inception_3b/5x5 # late\r\ninception_3b/3x3\n"
                                    "inception_3b/1x1",
                                    "s.txt"));
  EXPECT_TRUE(is_order(graph, order));
  const auto at = [&](const std::string& name) {
    return std::find_if(order.begin(), order.end(),
                        [&](std::size_t n) { return graph.nodes[n].name == name; });
  };
  EXPECT_LT(at("inception_3b/5x5"), at("inception_3b/3x3_reduce"));
  EXPECT_LT(at("inception_3b/3x3"), at("inception_3b/1x1"));
  EXPECT_LT(at("inception_3b/pool"), at("inception_3b/5x5")) << "pools need not be asked for";
}

TEST(XdnnScheduleFile, mistakes_are_told_with_file_and_line) {
  EXPECT_EQ(file_error("before\n\ninception_3b/5x5\ninception_3b/5x5_reduce\n"),
            "s.txt:3: 'inception_3b/5x5' is scheduled before its operand "
            "'inception_3b/5x5_reduce' (line 4)");
  EXPECT_EQ(file_error("before\nbehind\n"),
            "s.txt:2: expected the name of a node of 'net', found 'behind'");
  EXPECT_EQ(file_error("before\n# again\nbefore\n"),
            "s.txt:3: 'before' is scheduled a second time, first in line 1");
  EXPECT_EQ(file_error("before\nrelu_before\n"), "accepted");  // merged into it
  EXPECT_EQ(file_error(""), "accepted");
}

}  // namespace
}  // namespace workbench

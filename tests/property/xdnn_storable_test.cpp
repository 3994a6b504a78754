// What the memory planner may move to DDR, on random concats and machines: a scatter begins at a
// word, so each channel that lies before a write in its word must have been written, too.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/memory_model.h"
#include "compiler/xdnn/order.h"
#include "tests/support/random_graph.h"
#include "tests/support/random_machine.h"
#include "tests/support/xdnn_program.h"

namespace workbench::xdnn {
namespace {

// Channel by channel.
bool storable_by_definition(const std::vector<Span>& written, std::int64_t granule) {
  std::vector<bool> there;
  for (const Span& span : written) {
    there.resize(std::max(there.size(), static_cast<std::size_t>(span.end)));
    for (std::int64_t c = span.begin; c < span.end; ++c) there[static_cast<std::size_t>(c)] = true;
  }
  for (const Span& span : written) {
    for (std::int64_t c = span.begin / granule * granule; c < span.begin; ++c) {
      if (!there[static_cast<std::size_t>(c)]) return false;
    }
  }
  return true;
}

TEST(XdnnStorable, volumes_of_random_networks_by_definition) {
  std::mt19937_64 random(31);
  std::int64_t yes = 0, no = 0;
  for (int i = 0; i < 60; ++i) {
    SCOPED_TRACE(testing::Message() << "network " << i);
    const Family family = i % 2 == 0 ? Family::Darius : Family::V3;
    const Machine machine = random_machine(random, family);
    const Graph graph = quantized_for(random_graph(random, {.concat = 0.5, .host_op = 0}), machine);
    Lowered lowered = lower(graph, machine, natural_order(graph));
    const MemoryModel model(lowered, machine);
    const std::int64_t granule = machine.geometry().channel_granule();
    for (int v = 0; v < static_cast<int>(model.volumes.size()); ++v) {
      std::vector<Span> written;
      for (int p = 0; p <= static_cast<int>(model.ops.size()); ++p) {
        const bool expected = storable_by_definition(written, granule);
        ASSERT_EQ(model.storable(v, p), expected) << "volume " << v << " before op " << p;
        (expected ? yes : no) += 1;
        if (p == static_cast<int>(model.ops.size())) break;
        const Access& write = model.ops[at(p)].write;
        if (write.volume == v) written.push_back(write.channels);
      }
    }
  }
  EXPECT_GT(yes, 0);
  EXPECT_GT(no, 0);
}

TEST(XdnnStorable, runs_of_random_channels_by_definition) {
  std::mt19937_64 random(37);
  for (int i = 0; i < 5000; ++i) {
    const auto granule = static_cast<std::int64_t>(1 + random() % 9);
    std::vector<Span> written;
    for (std::uint64_t left = random() % 6; left > 0; --left) {
      const auto begin = static_cast<std::int64_t>(random() % 40);
      written.push_back({begin, begin + 1 + static_cast<std::int64_t>(random() % 12)});
    }
    ASSERT_EQ(runs_begin_at_words(written, 0, granule), storable_by_definition(written, granule))
        << "case " << i;
  }
}

}  // namespace
}  // namespace workbench::xdnn

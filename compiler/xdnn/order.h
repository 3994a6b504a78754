// The order in which the nodes of a network are computed: it decides which engines work side by
// side and how much is alive at once, not what comes out.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// An order as the user wrote it: names of nodes, one per line.
struct OrderFile {
  struct Entry {
    std::string node;
    int line = 0;
  };
  std::string path;  // for errors
  std::vector<Entry> entries;
};
// One name per line; '#' starts a comment, blanks around a name do not count. Throws Error
// "FILE:LINE: ..." when a name comes twice.
OrderFile parse_order_file(const std::string& text, const std::string& path);

enum class OrderGoal { Time, Space, Natural };

struct OrderOptions {
  OrderGoal goal = OrderGoal::Time;
  std::optional<OrderFile> file;  // takes precedence
};

// Graph order, but a pool comes as soon as its operand is there: the pool engine then works beside
// the convolutions that read the same tensor.
std::vector<std::size_t> natural_order(const Graph& quantized);

// The best orders of all sub-graphs (network_tasks.h), stitched together. Every node once, operands
// before their readers.
std::vector<std::size_t> order_nodes(const Graph& quantized, const Machine& machine,
                                     OrderGoal goal);

// The order of the file. Nodes it does not name come as late as the named ones allow; pools, joins
// and the host's part as early. Throws Error "FILE:LINE: ..." for a name that is no node, and where
// a node comes before one of its operands. A node may also be called by the name of one that was
// merged into it.
std::vector<std::size_t> order_nodes(const Graph& quantized, const OrderFile& file);

struct CandidateOrder {
  std::string name;  // "time", "natural", "space", or the file's path
  std::vector<std::size_t> nodes;
  bool stopped = false;  // the search ended for want of steps (SearchLimits): it is the best so far
};
// The candidate orders under the options. With goal Time (which is modelled without addresses)
// three orders at most, each once: that of least time first, that of least space last. Else one.
std::vector<CandidateOrder> candidate_orders(const Graph& quantized, const Machine& machine,
                                             const OrderOptions& options);

}  // namespace workbench::xdnn

// A node of the network in C: a function of the index of an element, as the fabric controller
// computes it (runtime/pulp/network/fabric.h). Its arithmetic is Arithmetic::Exact's.
#pragma once

#include <optional>
#include <string>

#include "compiler/pulp/fabric/writer.h"
#include "core/graph.h"

namespace workbench::pulp {

struct ElementText {
  std::string function;  // "static TYPE NAME(int32_t i)"; before it tables, whose names begin so
  std::string at_begin;  // statements that come before its first call in each turn
};

// Element i of result `number` of the node. Constant weights of a ConvTranspose are
// asked for as [Co, Ci/groups, kernel]. Nothing: there is no C for it.
std::optional<ElementText> c_element(const Graph& graph, const Node& node, std::size_t number,
                                     const std::string& name, const ReadElement& read);

// Whether an element of the result depends on many of an operand.
bool reads_many(const Op& op);

// An operator is one of these, each family of them in a file of its own: the body of the function,
// with its tables. False: not of such operands. An operator without one has no C.
bool write_element(ElementWriter& w, const Quantize& op);  // one_of_one.cpp
bool write_element(ElementWriter& w, const Dequantize& op);
bool write_element(ElementWriter& w, const Identity& op);
bool write_element(ElementWriter& w, const Activate& op);
bool write_element(ElementWriter& w, const PRelu& op);
bool write_element(ElementWriter& w, const Binary& op);
bool write_element(ElementWriter& w, const Where& op);
bool write_element(ElementWriter& w, const BatchNorm& op);
bool write_element(ElementWriter& w, const MaxPool& op);  // windows.cpp
bool write_element(ElementWriter& w, const AveragePool& op);
bool write_element(ElementWriter& w, const Conv& op);
bool write_element(ElementWriter& w, const ConvTranspose& op);
bool write_element(ElementWriter& w, const Gemm& op);  // products.cpp
bool write_element(ElementWriter& w, const MatMul& op);
bool write_element(ElementWriter& w, const Reduce& op);  // reductions.cpp
bool write_element(ElementWriter& w, const Lrn& op);
bool write_element(ElementWriter& w, const Softmax& op);
bool write_element(ElementWriter& w, const InstanceNorm& op);
bool write_element(ElementWriter& w, const LayerNorm& op);
bool write_element(ElementWriter& w, const ArgReduce& op);  // ranks.cpp
bool write_element(ElementWriter& w, const TopK& op);
bool write_element(ElementWriter& w, const CumSum& op);
bool write_element(ElementWriter& w, const Concat& op);  // picked.cpp
bool write_element(ElementWriter& w, const Gather& op);
bool write_element(ElementWriter& w, const GatherElements& op);
bool write_element(ElementWriter& w, const GatherNd& op);
bool write_element(ElementWriter& w, const ScatterElements& op);
bool write_element(ElementWriter& w, const ScatterNd& op);
bool write_element(ElementWriter& w, const Interpolate& op);
bool write_element(ElementWriter& w, const GridSample& op);
bool write_element(ElementWriter& w, const Recurrent& op);  // recurrent.cpp
template <typename T>
bool write_element(ElementWriter&, const T&) {
  return false;
}

}  // namespace workbench::pulp

// What a quantized form is written with: values and nodes under unique names, quantizers, groups.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "compiler/quantize/graffitist_form.h"

namespace workbench::graffitist {

class FormWriter {
 protected:
  // A quantizer to be placed: `bits` as in the arguments, negative for signed.
  struct Quant {
    std::string name, source;
    int bits = -8;
    Rounding rounding = Rounding::HalfEven;
    bool from_weights = false;
  };
  struct Placed {
    ValueId value = kNoValue;  // rounded
    std::size_t place = 0;
  };

  explicit FormWriter(const Graph& network);

  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }
  bool is_output(ValueId id) const;
  // The name of a value of the network before its last quantizer.
  std::string real_name(ValueId id) const;

  static std::string unique(std::set<std::string>& names, std::string name);
  ValueId add_value(std::string name, const Shape& shape);
  ValueId copy(ValueId id, std::string name);
  ValueId add_constant(std::string name, Tensor tensor);
  ValueId add_node(Op op, const std::string& name, std::vector<ValueId> inputs, ValueId output);

  // What readers of a value of the network read in the form.
  ValueId read(ValueId id);
  // Rounds `real`; the rounded value is called `name`.
  Placed quantized(ValueId real, const Quant& quant, std::string name);
  // The last quantizer of a value of the network: its readers read what it leaves.
  Placed finish(ValueId id, ValueId real, const Quant& quant);
  // Both share a threshold. Throws Error when they differ in width or sign.
  void tie(std::size_t a, std::size_t b, const std::string& reason);
  // Sets of quantizers, or of layers for their layer_quant. Throws Error for unknown names.
  void merge_as_asked(const std::vector<std::vector<std::string>>& sets);
  Form take();  // with its groups numbered

  const Graph& network_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<ValueId> read_;            // by network id: what its readers read in the form
  std::map<ValueId, std::size_t> last_;  // network id -> the place that rounded it last
  std::set<ValueId> direct_;             // network ids that inherited their scale
  std::set<std::string> value_names_, node_names_;
  Form form_;

 private:
  std::map<std::size_t, std::string> reasons_;  // by group root
};

}  // namespace workbench::graffitist

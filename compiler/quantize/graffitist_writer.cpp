#include "compiler/quantize/graffitist_writer.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "core/error.h"

namespace workbench::graffitist {

namespace {

ElementType code_type(int width, bool is_signed) {
  if (width <= 8) return is_signed ? ElementType::Int8 : ElementType::Uint8;
  return is_signed ? ElementType::Int16 : ElementType::Uint16;
}

}  // namespace

FormWriter::FormWriter(const Graph& network)
    : network_(network), readers_(consumers(network)), read_(network.values.size(), kNoValue) {
  form_.graph.name = network.name;
}

bool FormWriter::is_output(ValueId id) const {
  const auto& outputs = network_.outputs;
  return std::find(outputs.begin(), outputs.end(), id) != outputs.end();
}

std::string FormWriter::unique(std::set<std::string>& names, std::string name) {
  while (!names.insert(name).second) name += '_';
  return name;
}

ValueId FormWriter::add_value(std::string name, const Shape& shape) {
  return form_.graph.add_value({.name = unique(value_names_, std::move(name)), .shape = shape});
}

ValueId FormWriter::copy(ValueId id, std::string name) {
  Value value = network_.value(id);
  value.name = unique(value_names_, std::move(name));
  value.quantization.reset();
  return form_.graph.add_value(std::move(value));
}

ValueId FormWriter::read(ValueId id) {
  if (id == kNoValue) return id;
  if (network_.value(id).constant) {
    if (read_[at(id)] == kNoValue) read_[at(id)] = copy(id, network_.value(id).name);
    return read_[at(id)];
  }
  CHECK(read_[at(id)] != kNoValue, "'{}' is read before it is written", network_.value(id).name);
  return read_[at(id)];
}

ValueId FormWriter::add_constant(std::string name, Tensor tensor) {
  return form_.graph.add_constant(unique(value_names_, std::move(name)), std::move(tensor));
}

ValueId FormWriter::add_node(Op op, const std::string& name, std::vector<ValueId> inputs,
                             ValueId output) {
  form_.graph.nodes.push_back({.name = unique(node_names_, name),
                               .op = std::move(op),
                               .inputs = std::move(inputs),
                               .outputs = {output}});
  return output;
}

FormWriter::Placed FormWriter::quantized(ValueId real, const Quant& quant, std::string name) {
  const Value& value = form_.graph.value(real);
  const std::string base = value.name;
  const Shape shape = value.shape;
  const bool is_signed = quant.bits < 0;
  const int width = std::abs(quant.bits);
  Value codes{.name = unique(value_names_, base + "_int" + std::to_string(width)),
              .shape = shape,
              .type = code_type(width, is_signed)};
  codes.quantization = Quantization{
      .bits = width, .is_signed = is_signed, .thresholds = {1.0}, .rounding = quant.rounding};
  const ValueId code = form_.graph.add_value(std::move(codes));
  const std::size_t place = form_.places.size();
  form_.places.push_back({.quantizer = {.name = quant.source + "/" + quant.name,
                                        .source_node = quant.source,
                                        .bits = width,
                                        .is_signed = is_signed,
                                        .rounding = quant.rounding},
                          .node = form_.graph.nodes.size(),
                          .group = place,
                          .from_weights = quant.from_weights});
  add_node(Quantize{}, base + "_quantize", {real}, code);
  const ValueId back = add_value(std::move(name), shape);
  add_node(Dequantize{}, base + "_dequantize", {code}, back);
  return {back, place};
}

FormWriter::Placed FormWriter::finish(ValueId id, ValueId real, const Quant& quant) {
  const std::string& name = network_.value(id).name;
  const Placed placed = quantized(real, quant, is_output(id) ? name : name + "_quantized");
  read_[at(id)] = placed.value;
  last_[id] = placed.place;
  form_.formats.emplace_back(id, placed.place);
  return placed;
}

std::string FormWriter::real_name(ValueId id) const {
  const std::string& name = network_.value(id).name;
  return is_output(id) ? name + "_unrounded" : name;
}

void FormWriter::tie(std::size_t a, std::size_t b, const std::string& reason) {
  const Quantizer& one = form_.places[a].quantizer;
  const Quantizer& other = form_.places[b].quantizer;
  if (one.bits != other.bits || one.is_signed != other.is_signed) {
    fail(
        "graffitist: {}: '{}' and '{}' must share a threshold: expected one width and sign, "
        "found {}{} and {}{}",
        reason, one.name, other.name, one.is_signed ? "int" : "uint", one.bits,
        other.is_signed ? "int" : "uint", other.bits);
  }
  const std::size_t from = form_.places[b].group, to = form_.places[a].group;
  for (Place& place : form_.places) {
    if (place.group == from) place.group = to;
  }
  reasons_[to] = reason;
}

void FormWriter::merge_as_asked(const std::vector<std::vector<std::string>>& sets) {
  for (const auto& names : sets) {
    std::optional<std::size_t> first;
    for (const std::string& name : names) {
      const auto found = std::find_if(form_.places.begin(), form_.places.end(), [&](auto& place) {
        return place.quantizer.name == name || place.quantizer.name == name + "/layer_quant";
      });
      if (found == form_.places.end()) {
        fail("layer_merge_list: expected layers of the network, found '{}'", name);
      }
      const auto place = static_cast<std::size_t>(found - form_.places.begin());
      if (first) tie(*first, place, "layer_merge_list");
      first = first ? first : place;
    }
  }
}

Form FormWriter::take() {
  std::map<std::size_t, std::size_t> numbers;
  for (std::size_t i = 0; i < form_.places.size(); ++i) {
    Place& place = form_.places[i];
    const std::size_t root = place.group;
    const auto [found, added] = numbers.emplace(root, form_.groups.size());
    if (added) {
      form_.groups.emplace_back();
      form_.reasons.push_back(reasons_.contains(root) ? reasons_.at(root) : "");
    }
    place.group = found->second;
    form_.groups[place.group].push_back(i);
  }
  return std::move(form_);
}

}  // namespace workbench::graffitist

#include "compiler/pulp/fabric/turns.h"

#include <algorithm>
#include <optional>
#include <set>

#include "compiler/pulp/c_text.h"
#include "compiler/pulp/fabric/elements.h"
#include "compiler/pulp/fabric/ends.h"
#include "compiler/pulp/fabric/moves.h"
#include "compiler/pulp/fabric/tables.h"
#include "compiler/pulp/fabric/values.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/units.h"

namespace workbench::pulp {

namespace {

constexpr std::int64_t kLiteralElements = 64;  // larger constants are not in the code

bool is_real(const Value& value) { return value.type == ElementType::Float32; }

std::int64_t bits_of(const Value& value) {
  if (value.type == ElementType::Int64) return 32;
  if (value.quantization && value.quantization->bits < 8)
    return 8;  // a byte each in our own memory
  return 8 * element_bytes(value.type);
}
bool is_signed(const Value& value) {
  return value.type == ElementType::Int8 || value.type == ElementType::Int16 ||
         value.type == ElementType::Int32;
}

// A code of 8 bits: a number may be a table's.
bool is_byte(const Value& value) {
  const bool byte = value.type == ElementType::Int8 || value.type == ElementType::Uint8;
  return byte && (!value.quantization || value.quantization->bits <= 8);
}

// A tensor of our own in L3: pixels behind each other where it is an image; `in_order`: of its
// elements.
TensorPlace own_place(const Value& value, std::int64_t address, bool in_order = false) {
  TensorPlace place{.value = value.name, .space = Space::L3, .address = address};
  const Shape& shape = value.shape;
  const bool image = shape.size() == 4 && shape[0] == 1 && !in_order;
  place.channels = image ? shape[1] : element_count(shape);
  place.height = image ? shape[2] : 1;
  place.width = image ? shape[3] : 1;
  place.bits = bits_of(value);
  place.is_signed = is_signed(value);
  place.pixel_stride = place.channels * place.bits / 8;
  place.row_stride = place.width * place.pixel_stride;
  return place;
}

std::int64_t end_of(const TensorPlace& place) {
  return place.address + (place.height - 1) * place.row_stride +
         (place.width - 1) * place.pixel_stride + ceil_div(place.channels * place.bits, 8);
}
bool overlap(const TensorPlace& a, const TensorPlace& b) {
  return a.space == b.space && a.address < end_of(b) && b.address < end_of(a);
}

// Constants in L3, from `begin` on.
struct Constants {
  std::int64_t begin = 0;
  std::string bytes;
  std::map<ValueId, TensorPlace> places;

  // At the next address for words.
  std::int64_t append(const Tensor& tensor) {
    bytes.resize(static_cast<std::size_t>(round_up(std::ssize(bytes), 4)));
    const std::int64_t address = begin + std::ssize(bytes);
    bytes.append(reinterpret_cast<const char*>(tensor.data()),
                 static_cast<std::size_t>(tensor.size_bytes()));
    return address;
  }
};

// The file of one turn.
class Turn {
 public:
  using Places = std::map<ValueId, TensorPlace>;
  // A tensor of ours that outlives turns, written in turn `since`; -1: it is given.
  struct Kept {
    TensorPlace place;
    int since = -1;
  };
  using KeptTensors = std::map<ValueId, Kept>;

  // Appends tables to `constants`; `free`: first byte of L3 that neither they nor kept tensors
  // have.
  Turn(const HostValues& host, const HostStep& step, int number, const KeptTensors& kept,
       Constants& constants, std::int64_t free)
      : host_(host), step_(step), number_(number), kept_(kept), constants_(constants), free_(free) {
    choose_stored();
  }

  std::string text(const std::string& function) {
    for (const auto& [id, kept] : kept_) {
      if (kept.since == number_ && !is_here(id)) keep(id, kept.place);
    }
    for (const std::size_t n : step_.nodes) {
      for (const ValueId id : host_.graph().nodes[n].outputs) {
        if (id != kNoValue && stored_.contains(id)) write(id);
      }
    }
    const std::string turn =
        fmt::format("\nvoid {}(const memories_t* memories) {{\n{}  fabric_begin(memories);\n",
                    function, at_begin_) +
        body_ + copies_ + "  fabric_end();\n}\n";
    return "#include <math.h>\n\n#include \"fabric.h\"\n\n" + definitions_for(turn) + turn;
  }
  std::int64_t end() const { return free_; }

 private:
  // A value that is an elementwise function of codes in one memory, or moved from there: a table by
  // code. `accessor`: the function of an index whose code is looked up.
  struct Lookup {
    std::string accessor;
    ValueId codes = kNoValue;  // that lie there in this order; kNoValue: moved
    std::int64_t low = 0;
    Tensor table;  // tables.h
  };

  bool is_here(ValueId id) const { return host_.turn_of(id) == number_; }

  // Those that the text uses, or that others of them do, in their order.
  std::string definitions_for(const std::string& text) const {
    std::string used = text;
    std::vector<const std::string*> wanted;
    for (auto one = definitions_.rbegin(); one != definitions_.rend(); ++one) {
      if (!has_word(used, one->name)) continue;
      used += one->text;
      wanted.push_back(&one->text);
    }
    std::string list;
    for (auto one = wanted.rbegin(); one != wanted.rend(); ++one) list += **one;
    return list;
  }
  void define(const std::string& name, std::string text) {
    definitions_.push_back({name, std::move(text)});
  }

  // Storage.

  void choose_stored() {
    const Graph& graph = host_.graph();
    for (auto n = step_.nodes.rbegin(); n != step_.nodes.rend(); ++n) {
      for (const ValueId id : graph.nodes[*n].outputs) {
        if (id == kNoValue) continue;
        const bool wanted = host_.place(id) != nullptr || kept_.contains(id);
        const bool many = reads_many(graph.nodes[*n].op);
        const bool cheap = host_.is_made_anew(id) || (!many && code_behind(id) != kNoValue);
        const int asked = reads(id);
        if (wanted || (many && asked > 0) || (!cheap && asked > 1)) stored_.insert(id);
      }
    }
  }
  // The codes whose function it is, element by element, or the value that moved them; kNoValue: it
  // depends on more.
  ValueId code_behind(ValueId id) const {
    const Value& value = host_.value(id);
    if (!is_here(id) && host_.root(id) == id) {
      return value.quantization || is_byte(value) ? id : kNoValue;
    }
    const Node& node = *host_.writer(id);
    if (traits(node.op).moves_data && !std::holds_alternative<Concat>(node.op)) {
      return code_behind(node.inputs[0]) == kNoValue ? kNoValue : id;
    }
    if (!is_of_one_element(host_.graph(), node)) return kNoValue;
    ValueId behind = kNoValue;
    for (const ValueId input : node.inputs) {
      if (host_.value(input).constant) continue;
      const ValueId code = code_behind(input);
      if (code == kNoValue || (behind != kNoValue && behind != code)) return kNoValue;
      behind = code;
    }
    return behind;
  }
  // How often an element is asked for, as far as it matters: 0, 1, more. A result that is made
  // where it is read asks as often as it is asked.
  int reads(ValueId id) const {
    int count = 0;
    for (const std::size_t n : host_.readers(id)) {
      if (host_.turn_of_node(n) != number_) continue;
      const Node& node = host_.graph().nodes[n];
      for (const ValueId result : node.outputs) {
        if (result == kNoValue) continue;
        const bool stretched =
            element_count(host_.value(result).shape) > element_count(host_.value(id).shape);
        const int asked = stored_.contains(result) ? 1 : reads(result);
        count += (reads_many(node.op) || stretched) ? 2 * asked : asked;
      }
      if (count > 1) return count;
    }
    return count;
  }

  const TensorPlace& own(ValueId id) {
    const auto kept = kept_.find(id);
    if (kept != kept_.end() && kept->second.since == number_) return kept->second.place;
    const auto found = own_.find(id);
    if (found != own_.end()) return found->second;
    const TensorPlace place = own_place(host_.value(id), free_);
    free_ = round_up(end_of(place), 4);
    return own_.emplace(id, place).first->second;
  }

  std::string declare(const TensorPlace& place, bool real) {
    const std::string name = fmt::format("t{}", tensors_++);
    std::string text = fmt::format(
        "// {}\nstatic const fabric_tensor_t {} = {{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}}};\n",
        in_c_comment(place.value), name, place.space == Space::L3 ? 1 : 0, place.bits,
        place.is_signed ? 1 : 0, real ? 1 : 0, place.address, place.channels, place.height,
        place.width, place.pixel_stride, place.row_stride);
    define(name, std::move(text));
    return name;
  }

  // The tensor that a value which is not made here is read from.
  const TensorPlace& source(ValueId id) {
    if (host_.value(id).constant) return constants_.places.at(id);
    const auto kept = kept_.find(id);
    if (kept != kept_.end() && kept->second.since < number_) return kept->second.place;
    if (is_here(id) && (host_.place(id) == nullptr || copied_.contains(id))) return own(id);
    const TensorPlace* place = host_.place(id);
    CHECK(place != nullptr, "'{}' lies nowhere", host_.value(id).name);
    return *place;
  }

  // Functions of an index.

  // Its name.
  std::string reader(ValueId id) {
    const auto found = readers_.find(id);
    if (found != readers_.end()) return found->second;
    const std::string name = fmt::format("v{}", id);
    const Value& value = host_.value(id);
    if (value.constant && value.constant->size() <= kLiteralElements) {
      add_literals(value, name);
    } else if (is_here(id) ? stored_.contains(id) : host_.root(id) == id) {
      const std::string tensor = declare(source(id), is_real(value));
      define(name, fmt::format("static {0} {1}(int32_t i) {{ return fabric_{2}(&{3}, i); }}\n",
                               c_type(value), name, is_real(value) ? "real" : "code", tensor));
    } else {
      make(id, name);
    }
    return readers_[id] = name;
  }

  void add_literals(const Value& value, const std::string& name) {
    const Tensor& tensor = *value.constant;
    std::string text = fmt::format("static const {} {}_values[] = {{", c_type(value), name);
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      text += (i % 8 == 0 ? "\n    " : " ") + number(tensor, i) + ",";
    }
    text += fmt::format("\n}};\nstatic {0} {1}(int32_t i) {{ return {1}_values[i]; }}\n",
                        c_type(value), name);
    define(name, std::move(text));
  }
  static std::string number(const Tensor& tensor, std::int64_t i) {
    const auto k = static_cast<std::size_t>(i);
    switch (tensor.type()) {
      case ElementType::Float32:
        return c_float(tensor.values<float>()[k]);
      case ElementType::Int8:
        return std::to_string(tensor.values<std::int8_t>()[k]);
      case ElementType::Uint8:
        return std::to_string(tensor.values<std::uint8_t>()[k]);
      case ElementType::Int16:
        return std::to_string(tensor.values<std::int16_t>()[k]);
      case ElementType::Uint16:
        return std::to_string(tensor.values<std::uint16_t>()[k]);
      case ElementType::Int32:
        return std::to_string(tensor.values<std::int32_t>()[k]);
      case ElementType::Int64:
        return std::to_string(tensor.values<std::int64_t>()[k]);
      case ElementType::Bool:
        return tensor.values<bool>()[k] ? "1" : "0";
      default:
        CHECK(false, "a number of type {}", to_string(tensor.type()));
    }
  }

  // The function that computes a value of this turn, or makes one anew.
  void make(ValueId id, const std::string& name) {
    if (const auto lookup = lookup_of(id)) {
      define_lookup(*lookup, name);
      return;
    }
    const Node& node = *host_.writer(id);
    const auto number = std::ranges::find(node.outputs, id) - node.outputs.begin();
    const auto text = c_element(host_.graph(), node, static_cast<std::size_t>(number), name,
                                [&](std::size_t k, const std::string& index) {
                                  return fmt::format("{}({})", reader(node.inputs[k]), index);
                                });
    if (!text) refuse(node);
    define(name, text->function);
    at_begin_ += text->at_begin;
  }

  [[noreturn]] void refuse(const Node& node) const {
    fail("'{}' ({}): run on the host between layers: {}", node.name, op_name(node.op),
         obstacle_to_c(host_, node));
  }

  // Tables.

  void define_lookup(const Lookup& lookup, const std::string& name) {
    const Tensor& table = lookup.table;
    const bool real = table.type() == ElementType::Float32;
    const std::string least = lookup.low == 0 ? "" : fmt::format(" + {}", -lookup.low);
    const std::string code = fmt::format("{}(i){}", lookup.accessor, least);
    if (table.dim(1) > 1) {
      const std::string tensor = declare(own_table(table, name), real);
      const Shape& shape = host_.value(lookup.codes).shape;
      tables_[name] = tensor;
      define(name, fmt::format("static {} {}(int32_t i) {{ return fabric_{}(&{}, i / {} * "
                               "{} + {}); }}\n",
                               real ? "float" : "int32_t", name, real ? "real" : "code", tensor,
                               shape[2] * shape[3], kCodes, code));
      return;
    }
    const std::string type = real                                 ? "float"
                             : table.type() == ElementType::Int8  ? "int8_t"
                             : table.type() == ElementType::Uint8 ? "uint8_t"
                                                                  : "int32_t";
    std::string text = fmt::format("static const {} {}_by_code[] = {{", type, name);
    for (std::int64_t i = 0; i < table.size(); ++i) {
      text += (i % 8 == 0 ? "\n    " : " ") + number(table, i) + ",";
    }
    define(name + "_by_code", text + "\n};\n");
    define(name, fmt::format("static {0} {1}(int32_t i) {{ return {1}_by_code[{2}]; }}\n",
                             real ? "float" : "int32_t", name, code));
  }

  // Tables of many channels lie in L3, behind the other constants.
  TensorPlace own_table(const Tensor& table, const std::string& name) {
    TensorPlace place{.value = fmt::format("{} by channel and code", name),
                      .space = Space::L3,
                      .address = constants_.append(table),
                      .channels = table.size(),
                      .height = 1,
                      .width = 1,
                      .bits = 8 * element_bytes(table.type()),
                      .is_signed = table.type() == ElementType::Int8};
    place.pixel_stride = place.row_stride = table.size_bytes();
    return place;
  }

  // The lookup of a value that is read.
  const std::optional<Lookup>& lookup_of_read(ValueId id) {
    const auto found = lookups_.find(id);
    if (found != lookups_.end()) return found->second;
    std::optional<Lookup> lookup;
    const Value& value = host_.value(id);
    if (value.constant) {
      lookup = std::nullopt;
    } else if (is_here(id) ? stored_.contains(id) : host_.root(id) == id) {
      lookup = codes_of(id);
    } else {
      lookup = lookup_of(id);
    }
    return lookups_[id] = std::move(lookup);
  }
  std::optional<Lookup> codes_of(ValueId id) {
    const Value& value = host_.value(id);
    if (!is_byte(value)) return std::nullopt;
    return Lookup{.accessor = reader(id),
                  .codes = id,
                  .low = value.type == ElementType::Int8 ? -128 : 0,
                  .table = all_codes(value.type)};
  }

  // Of a value as its node makes it.
  std::optional<Lookup> lookup_of(ValueId id) {
    const Node& node = *host_.writer(id);
    const bool converts = std::holds_alternative<Identity>(node.op) &&
                          host_.value(node.inputs[0]).type != host_.value(id).type;
    if (traits(node.op).moves_data && !node.affine && !converts) {
      const bool one_operand = !std::holds_alternative<Concat>(node.op);
      if (!one_operand || node.inputs[0] == kNoValue) return std::nullopt;
      if (host_.value(node.inputs[0]).type != host_.value(id).type) return std::nullopt;
      return moved_lookup(id, node);
    }
    if (!is_of_one_element(host_.graph(), node)) return std::nullopt;
    std::optional<Lookup> result;
    std::vector<Tensor> operands;
    for (const ValueId input : node.inputs) {
      operands.emplace_back();
      if (host_.value(input).constant) continue;
      const std::optional<Lookup>& lookup = lookup_of_read(input);
      if (!lookup || (result && result->accessor != lookup->accessor)) return std::nullopt;
      operands.back() = lookup->table;
      if (!result) result = lookup;
    }
    if (!result) return std::nullopt;
    auto table = table_of(host_.graph(), node, operands);
    if (!table) return std::nullopt;
    result->table = std::move(*table);
    return result;
  }
  std::optional<Lookup> moved_lookup(ValueId id, const Node& node) {
    const std::optional<Lookup> lookup = lookup_of_read(node.inputs[0]);
    if (!lookup) return std::nullopt;
    const auto sources = moved_elements(host_.graph(), node);
    if (!sources || std::ranges::find(*sources, -1) != sources->end()) return std::nullopt;
    const bool by_channel = lookup->table.dim(1) > 1;
    if (by_channel && host_.value(node.inputs[0]).shape != host_.value(id).shape) {
      return std::nullopt;
    }
    if (traits(node.op).silent) return lookup;
    if (by_channel) return std::nullopt;
    Lookup moved = *lookup;
    moved.codes = kNoValue;
    moved.accessor = fmt::format("c{}", id);
    if (accessors_.insert(moved.accessor).second) {
      const std::string index = moved.accessor + "_from";
      define(moved.accessor,
             c_index_function(index, *sources, host_.value(id).shape) +
                 fmt::format("static int32_t {}(int32_t i) {{ return {}({}(i)); }}\n",
                             moved.accessor, lookup->accessor, index));
    }
    return moved;
  }

  // Statements.

  // All elements, pixel by pixel as they lie; by channels where each asks for weights of its own.
  static std::string loop_head(const TensorPlace& place, bool by_channel = false) {
    const std::int64_t pixels = place.height * place.width, elements = pixels * place.channels;
    if (pixels == 1 || place.channels == 1 || by_channel) {
      return fmt::format("  for (int32_t i = 0; i < {}; ++i) {{\n", elements);
    }
    return fmt::format(
        "  for (int32_t pixel = 0; pixel < {0}; ++pixel)\n"
        "    for (int32_t i = pixel; i < {1}; i += {0}) {{\n",
        pixels, elements);
  }

  void write(ValueId id) {
    const Value& value = host_.value(id);
    if (c_type(value).empty()) refuse(*host_.writer(id));
    const TensorPlace* place = host_.place(id);
    const bool staged = place != nullptr && overwrites(*place);
    if (staged) copied_.insert(id);
    const std::string name = fmt::format("f{}", id);
    make(id, name);
    std::vector<TensorPlace> targets;
    if (place == nullptr || staged) targets.push_back(own(id));
    if (place != nullptr && !staged) targets.push_back(*place);
    const auto kept = kept_.find(id);
    if (kept != kept_.end() && targets != std::vector{kept->second.place}) {
      targets.push_back(kept->second.place);
    }
    body_ += fmt::format("  // {}\n", in_c_comment(value.name));
    if (!map(id, name, targets)) {
      const bool by_channel = traits(host_.writer(id)->op).multiplies;
      body_ += loop_head(targets[0], by_channel) +
               fmt::format("    const {} x = {}(i);\n", c_type(value), name);
      for (const TensorPlace& target : targets) body_ += put(value, target, "x");
      body_ += "  }\n";
    }
    if (!staged) return;
    copies_ += loop_head(*place) + put(value, *place, fmt::format("{}(i)", reader(id))) + "  }\n";
  }
  // Bytes by a table, as a whole: where they lie in pixels alike.
  bool map(ValueId id, const std::string& name, const std::vector<TensorPlace>& targets) {
    const auto lookup = lookup_of(id);
    if (!lookup || lookup->codes == kNoValue || element_bytes(lookup->table.type()) != 1) {
      return false;
    }
    const TensorPlace from = source(lookup->codes);
    const auto alike = [&](const TensorPlace& to) {
      return from.bits == 8 && to.bits == 8 && from.channels == to.channels &&
             from.height == to.height && from.width == to.width;
    };
    if (!std::ranges::all_of(targets, alike)) return false;
    for (const TensorPlace& target : targets) {
      const std::string tensors =
          fmt::format("&{}, &{}", declare(from, false), declare(target, false));
      body_ += tables_.contains(name)
                   ? fmt::format("  fabric_map_channels({}, &{});\n", tensors, tables_.at(name))
                   : fmt::format("  fabric_map({}, {}_by_code);\n", tensors, name);
    }
    return true;
  }
  // What the cluster has made, while it lies where it was made.
  void keep(ValueId id, const TensorPlace& target) {
    const Value& value = host_.value(id);
    body_ += fmt::format("  // {}, for later\n", in_c_comment(value.name)) + loop_head(target) +
             put(value, target, fmt::format("{}(i)", reader(id))) + "  }\n";
  }
  std::string put(const Value& value, const TensorPlace& target, const std::string& x) {
    return fmt::format("    fabric_put_{}(&{}, i, {});\n", is_real(value) ? "real" : "code",
                       declare(target, is_real(value)), x);
  }

  // Whether something lies there that this turn reads, from another place.
  bool overwrites(const TensorPlace& place) const {
    for (const std::size_t n : step_.nodes) {
      for (const ValueId input : host_.graph().nodes[n].inputs) {
        if (input == kNoValue || host_.value(input).constant) continue;
        const ValueId root = host_.root(input);
        const TensorPlace* other = host_.place(root);
        if (other == nullptr || is_here(root)) continue;
        if (overlap(place, *other)) return true;
      }
    }
    return false;
  }

  const HostValues& host_;
  const HostStep& step_;
  const int number_;
  const KeptTensors& kept_;
  Constants& constants_;
  std::int64_t free_;
  Places own_;
  std::set<ValueId> stored_, copied_;
  std::map<ValueId, std::string> readers_;
  std::map<std::string, std::string> tables_;  // by function: the tensor of its table by channel
  std::map<ValueId, std::optional<Lookup>> lookups_;
  std::set<std::string> accessors_;
  struct Definition {  // of a function, table or tensor
    std::string name, text;
  };
  std::vector<Definition> definitions_;
  int tensors_ = 0;
  std::string at_begin_, body_, copies_;
};

class Fabric {
 public:
  Fabric(const Program& program, const std::vector<LayerRun>& runs, bool computes)
      : program_(program), runs_(runs), turns_(turns_of(program)), host_(program, turns_) {
    ends_ = ends_of(host_, program, computes);
    for (const std::size_t n : ends_.left_out) host_.leave_out(n);
    for (HostStep& turn : turns_) {
      std::erase_if(turn.nodes, [&](std::size_t n) { return host_.turn_of_node(n) < 0; });
    }
  }

  // Only what there is before the first layer and behind the last one.
  FabricWork watched() {
    add_given();
    each_output([&](const Output&, const TensorPlace* place) {
      if (place != nullptr) work_.outputs.push_back(*place);
    });
    return finished(program_.l3_bytes);
  }

  FabricWork run() {
    constants_.begin = round_up(program_.l3_bytes, 4);
    each_operand([&](ValueId id, int) { add_constant(host_.root(id)); });
    // Tables are found while the text is made, and what lies behind them is in the text.
    const Constants without_tables = constants_;
    std::int64_t end = generate(0);
    const std::int64_t tables = std::ssize(constants_.bytes) - std::ssize(without_tables.bytes);
    if (tables > 0) {
      constants_ = without_tables;
      end = generate(tables);
    }
    const bool nothing = end == constants_.begin;
    work_.constants_at = constants_.begin;
    work_.constants = constants_.bytes;
    return finished(nothing ? program_.l3_bytes : end);
  }

 private:
  FabricWork finished(std::int64_t l3_bytes) {
    // Of programs that were written by hand: what the host's graph does not know.
    std::set<std::string> known;
    for (const Value& value : host_.graph().values) known.insert(value.name);
    std::ranges::copy_if(program_.outputs, std::back_inserter(work_.outputs),
                         [&](const TensorPlace& place) { return !known.contains(place.value); });
    work_.l3_bytes = l3_bytes;
    work_.left_out = ends_.left_out;
    work_.without_c = ends_.without_c;
    return std::move(work_);
  }

  // `tables`: bytes that they take. The end of what is in L3.
  std::int64_t generate(std::int64_t tables) {
    work_ = {};
    kept_.clear();
    free_ = round_up(constants_.begin + std::ssize(constants_.bytes) + tables, 4);
    add_given();
    each_operand([&](ValueId id, int turn) { keep(id, turn); });
    each_output([&](const Output& output, const TensorPlace* place) {
      if (place == nullptr) keep(output);
      work_.outputs.push_back(place != nullptr ? *place : kept_.at(kept_id(output)).place);
    });
    std::int64_t end = free_;
    for (std::size_t t = 0; t < turns_.size(); ++t) {
      if (has_work(t)) end = std::max(end, add(turns_[t], static_cast<int>(t)));
    }
    return end;
  }

  bool has_work(std::size_t t) const {
    const auto is_kept = [&](const auto& kept) { return kept.second.since == static_cast<int>(t); };
    return !turns_[t].nodes.empty() || std::ranges::any_of(kept_, is_kept);
  }

  // What layers read and no turn makes.
  void add_given() {
    std::set<std::string> made;
    for (const HostStep& turn : turns_) {
      for (const std::size_t n : turn.nodes) {
        for (const ValueId id : host_.graph().nodes[n].outputs) {
          if (id != kNoValue) made.insert(host_.value(id).name);
        }
      }
    }
    std::ranges::copy_if(program_.inputs, std::back_inserter(work_.inputs),
                         [&](const TensorPlace& place) { return !made.contains(place.value); });
  }

  static ValueId kept_id(const Output& output) {
    return output.codes == kNoValue ? output.named : output.codes;
  }

  // call(output, where a layer has left it; nullptr: there may be something else since).
  template <typename Call>
  void each_output(Call call) const {
    for (const Output& output : ends_.outputs) {
      const bool whole = output.codes != kNoValue &&
                         host_.first_read(output.named, host_.last_turn()) >= host_.last_turn();
      call(output, whole ? host_.place(output.codes) : nullptr);
    }
  }
  void keep(const Output& output) {
    const int since = output.codes == kNoValue ? host_.turn_of(output.named)
                                               : host_.first_read(output.named, host_.last_turn());
    keep_since(kept_id(output), since, output.codes == kNoValue);
  }

  // call(operand, turn) for all of nodes that are computed.
  template <typename Call>
  void each_operand(Call call) const {
    for (std::size_t t = 0; t < turns_.size(); ++t) {
      for (const std::size_t n : turns_[t].nodes) {
        for (const ValueId id : host_.graph().nodes[n].inputs) {
          if (id != kNoValue) call(id, static_cast<int>(t));
        }
      }
    }
  }

  void add_constant(ValueId id) {
    const Value& value = host_.value(id);
    if (!value.constant || value.constant->size() <= kLiteralElements) return;
    if (c_type(value).empty() || constants_.places.contains(id)) return;
    TensorPlace place = own_place(value, constants_.append(narrowed(*value.constant)));
    place.channels = value.constant->size();  // in the order of its elements
    place.height = place.width = 1;
    place.row_stride = place.pixel_stride = place.channels * place.bits / 8;
    constants_.places.emplace(id, place);
  }

  // Indices as the C has them.
  static Tensor narrowed(const Tensor& tensor) {
    if (tensor.type() != ElementType::Int64) return tensor;
    Tensor result = Tensor::uninitialized(ElementType::Int32, tensor.shape());
    std::ranges::transform(tensor.values<std::int64_t>(),
                           result.mutable_values<std::int32_t>().begin(),
                           [](std::int64_t v) { return static_cast<std::int32_t>(v); });
    return result;
  }

  // What another turn has made, or has read: its place may have been given to something else since.
  void keep(ValueId operand, int turn) {
    const ValueId id = host_.root(operand);
    if (host_.value(id).constant) return;
    if (host_.is_by_cluster(id)) {
      const int read = host_.first_read(operand, turn);
      if (read != turn) keep_since(id, read);
    } else if (host_.turn_of(id) >= 0) {
      if (host_.turn_of(id) != turn) keep_since(id, host_.turn_of(id));
    } else if (host_.place(id) != nullptr) {  // given for a layer
      if (turn > 0) keep_since(id, 0);
    } else if (!kept_.contains(id)) {
      keep_since(id, -1, true);
      work_.inputs.push_back(kept_.at(id).place);
    }
  }
  void keep_since(ValueId id, int since, bool in_order = false) {
    const auto found = kept_.find(id);
    if (found != kept_.end()) {
      Turn::Kept& kept = found->second;
      kept.since = std::min(kept.since, since);
      if (in_order) kept.place = own_place(host_.value(id), kept.place.address, true);
      return;
    }
    const TensorPlace place = own_place(host_.value(id), free_, in_order);
    free_ = round_up(end_of(place), 4);
    kept_.emplace(id, Turn::Kept{place, since});
  }

  std::int64_t add(const HostStep& step, int number) {
    const std::size_t run = number == 0                   ? 0
                            : number == host_.last_turn() ? runs_.size()
                                                          : run_at(runs_, step.before);
    const std::string function = fmt::format("fabric_{:02}", run);
    Turn turn(host_, step, number, kept_, constants_, free_);
    const std::string text = turn.text(function);
    work_.files.emplace_back(
        fmt::format("src/{}.c", function),
        fmt::format("// {}\n", in_c_comment(node_names(program_, step.nodes))) + text);
    work_.functions.emplace(run, function);
    return turn.end();
  }

  const Program& program_;
  const std::vector<LayerRun>& runs_;
  std::vector<HostStep> turns_;
  HostValues host_;
  Ends ends_;
  FabricWork work_;
  Constants constants_;
  Turn::KeptTensors kept_;
  std::int64_t free_ = 0;
};

}  // namespace

std::string node_names(const Program& program, const std::vector<std::size_t>& nodes) {
  std::string names;
  for (const std::size_t n : nodes) {
    const Node& node = program.host.nodes[n];
    names += fmt::format("{}'{}' ({})", names.empty() ? "" : ", ", node.name, op_name(node.op));
  }
  return names;
}

FabricWork fabric_work(const Program& program, const std::vector<LayerRun>& runs, bool computes) {
  Fabric fabric(program, runs, computes);
  return computes ? fabric.run() : fabric.watched();
}

}  // namespace workbench::pulp
